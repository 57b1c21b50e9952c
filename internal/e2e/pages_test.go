package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/testredis"
)

// submit presses a button of a public page.
func submit(t *testing.T, link, name, value string) {
	t.Helper()
	r, err := http.PostForm(link, url.Values{name: {value}}) //nolint:gosec // the link under test
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s=%s answers %d", name, value, r.StatusCode)
	}
}

func TestUndoAndPreferencesTakeEffectOnTheNextMail(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	web := freeAddr(t)
	conf := configFile(t, `
mode: enforce
default_stream: news
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+box.addr+`"}]
streams:
  news: {kind: marketing, purpose: newsletter, unsubscribe: [https]}
unsubscribe:
  listen: "`+web+`"
  public_url: "http://`+web+`"
  brand: {name: Example Shop, colour: "#0b7a75"}
`)
	g := startGate(t, redis.URL, "--config", conf)
	g.must("consent", "grant", "ann@example.com", "--purpose", "newsletter", "--method", "active", "--default-state", "unticked")
	message := envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)}
	passes := func(when string, want bool) {
		t.Helper()
		o := smtplib(t, g.addr, message)
		if got := o.Code == 250 && len(o.Refused) == 0; got != want {
			t.Errorf("%s the mail passes: %v, want %v: %+v", when, got, want, o)
		}
	}
	passes("at first", true)
	link := unsubscribeLink(t, box.wait(1)[0].data)

	post(t, link)
	passes("after the one-click", false)
	submit(t, link, "undo", "newsletter")
	passes("after the undo", true)

	page := strings.TrimSpace(g.must("link", "ann@example.com", "--config", conf))
	if got := read(t, page); !bytes.Contains(got, []byte("Example Shop")) || !bytes.Contains(got, []byte("You agreed")) {
		t.Errorf("preference page:\n%s", got)
	}
	submit(t, page, "stop", "*")
	passes("after stopping everything", false)
	submit(t, page, "undo", "*")
	passes("after that undo", true)

	history := g.must("consent", "history", "ann@example.com")
	for _, want := range []string{"granted", "withdrawn", "restored"} {
		if !strings.Contains(history, want) {
			t.Errorf("the history lacks %s:\n%s", want, history)
		}
	}
}

func read(t *testing.T, link string) []byte {
	t.Helper()
	r, err := http.Get(link) //nolint:gosec // the link under test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
