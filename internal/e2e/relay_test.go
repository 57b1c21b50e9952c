package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

const sender = "news@example.com"

func TestMailReachesWhoAgreedByteForByteAndNobodyElse(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr)
	g.grant("ann@example.com", "active")
	g.grant("quiz@example.com", "passive")

	o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com", "quiz@example.com", "bob@example.com"}, Data: []byte(plain)})
	if o.Code != 250 || len(o.Refused) != 2 {
		t.Fatalf("smtplib: %+v", o)
	}
	for who, reason := range map[string]string{"quiz@example.com": "passive_unconfirmed", "bob@example.com": "no_consent"} {
		if r := o.Refused[who]; r.Code != 550 || !strings.HasPrefix(r.Text, "5.7.1 ") || !strings.Contains(r.Text, "("+reason+")") {
			t.Errorf("%s: %+v, want 550 5.7.1 (%s)", who, r, reason)
		}
	}
	d := box.wait(1)
	if len(d) != 1 || d[0].to != "ann@example.com" || d[0].from != sender {
		t.Fatalf("delivered: %+v", d)
	}
	behindOurLines(t, d[0].data, plain)
	blockedShows(t, g, map[string]string{"quiz@example.com": "passive_unconfirmed", "bob@example.com": "no_consent"})
}

// behindOurLines holds the delivered message against the sent one: whole lines of ours on top, then every byte.
func behindOurLines(t *testing.T, got []byte, sent string) {
	t.Helper()
	lines, ok := bytes.CutSuffix(got, []byte(sent))
	if !ok {
		t.Fatalf("delivered %q does not end in what was sent", got)
	}
	if !bytes.Contains(lines, []byte("Received: ")) || !bytes.HasSuffix(lines, []byte("\r\n")) || bytes.Contains(lines, []byte("\r\n\r\n")) {
		t.Errorf("on top: %q, want header lines", lines)
	}
}

// blockedShows asks for the blocks until they have been shipped: all are there, masked, and each is found by its
// address.
func blockedShows(t *testing.T, g *gateway, want map[string]string) {
	t.Helper()
	waitFor(t, 10*time.Second, "the blocks in the store", func() bool {
		return strings.Count(g.must("blocked", "--format", "json"), "\n") == len(want)
	})
	for who, reason := range want {
		var e struct{ Recipient, Reason, Reply, Hint, Citation, Stream string }
		out := g.must("blocked", "--format", "json", "--recipient", who)
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			t.Fatalf("%s: %v in %q", who, err, out)
		}
		if e.Reason != reason || e.Stream != "marketing" || e.Hint == "" || strings.Contains(out, who) {
			t.Errorf("%s: entry %+v, want reason %s and the address masked", who, e, reason)
		}
	}
}

func TestSwaksIsToldWhyAndSucceedsOnceConsentIsThere(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr)
	send := func() (string, int) {
		return swaks(t, g.addr, "--from", sender, "--to", "ann@example.com", "--pipeline")
	}
	if dialogue, code := send(); code != 24 || !strings.Contains(dialogue, "<** 550 5.7.1 Recipient blocked by consent policy (no_consent)") {
		t.Fatalf("exit %d:\n%s", code, dialogue)
	}
	if _, code := g.run("check", "ann@example.com", "--stream", "marketing"); code != 3 {
		t.Errorf("check exits %d, want 3 for block", code)
	}
	g.grant("ann@example.com", "active")
	if dialogue, code := send(); code != 0 {
		t.Fatalf("exit %d:\n%s", code, dialogue)
	}
	box.wait(1)
	g.must("consent", "withdraw", "ann@example.com", "--all")
	if dialogue, code := send(); code != 24 || !strings.Contains(dialogue, "(withdrawn)") {
		t.Errorf("after the withdrawal: exit %d:\n%s", code, dialogue)
	}
}

func TestAStoreKilledInMidSessionDefersAndWorksAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr, "--transactional", "*@shop.example.com")
	g.grant("ann@example.com", "active")
	c := smtptest.Dial(t, g.addr, nil)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\n")
	redis.Stop()
	c.Play("C: RCPT TO:<ann@example.com>\nS= 451 4.3.0 Temporary failure, try again later\nC: RSET\nS: 250\n" +
		"C: MAIL FROM:<orders@shop.example.com>\nS: 250\nC: RCPT TO:<bob@example.com>\nS: 250\nC: DATA\nS: 354\n" +
		"C: Subject: receipt\nC:\nC: text\nC: .\nS: 250\n")
	box.wait(1)
	redis.Start()
	waitFor(t, 10*time.Second, "service again", func() bool {
		return smtptest.Play(g.addr, "again", "S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\n"+
			"C: RCPT TO:<ann@example.com>\nS: 250\n", nil) == nil
	})
	c.Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<ann@example.com>\nS: 250\nC: RCPT TO:<bob@example.com>\nS: 550 5.7.1\n" +
		"C: DATA\nS: 354\nC: Subject: news\nC:\nC: text\nC: .\nS: 250\n")
	if d := box.wait(2); d[1].to != "ann@example.com" && d[0].to != "ann@example.com" {
		t.Errorf("delivered: %+v", d)
	}
}

