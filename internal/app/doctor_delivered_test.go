package app

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// letter is a marketing message on its way to a mailbox, for a test to break.
type letter struct {
	list, post []string
	signed     []string // fields that the signature covers; none: unsigned
	after      func(message string) string
	lookup     func(string) ([]string, error)
}

// text is the message as it arrives, signed by example.com where it is.
func (l letter) text(t *testing.T, key crypto.Signer) string {
	t.Helper()
	var b strings.Builder
	for _, v := range l.list {
		fmt.Fprintf(&b, "List-Unsubscribe: %s\r\n", v)
	}
	for _, v := range l.post {
		fmt.Fprintf(&b, "List-Unsubscribe-Post: %s\r\n", v)
	}
	b.WriteString("From: News <news@example.com>\r\nSubject: November\r\n\r\nHello\r\n")
	text := b.String()
	if len(l.signed) > 0 {
		var out bytes.Buffer
		o := &dkim.SignOptions{Domain: "example.com", Selector: "s", Signer: key, Hash: crypto.SHA256, HeaderKeys: l.signed}
		if err := dkim.Sign(&out, strings.NewReader(text), o); err != nil {
			t.Fatal(err)
		}
		text = out.String()
	}
	if l.after != nil {
		text = l.after(text)
	}
	return text
}

func TestTheDoctorTellsWhetherADeliveredMessageOffersOneClick(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	both := []string{"From", "List-Unsubscribe", "list-unsubscribe-post"}
	silent := func(string) ([]string, error) {
		return nil, &net.DNSError{Err: "no answer", IsTimeout: true, IsTemporary: true}
	}
	for sentence, tc := range map[string]struct {
		change func(l *letter)
		health Health
		part   string
		text   string
	}{
		"all is well":                     {func(*letter) {}, Sound, "DKIM", "the signature of example.com covers both fields and holds"},
		"the stream is named":             {func(*letter) {}, Sound, "List-Unsubscribe", "for stream newsletter"},
		"bare line feeds do no harm":      {func(l *letter) { l.after = unixLines }, Sound, "DKIM", "holds"},
		"the link is missing":             {func(l *letter) { l.list = nil }, Broken, "List-Unsubscribe", "has none"},
		"there are two":                   {func(l *letter) { l.list = append(l.list, "<mailto:out@esp.example>") }, Broken, "List-Unsubscribe", "has 2"},
		"the link is somebody else's":     {func(l *letter) { l.list = []string{"<https://esp.example/out>"} }, Broken, "List-Unsubscribe", "no page of this gate"},
		"the other field is missing":      {func(l *letter) { l.post = nil }, Broken, "List-Unsubscribe-Post", "has none"},
		"the other field was changed":     {func(l *letter) { l.post = []string{"One-Click"} }, Broken, "List-Unsubscribe-Post", `"One-Click"`},
		"nobody signed":                   {func(l *letter) { l.signed = nil }, Broken, "DKIM", "not signed"},
		"the signature covers one only":   {func(l *letter) { l.signed = both[:2] }, Broken, "DKIM", "h= of example.com has From:List-Unsubscribe"},
		"the message was changed":         {func(l *letter) { l.after = changed }, Broken, "DKIM", "no signature that holds"},
		"DNS does not answer":             {func(l *letter) { l.lookup = silent }, Doubt, "DKIM", "not known"},
		"it is no message":                {func(l *letter) { l.after = func(string) string { return "no colon\n" } }, Broken, "message", "no message"},
		"a field of another gate's token": {func(l *letter) { l.list = []string{"<https://u.example.com/u/AAAA>"} }, Broken, "List-Unsubscribe", "no page of this gate"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.more = "default_stream: newsletter\nstreams: {newsletter: {kind: marketing}}\nunsubscribe: {public_url: \"https://u.example.com\"}\n"
			p.init()
			l := letter{
				list: []string{"<" + p.link() + ">"}, post: []string{"List-Unsubscribe=One-Click"}, signed: both,
				lookup: func(string) ([]string, error) { return []string{record}, nil },
			}
			tc.change(&l)
			d := Doctor{Config: p.config(), Now: time.Now, Log: slog.New(slog.DiscardHandler), LookupTXT: l.lookup}
			found, err := d.Delivered(t.Context(), strings.NewReader(l.text(t, private)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if f.Part == tc.part && f.Health == tc.health && strings.Contains(f.Text, tc.text) && (f.Do != "") == (f.Health != Sound) {
					return
				}
			}
			t.Errorf("want %s %s %q, found %+v", tc.health, tc.part, tc.text, found)
		})
	}
}

func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func changed(s string) string { return strings.Replace(s, "Hello", "Hallo", 1) }

// link is one that the patient's gate puts into messages of its newsletter.
func (p *patient) link() string {
	p.t.Helper()
	keys, err := seal.Open(p.dir, seal.Options{Addresses: "encrypted"})
	if err != nil {
		p.t.Fatal(err)
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: keys}, "https://u.example.com", "")
	if err != nil {
		p.t.Fatal(err)
	}
	return links.URL(gate.ID{1}, "newsletter")
}
