package smtpproxy_test

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// report is a notice as go-message reads it, an independent reader.
type report struct {
	mail  string // MAIL's argument
	to    string
	parts []reportPart
}

// reportPart is a body part of a notice, decoded.
type reportPart struct {
	kind, charset, encoding, text string
}

// reported sends a message to active and to double, whom the upstream refuses for good, and reads the notice.
func reported(t *testing.T, mail, rcpt, subject string) report {
	t.Helper()
	w := start(t, bigMessages)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.upstream.OnRcpt("jürgen@example.net", smtptest.Reply("550 5.1.1 fort: für immer"))
	w.play("C: MAIL FROM:" + mail + "\nS: 250\nC: RCPT TO:<one@example.net>\nS: 250\nC: RCPT TO:" + rcpt + "\nS: 250\n" +
		"C: DATA\nS: 354\nC< Subject: " + subject + "\\r\\n\n" + "C:\nC: text\nC: .\nS: 250\n")
	for _, m := range w.upstream.Messages() {
		if m.Complete && strings.HasPrefix(m.MailArg, "<>") {
			return readReport(t, m)
		}
	}
	t.Fatal("there is no notice")
	return report{}
}

func readReport(t *testing.T, m smtptest.Message) report {
	t.Helper()
	e, err := gomessage.Read(strings.NewReader(strings.ReplaceAll(string(m.Data), "\r\n..", "\r\n.")))
	if err != nil {
		t.Fatalf("%v in\n%s", err, m.Data)
	}
	kind, params, err := e.Header.ContentType()
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Errorf("%s, %v, %v; want a multipart/report of delivery-status", kind, params, err)
	}
	r := report{mail: m.MailArg, to: e.Header.Get("To")}
	for parts := e.MultipartReader(); ; {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, m.Data)
		}
		text, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		kind, params, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		r.parts = append(r.parts, reportPart{kind, params["charset"], p.Header.Get("Content-Transfer-Encoding"), string(text)})
	}
}

// about are the fields of the notice's one recipient.
func (r report) about(t *testing.T) textproto.Header {
	t.Helper()
	_, fields, _ := strings.Cut(r.parts[1].text, "\r\n\r\n")
	h, err := textproto.ReadHeader(bufio.NewReader(strings.NewReader(fields + "\r\n")))
	if err != nil {
		t.Fatalf("%v in %q", err, fields)
	}
	return h
}

func (r report) kinds() string {
	var b strings.Builder
	for _, p := range r.parts {
		b.WriteString(strings.TrimSuffix(p.kind+" "+p.encoding, " ") + "\n")
	}
	return b.String()
}

func TestANoticeAboutAnAddressInUTF8IsAnInternationalisedOne(t *testing.T) {
	t.Parallel()
	r := reported(t, "<müller@shop.example.com> SMTPUTF8", "<jürgen@example.net> ORCPT=utf-8;j\\x{FC}rgen+\\x{2B}x@example.org", "Grüße")
	if want := "text/plain 8bit\nmessage/global-delivery-status 8bit\nmessage/global-headers 8bit\n"; r.kinds() != want {
		t.Errorf("parts\n%swant\n%s", r.kinds(), want)
	}
	if r.mail != "<> BODY=8BITMIME SMTPUTF8" || r.to != "müller@shop.example.com" {
		t.Errorf("MAIL FROM:%s, To: %s", r.mail, r.to)
	}
	if r.parts[0].charset != "utf-8" || !strings.Contains(r.parts[0].text, "  jürgen@example.net\r\n") {
		t.Errorf("words in %s: %q", r.parts[0].charset, r.parts[0].text)
	}
	h := r.about(t)
	for field, want := range map[string]string{
		"Final-Recipient": "utf-8; jürgen@example.net", "Original-Recipient": "utf-8; jürgen++x@example.org",
		"Diagnostic-Code": "smtp; 550 5.1.1 fort: f?r immer", "Status": "5.1.1", "Action": "failed",
	} {
		if got := h.Get(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if r.parts[2].text != "Subject: Grüße\r\n\r\n" {
		t.Errorf("header of the message: %q", r.parts[2].text)
	}
}

func TestANoticeIsAsPlainAsItsSenderNeeds(t *testing.T) {
	t.Parallel()
	const ascii = "text/plain\nmessage/delivery-status\ntext/rfc822-headers\n"
	for name, tt := range map[string]struct{ mail, rcpt, subject, kinds, original, header string }{
		"all in ASCII": {
			"<order@shop.example.com>", "<double@example.net>", "hello", ascii, "", "Subject: hello\r\n\r\n",
		},
		"SMTPUTF8 without need": {
			"<order@shop.example.com> SMTPUTF8", "<double@example.net>", "hello", ascii, "", "Subject: hello\r\n\r\n",
		},
		"an original recipient in UTF-8 for a sender without SMTPUTF8": {
			"<order@shop.example.com>", "<double@example.net> ORCPT=utf-8;j\\x{FC}rgen@example.org", "hello",
			ascii, "utf-8;j\\x{FC}rgen@example.org", "Subject: hello\r\n\r\n",
		},
		"an original recipient that hides a line break": {
			"<order@shop.example.com> SMTPUTF8", "<double@example.net> ORCPT=utf-8;a\\x{0D}\\x{0A}Bcc:b", "hello",
			ascii, "utf-8; a\\x{0D}\\x{0A}Bcc:b", "Subject: hello\r\n\r\n",
		},
		"an original recipient that is half a character": {
			"<order@shop.example.com> SMTPUTF8", "<double@example.net> ORCPT=utf-8;a\\x{D800}\\x{41", "hello",
			ascii, "utf-8; a\\x{D800}\\x{41", "Subject: hello\r\n\r\n",
		},
		"8-bit that is no UTF-8": {
			"<order@shop.example.com> SMTPUTF8", "<double@example.net>", "\\xff",
			"text/plain\nmessage/delivery-status\ntext/rfc822-headers quoted-printable\n", "", "Subject: \xff\r\n\r\n",
		},
		"8-bit for a sender without SMTPUTF8": {
			"<order@shop.example.com> BODY=8BITMIME", "<double@example.net>", "Grüße",
			"text/plain\nmessage/delivery-status\ntext/rfc822-headers quoted-printable\n", "", "Subject: Grüße\r\n\r\n",
		},
		"a long line in UTF-8": {
			"<order@shop.example.com> SMTPUTF8", "<double@example.net>", strings.Repeat("ü", 400) + strings.Repeat("x", 300),
			"text/plain\nmessage/delivery-status\nmessage/global-headers quoted-printable\n", "",
			"Subject: " + strings.Repeat("ü", 400) + strings.Repeat("x", 300) + "\r\n\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reported(t, tt.mail, tt.rcpt, tt.subject)
			h := r.about(t)
			if r.kinds() != tt.kinds {
				t.Errorf("parts\n%swant\n%s", r.kinds(), tt.kinds)
			}
			if got := h.Get("Original-Recipient"); got != tt.original {
				t.Errorf("Original-Recipient: %q, want %q", got, tt.original)
			}
			if got := h.Get("Final-Recipient"); got != "rfc822; double@example.net" {
				t.Errorf("Final-Recipient: %q", got)
			}
			if r.parts[2].text != tt.header {
				t.Errorf("header of the message: %q, want %q", r.parts[2].text, tt.header)
			}
		})
	}
}
