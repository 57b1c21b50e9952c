"""Sends one message with smtplib. In: JSON on standard input; out: JSON with the replies that were not 250."""

import base64
import json
import smtplib
import sys

job = json.load(sys.stdin)
host, port = job["addr"].rsplit(":", 1)
result = {"refused": {}, "code": 250, "text": ""}


def reply(code, text):
    return {"code": code, "text": text.decode("utf-8", "replace")}


with smtplib.SMTP(host, int(port), local_hostname="client.example.com", timeout=60) as client:
    try:
        refused = client.sendmail(
            job["from"], job["to"], base64.b64decode(job["data"]), mail_options=job["options"] or ()
        )
        result["refused"] = {rcpt: reply(*said) for rcpt, said in refused.items()}
    except smtplib.SMTPRecipientsRefused as e:
        result["refused"] = {rcpt: reply(*said) for rcpt, said in e.recipients.items()}
        result["code"], result["text"] = 554, "all recipients refused"
    except smtplib.SMTPResponseException as e:
        result["code"], result["text"] = e.smtp_code, e.smtp_error.decode("utf-8", "replace")

json.dump(result, sys.stdout)