func TestAnEmptiedStoreDefersAndDoesNotRefuse(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr)
	g.grant("ann@example.com", "active")
	redis.MustDo("FLUSHALL")
	o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com", "bob@example.com"}, Data: []byte(plain)})
	for who, r := range o.Refused {
		if r.Code != 451 {
			t.Errorf("%s: %+v, want 451", who, r)
		}
	}
	if len(o.Refused) != 2 {
		t.Errorf("smtplib: %+v, want both deferred", o)
	}
	if out, code := g.run("check", "ann@example.com", "--stream", "marketing"); code == 0 || code == 3 {
		t.Errorf("check of an emptied store exits %d: %s", code, out)
	}
}

func TestAnEmptiedStoreIsNotMadeAnewByARestart(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr)
	g.stop()
	redis.MustDo("FLUSHALL")
	g.start("--listen", "127.0.0.1:0", "--upstream", box.addr)
	if !g.log.has("consentgate store init") {
		t.Errorf("the log does not say what to do:\n%s", g.log)
	}
	o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)})
	if r := o.Refused["ann@example.com"]; r.Code != 451 {
		t.Errorf("smtplib: %+v, want 451", o)
	}
	g.must("store", "init", "--lost")
	waitFor(t, 10*time.Second, "the new store in use", func() bool {
		o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)})
		return o.Refused["ann@example.com"].Code == 550
	})
}

func TestOneClickInDeliveredMailBlocksTheNext(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	web := freeAddr(t)
	conf := configFile(t, `
mode: enforce
default_stream: newsletter
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+box.addr+`"}]
streams:
  newsletter: {kind: marketing, purpose: marketing, unsubscribe: [https]}
unsubscribe: {listen: "`+web+`", public_url: "http://`+web+`"}
`)
	g := startGate(t, redis.URL, "--config", conf)
	for _, who := range []string{"ann@example.com", "bob@example.com"} {
		g.grant(who, "active")
	}
	message := envelope{From: sender, To: []string{"ann@example.com", "bob@example.com"}, Data: []byte(plain)}
	if o := smtplib(t, g.addr, message); o.Code != 250 || len(o.Refused) != 0 {
		t.Fatalf("smtplib: %+v", o)
	}
	links := map[string]string{}
	for _, d := range box.wait(2) {
		behindOurLines(t, d.data, plain)
		links[d.to] = unsubscribeLink(t, d.data)
	}
	if links["ann@example.com"] == links["bob@example.com"] {
		t.Error("both got the same link")
	}
	if code := get(t, links["ann@example.com"]); code != http.StatusOK {
		t.Errorf("the page answers %d", code)
	}
	if o := smtplib(t, g.addr, message); len(o.Refused) != 0 {
		t.Errorf("reading the page changed something: %+v", o)
	}
	begun := time.Now()
	post(t, links["ann@example.com"])
	o := smtplib(t, g.addr, message)
	if r := o.Refused["ann@example.com"]; r.Code != 550 || !strings.Contains(r.Text, "(withdrawn)") || len(o.Refused) != 1 {
		t.Errorf("after the click: %+v", o)
	}
	t.Logf("from POST to the first block shown: %v", time.Since(begun))
}

func unsubscribeLink(t *testing.T, message []byte) string {
	t.Helper()
	header, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	m := regexp.MustCompile(`(?m)^List-Unsubscribe: <(http[^>]+)>\r$`).FindSubmatch(header)
	if m == nil || !bytes.Contains(header, []byte("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")) {
		t.Fatalf("header lacks the one-click fields:\n%s", header)
	}
	return string(m[1])
}

func get(t *testing.T, link string) int {
	t.Helper()
	r, err := http.Get(link) //nolint:gosec // the link under test
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}

func post(t *testing.T, link string) {
	t.Helper()
	r, err := http.PostForm(link, url.Values{"List-Unsubscribe": {"One-Click"}}) //nolint:gosec // the link under test
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("one-click answers %d", r.StatusCode)
	}
}

func TestASecondProcessActsOnTheEmbeddedStoreWhileTheGateRuns(t *testing.T) {
	t.Parallel()
	box := startPostfix(t)
	g := startGate(t, "sqlite:"+t.TempDir()+"/consent.db", "--listen", "127.0.0.1:0", "--upstream", box.addr)
	g.grant("ann@example.com", "active")
	message := envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)}
	if o := smtplib(t, g.addr, message); o.Code != 250 {
		t.Fatalf("smtplib: %+v", o)
	}
	box.wait(1)
	g.must("consent", "withdraw", "ann@example.com", "--purpose", "marketing")
	if o := smtplib(t, g.addr, message); o.Refused["ann@example.com"].Code != 550 {
		t.Errorf("smtplib: %+v", o)
	}
	blockedShows(t, g, map[string]string{"ann@example.com": "withdrawn"})
}

func TestObserveDeliversUnchangedAndLogsWhatItWouldBlock(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, redis.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr, "--mode", "observe")
	g.must("consent", "withdraw", "carl@example.com", "--all")
	o := smtplib(t, g.addr, envelope{From: sender, To: []string{"bob@example.com", "carl@example.com"}, Data: []byte(plain)})
	if o.Code != 250 || o.Refused["carl@example.com"].Code != 550 {
		t.Fatalf("smtplib: %+v, want the refusal enforced and nothing else", o)
	}
	if d := box.wait(1); d[0].to != "bob@example.com" || string(d[0].data) != plain {
		t.Errorf("delivered to %s: %q, want the message as it came", d[0].to, d[0].data)
	}
	waitFor(t, 10*time.Second, "both entries", func() bool {
		out := g.must("blocked", "--format", "json")
		return strings.Count(out, "\n") == 2 && strings.Contains(out, `"would_block":true`)
	})
}
