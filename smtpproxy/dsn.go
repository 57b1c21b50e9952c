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
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// notify tells the sender which recipients were refused for good while others were served, in a delivery status
// notification (RFC 3464) that the upstream has to accept. None is owed for <> nor where NOTIFY leaves FAILURE out.
func (d *delivery) notify(ctx context.Context, lost []int) error {
	var owed []int
	for _, r := range lost {
		if d.tx.rcpts[r].notifyFailure() {
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
	d.count(gate.CountNotices)
	return nil
}

func (d *delivery) noticeEnvelope() upstream.Envelope {
	mail := "<>"
	if d.tx.utf8 {
		if d.ses.set.Upstream.Caps().EightBitMIME {
			mail += " BODY=8BITMIME"
		}
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
	if _, err := lease.Write(wire.Stuff(text)); err != nil {
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
	parts := []part{
		{"text/plain", "text/plain", d.noticeWords(lost)},
		{"message/delivery-status", "message/global-delivery-status", d.noticeFields(lost)},
		{"text/rfc822-headers", "message/global-headers", d.originalHeader()},
	}
	for _, p := range parts {
		if err := p.add(w, d.tx.utf8); err != nil {
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
	return string(wire.Unstuff(d.header.Raw))
}

// part is a body part of a notice, with its media type for ASCII and for UTF-8 (RFC 6533 sections 4 and 6).
type part struct{ ascii, global, text string }

// add writes the part as it is where it can stand so in mail; UTF-8 can where the sender takes SMTPUTF8.
func (p part) add(w *message.Writer, smtputf8 bool) error {
	var h message.Header
	switch {
	case isASCII(p.text):
		h.SetContentType(p.ascii, nil)
	case smtputf8 && utf8.ValidString(p.text):
		h.SetContentType(p.global, p.charset())
		h.Set("Content-Transfer-Encoding", p.encoding())
	default:
		h.SetContentType(p.ascii, nil)
		h.Set("Content-Transfer-Encoding", "quoted-printable")
	}
	pw, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(pw, p.text); err != nil {
		return err
	}
	return pw.Close()
}

// charset is for text; the media types of messages say by themselves that they are UTF-8.
func (p part) charset() map[string]string {
	if strings.HasPrefix(p.global, "text/") {
		return map[string]string{"charset": "utf-8"}
	}
	return nil
}

// encoding is 8bit, as RFC 6533 section 6 asks, but for lines that are too long for that (RFC 5321 section 4.5.3.1.6).
func (p part) encoding() string {
	for line := range strings.Lines(p.text) {
		if len(line) > 1000 {
			return "quoted-printable"
		}
	}
	return "8bit"
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
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
		mailbox := d.tx.rcpts[r].path.Mailbox
		b.WriteString("\r\n")
		for _, p := range d.tx.rcpts[r].path.Params {
			if p.Key == "ORCPT" {
				b.WriteString("Original-Recipient: " + d.original(p.Value) + "\r\n")
			}
		}
		fmt.Fprintf(&b, "Final-Recipient: %s; %s\r\nAction: failed\r\nStatus: %d.%d.%d\r\nDiagnostic-Code: smtp; %s\r\n",
			addressType(mailbox), mailbox, code[0], code[1], code[2], d.diagnostic(r))
	}
	return b.String()
}

// addressType is that of RFC 3464 section 2.3.2, or of RFC 6533 section 3.
func addressType(mailbox string) string {
	if isASCII(mailbox) {
		return "rfc822"
	}
	return "utf-8"
}

// original is the value of ORCPT as a notice shows it. An address of type utf-8 is shown in UTF-8 to senders that take
// it, and stays in its seven-bit form for others (RFC 6533 section 3).
func (d *delivery) original(orcpt string) string {
	kind, address, _ := strings.Cut(orcpt, ";")
	switch {
	case !strings.EqualFold(kind, "utf-8"):
		return plainText(orcpt)
	case d.tx.utf8:
		return kind + "; " + unescaped(address)
	}
	return orcpt
}

// unescaped puts the characters that an address embeds by number, as \x{E9}, in their place (RFC 6533 section 3). What
// is none, or hides a control character, stays as it came.
func unescaped(address string) string {
	const begin, end = `\x{`, "}"
	var b strings.Builder
	head, rest, found := strings.Cut(address, begin)
	for b.WriteString(head); found; b.WriteString(head) {
		number, tail, closed := strings.Cut(rest, end)
		c, err := strconv.ParseUint(number, 16, 21)
		if err != nil || !closed || !utf8.ValidRune(rune(c)) || unicode.IsControl(rune(c)) {
			return address
		}
		b.WriteRune(rune(c))
		head, rest, found = strings.Cut(tail, begin)
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

// diagnostic is the refusal as the client would have read it, on one line and in ASCII.
func (d *delivery) diagnostic(r int) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return ' '
		case c >= utf8.RuneSelf:
			return '?'
		}
		return c
	}, replyText(d.ses.reply(d.results[r].error())))
}
