package unsub_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"

	"github.com/consentgate/consentgate/unsub"
)

// The message as go-message, an independent reader, sees it.
func TestTheMessageAsksAndAdvertisesNothing(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string][]string{
		"fr":    {"Merci de confirmer : Newsletter", "Le 1er novembre 2026", "un formulaire (footer)", "jusqu’au 8 novembre 2026", "ne faites rien"},
		"en-GB": {"Please confirm: Newsletter", "On 1 November 2026", "a form (footer)", "until 8 November 2026", "do nothing"},
	} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.signUp(t, 0)
			o.later = time.Hour
			if _, err := o.Request(t.Context(), unsub.Asking{Address: o.ann, Purpose: "newsletter", Language: lang}); err != nil {
				t.Fatal(err)
			}
			sevenBit(t, o.sent[0])
			m := readMail(t, o.sent[0])
			if from := m.from; from.Name != "Café Exemple" || from.Address != "hello@example.com" || m.to.Address != "ann@example.com" ||
				m.subject != want[0] || m.header.Get("Auto-Submitted") != "auto-generated" || m.header.Has("List-Unsubscribe") {
				t.Errorf("header %+v", m)
			}
			link := "https://u.example.com/c/" + unsub.Tokens{Keys: o.keys}.Make(o.id(), "weekly", unsub.TokenConfirmation)
			m.say(t, append(want[1:], link, "Café Exemple", "1 Main Street", "privacy@example.com")...)
			if len(m.parts) != 2 || strings.Contains(m.parts["text/html"], "<img") || strings.Contains(m.parts["text/html"], "<script") {
				t.Errorf("parts %v", m.parts)
			}
		})
	}
}

// sevenBit: any upstream takes the message, whatever it offers.
func sevenBit(t *testing.T, message []byte) {
	t.Helper()
	for line := range bytes.SplitSeq(message, []byte("\r\n")) {
		if len(line) > 200 || bytes.ContainsAny(line, "\r\n") || bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("line %q", line)
		}
	}
}

// say reports what a part of the message lacks.
func (m parsedMail) say(t *testing.T, want ...string) {
	t.Helper()
	for media, text := range m.parts {
		for _, s := range want {
			if !strings.Contains(text, s) {
				t.Errorf("%s lacks %q:\n%s", media, s, text)
			}
		}
	}
}

type parsedMail struct {
	header   mail.Header
	from, to *mail.Address
	subject  string
	parts    map[string]string // by media type
}

func readMail(t *testing.T, message []byte) parsedMail {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	m := parsedMail{header: r.Header, parts: map[string]string{}}
	from, err1 := r.Header.AddressList("From")
	to, err2 := r.Header.AddressList("To")
	subject, err3 := r.Header.Subject()
	if at, err4 := r.Header.Date(); errors.Join(err1, err2, err3, err4) != nil || len(from) != 1 || len(to) != 1 || at.IsZero() {
		t.Fatal(err1, err2, err3, err4)
	}
	m.from, m.to, m.subject = from[0], to[0], subject
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		media, _, _ := p.Header.(*mail.InlineHeader).ContentType()
		text, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		m.parts[media] = string(text)
	}
}
