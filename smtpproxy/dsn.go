package smtpproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// notify tells the sender which recipients were refused for good while others were served, in a delivery status
// notification (RFC 3464) that the upstream has to accept. None is owed for <> nor where NOTIFY leaves FAILURE out.
func (d *delivery) notify(ctx context.Context, lost []int) error {
	var owed []int
	for _, r := range lost {
		if d.tx.rcpts[r].notifyFailure() && !d.results[r].told {
			owed = append(owed, r)
		}
	}
	if d.tx.null() || len(owed) == 0 {
		return nil
	}
	text, err := d.notice(owed)
	if err != nil {
		return err
	}
	lease, err := d.ses.set.Upstream.Get(ctx, upstream.Need{SMTPUTF8: d.tx.utf8, Size: int64(len(text))})
	if err != nil {
		return err
	}
	if err := post(lease, d.noticeEnvelope(), text); err != nil {
		lease.Abort()
		return err
	}
	lease.Release()
	for _, r := range owed {
		d.results[r].told = true
	}
	d.count(gate.CountNotices)
	return nil
}

func (d *delivery) noticeEnvelope() upstream.Envelope {
	mail := "<>"
	if d.tx.utf8 {
		mail += " SMTPUTF8"
	}
	return upstream.Envelope{Mail: mail, Rcpts: []string{"<" + d.tx.from.Mailbox + ">"}}
}

// post sends one message of ours; text has CRLF line ends.
func post(lease *upstream.Lease, e upstream.Envelope, text []byte) error {
	lease.Envelope(e)
	answer, err := lease.Await()
	if err != nil {
		return err
	}
	if !answer.Go() {
		return errNotice
	}
	if _, err := lease.Write(bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n.."))); err != nil {
		return err
	}
	lease.Dot()
	reply, err := lease.Result()
	if err != nil {
		return err
	}
	if !reply.Positive() {
		return fmt.Errorf("%w with %d", errNotice, reply.Code)
	}
	return nil
}

// errNotice leaves out what the upstream said: that names the sender, and this is for the log.
var errNotice = errors.New("upstream refused the notice")

// notice composes the multipart/report: words for people, fields for machines, and the header of the message.
func (d *delivery) notice(lost []int) ([]byte, error) {
	host := d.ses.srv.opt.Hostname
	var h message.Header
	h.SetContentType("multipart/report", map[string]string{"report-type": "delivery-status"})
	h.Set("Subject", "Delivery status: some recipients were refused")
	h.Set("To", d.tx.from.Mailbox)
	h.Set("From", "Mail delivery <postmaster@"+host+">")
	h.Set("Date", d.ses.srv.opt.Now().Format(time.RFC1123Z))
	h.Set("Message-Id", "<"+d.ses.srv.opt.NewID()+"@"+host+">")
	h.Set("Auto-Submitted", "auto-replied")
	h.Set("Mime-Version", "1.0")
	var out bytes.Buffer
	w, err := message.CreateWriter(&out, h)
	if err != nil {
		return nil, fmt.Errorf("compose notice: %w", err)
	}
	parts := []struct{ kind, text string }{
		{"text/plain", d.noticeWords(lost)},
		{"message/delivery-status", d.noticeFields(lost)},
		{"text/rfc822-headers", d.originalHeader()},
	}
	for _, p := range parts {
		if err := addPart(w, p.kind, p.text); err != nil {
			return nil, fmt.Errorf("compose notice: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compose notice: %w", err)
	}
	return out.Bytes(), nil
}

// originalHeader is the message's header without the dots of transparency (RFC 5321 section 4.5.2).
func (d *delivery) originalHeader() string {
	return strings.ReplaceAll("\r\n"+string(d.header.Raw), "\r\n.", "\r\n")[len("\r\n"):]
}

func addPart(w *message.Writer, kind, text string) error {
	var h message.Header
	h.SetContentType(kind, nil)
	pw, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(pw, text); err != nil {
		return err
	}
	return pw.Close()
}

func (d *delivery) noticeWords(lost []int) string {
	var b strings.Builder
	b.WriteString("Your message was delivered to some of its recipients. These were refused for good:\r\n\r\n")
	for _, r := range lost {
		b.WriteString("  " + d.tx.rcpts[r].path.Mailbox + "\r\n    " + d.diagnostic(r) + "\r\n")
	}
	return b.String()
}

// noticeFields are the per-message and per-recipient groups of RFC 3464 section 2.
func (d *delivery) noticeFields(lost []int) string {
	var b strings.Builder
	b.WriteString("Reporting-MTA: dns; " + d.ses.srv.opt.Hostname + "\r\n")
	for _, p := range d.tx.from.Params {
		if p.Key == "ENVID" {
			b.WriteString("Original-Envelope-Id: " + plainText(p.Value) + "\r\n")
		}
	}
	for _, r := range lost {
		code := d.ses.reply(d.results[r].error()).EnhancedCode
		b.WriteString("\r\n")
		for _, p := range d.tx.rcpts[r].path.Params {
			if p.Key == "ORCPT" {
				b.WriteString("Original-Recipient: " + plainText(p.Value) + "\r\n")
			}
		}
		fmt.Fprintf(&b, "Final-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: %d.%d.%d\r\nDiagnostic-Code: smtp; %s\r\n",
			d.tx.rcpts[r].path.Mailbox, code[0], code[1], code[2], d.diagnostic(r))
	}
	return b.String()
}

// plainText decodes xtext (RFC 3461 section 4). What is none, or hides anything but printable ASCII, stays as it came.
func plainText(xtext string) string {
	var b strings.Builder
	head, rest, found := strings.Cut(xtext, "+")
	for b.WriteString(head); found; b.WriteString(head) {
		c, err := strconv.ParseUint(rest[:min(2, len(rest))], 16, 8)
		if err != nil || len(rest) < 2 || c < ' ' || c > '~' {
			return xtext
		}
		b.WriteByte(byte(c))
		head, rest, found = strings.Cut(rest[2:], "+")
	}
	return b.String()
}

// diagnostic is the refusal as the client would have read it, on one line.
func (d *delivery) diagnostic(r int) string {
	return strings.ReplaceAll(replyText(d.ses.reply(d.results[r].error())), "\n", " ")
}
