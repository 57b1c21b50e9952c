package unsub

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"

	"github.com/consentgate/consentgate/gate"
)

// confirmMail is the message that asks to confirm, as its two forms show it. It advertises nothing: who asks, what for,
// when and where the sign-up was, the link, and that doing nothing is enough to refuse.
type confirmMail struct {
	Lang                              string
	Brand                             Brand
	Subject, What, Act, Until, NotYou string
	Facts                             []fact
	URL                               string
	Foot                              []string
}

// fact is one line about the sign-up.
type fact struct{ Label, Text, Line string }

// mailOf writes the message's texts in a language. signUp is what the request rests on, and requested when it was made.
// The address of the page (source.url) is left out: a browser claims it, so it could be made to advertise.
func (p *pages) mailOf(l *locale, purpose string, signUp gate.Event, requested time.Time, url string) confirmMail {
	name := p.purposeName(l, purpose)
	sender := frame{locale: l, Brand: p.brand}.Asker()
	m := confirmMail{
		Lang: l.Lang, Brand: p.brand, URL: url,
		Subject: say(l.Mail.Subject, "purpose", name),
		What:    say(l.Mail.What, "date", l.Day(signUp.Time), "sender", sender),
		Act:     l.Mail.Act,
		Until:   say(l.Mail.Until, "date", l.Day(requested.Add(confirmWithin))),
		NotYou:  l.Mail.NotYou,
	}
	m.close(p, l, purpose, signUp.Source)
	return m
}

// stopMailOf is the message of a no that somebody said by a form. It has the same parts.
func (p *pages) stopMailOf(l *locale, s StopOffer, url string) confirmMail {
	sender := frame{locale: l, Brand: p.brand}.Asker()
	m := confirmMail{
		Lang: l.Lang, Brand: p.brand, URL: url,
		Subject: say(l.StopMail.Subject, "purpose", p.purposeName(l, s.Purpose)),
		What:    say(l.StopMail.What, "date", l.Day(s.Time), "sender", sender),
		Act:     l.StopMail.Act,
		Until:   l.StopMail.Until,
		NotYou:  l.StopMail.NotYou,
	}
	m.close(p, l, s.Purpose, s.Source)
	return m
}

// close adds what it is about and who sends it.
func (m *confirmMail) close(p *pages, l *locale, purpose string, source gate.Source) {
	m.fact(l, l.Labels.Purpose, p.purposeName(l, purpose))
	m.fact(l, l.Labels.Sender, p.brand.Name)
	m.fact(l, l.Labels.Where, l.signUpPlace(source))
	for _, line := range []string{p.brand.Name, p.brand.Address, p.brand.Contact, p.brand.PrivacyURL} {
		if line != "" {
			m.Foot = append(m.Foot, line)
		}
	}
}

// fact adds a line about the sign-up, where there is something to say.
func (m *confirmMail) fact(l *locale, label, text string) {
	if text != "" {
		m.Facts = append(m.Facts, fact{label, text, say(l.Mail.Fact, "label", label, "text", text)})
	}
}

// signUpPlace is where a sign-up was, for somebody who does not stand before that page.
func (l *locale) signUpPlace(s gate.Source) string {
	if s.Kind == "preference" {
		return l.Mail.Page
	}
	return sourceName(l, sourceText(s))
}

// text is the plain form.
func (m confirmMail) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", m.What)
	for _, f := range m.Facts {
		b.WriteString(f.Line + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n\n%s\n", m.Act, m.URL, m.Until, m.NotYou)
	if len(m.Foot) > 0 {
		fmt.Fprintf(&b, "\n-- \n%s\n", strings.Join(m.Foot, "\n"))
	}
	return b.String()
}

// mailHeader is what the header of a message says.
type mailHeader struct {
	from, to gate.Address
	id       string // of the message, without its domain
	at       time.Time
}

// compose writes the message: both forms, each quoted-printable, so that any upstream takes it. Auto-Submitted keeps
// absence notices away (RFC 3834 section 5). There is no List-Unsubscribe: there is nothing yet to unsubscribe from.
func (m confirmMail) compose(h mailHeader, html *template.Template) ([]byte, error) {
	var header mail.Header
	header.SetDate(h.at)
	header.SetAddressList("From", []*mail.Address{{Name: m.Brand.Name, Address: h.from.String()}})
	header.SetAddressList("To", []*mail.Address{{Address: h.to.String()}})
	header.SetSubject(m.Subject)
	header.SetMessageID(h.id + "@" + h.from.Domain())
	header.Set("Auto-Submitted", "auto-generated")
	header.Set("Content-Language", m.Lang)
	var out, page bytes.Buffer
	if err := html.Execute(&page, m); err != nil {
		return nil, err
	}
	w, err := mail.CreateInlineWriter(&out, header)
	if err != nil {
		return nil, err
	}
	for _, form := range []struct{ media, text string }{{"text/plain", m.text()}, {"text/html", page.String()}} {
		if err := writePart(w, form.media, form.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writePart(w *mail.InlineWriter, media, text string) error {
	var h mail.InlineHeader
	h.SetContentType(media, map[string]string{"charset": "utf-8"})
	part, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(part, text); err != nil {
		return err
	}
	return part.Close()
}
