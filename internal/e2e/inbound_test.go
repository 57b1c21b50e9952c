package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/testredis"
)

// byMail is a gate whose mail carries an address to unsubscribe, and a Postfix that is its upstream and the mail server
// of that address's domain, set up as docs/upstreams/postfix.md says.
func byMail(t *testing.T) (*gateway, *postfix) {
	t.Helper()
	redis, door, web := testredis.Start(t), freeAddr(t), freeAddr(t)
	box := startPostfix(t,
		"virtual_mailbox_domains = !u.example.com, static:all", "relay_domains = u.example.com",
		"virtual_alias_maps = inline:{ postmaster@u.example.com=root@example.com }",
		"transport_maps = inline:{ u.example.com=lmtp:inet:"+door+" }",
		"smtpd_recipient_restrictions = check_recipient_access inline:{ u.example.com=reject_unverified_recipient }, permit_mynetworks, reject_unauth_destination",
		"unverified_recipient_reject_code = 550",
		"unverified_recipient_reject_reason = no such mailbox",
		"address_verify_map =", "address_verify_poll_count = 10", "address_verify_poll_delay = 1s")
	g := startGate(t, redis.URL, "--config", configFile(t, `
mode: enforce
default_stream: news
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+box.addr+`"}]
streams:
  news: {kind: marketing, purpose: newsletter, unsubscribe: [https, mailto]}
unsubscribe: {listen: "`+web+`", public_url: "http://`+web+`"}
inbound: {listen: "`+door+`", domain: u.example.com, complaints: fbl@u.example.com}
`))
	if got := g.log.find(`msg=listening listener=inbound address=(\S+)`); got != door {
		t.Errorf("listening on %q, want %s", got, door)
	}
	return g, box
}

// newsTo sends ann the news and returns the code of the answer to her.
func newsTo(t *testing.T, g *gateway) int {
	t.Helper()
	o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)})
	if refused, ok := o.Refused["ann@example.com"]; ok {
		return refused.Code
	}
	return o.Code
}

func TestTheAddressInADeliveredMailUnsubscribesThroughPostfix(t *testing.T) {
	t.Parallel()
	g, box := byMail(t)
	g.must("consent", "grant", "ann@example.com", "--purpose", "newsletter", "--method", "active", "--default-state", "unticked")
	if code := newsTo(t, g); code != 250 {
		t.Fatalf("the first mail is answered %d", code)
	}
	header, _, _ := strings.Cut(string(box.wait(1)[0].data), "\r\n\r\n")
	m := regexp.MustCompile(`(?m)^List-Unsubscribe: <http://\S+>,\r\n <mailto:([^>?]+)\?subject=unsubscribe>\r$`).FindStringSubmatch(header)
	if m == nil {
		t.Fatalf("no address to unsubscribe in\n%s", header)
	}

	forged := "a" + m[1][1:]
	if strings.HasPrefix(m[1], "a") {
		forged = "b" + m[1][1:]
	}
	dialogue, code := swaks(t, box.addr, "--from", "ann@example.com", "--to", forged, "--data", "Subject: x\n\n")
	if code != 24 || !strings.Contains(dialogue, "<** 550 5.1.1") {
		t.Errorf("a token that is not genuine: swaks exits %d\n%s", code, dialogue)
	}
	dialogue, code = swaks(t, box.addr, "--from", "<>", "--to", m[1], "--data", "Auto-Submitted: auto-replied\nSubject: away\n\nI am away.\n")
	if code != 0 {
		t.Fatalf("a vacation notice: swaks exits %d\n%s", code, dialogue)
	}
	waitFor(t, deliveryTimeout, "the vacation notice at the gate", func() bool {
		log, err := os.ReadFile(box.path("log"))
		return err == nil && regexp.MustCompile("to=<"+m[1]+">.*relay=127.*status=sent").Match(log)
	})
	if code := newsTo(t, g); code != 250 {
		t.Errorf("after a vacation notice the next mail is answered %d, want 250", code)
	}
	dialogue, code = swaks(t, box.addr, "--from", "ann@example.com", "--to", strings.ToUpper(m[1]), "--data", "Subject: \n\n")
	if code != 0 {
		t.Fatalf("unsubscribing: swaks exits %d\n%s", code, dialogue)
	}
	dialogue, code = swaks(t, box.addr, "--from", "ann@example.com", "--to", "postmaster@u.example.com", "--data", "Subject: hello\n\n")
	if code != 0 {
		t.Errorf("mail to the postmaster: swaks exits %d\n%s", code, dialogue)
	}
	waitFor(t, deliveryTimeout, "the withdrawal", func() bool { return newsTo(t, g) == 550 })
	if history := g.must("consent", "history", "ann@example.com"); strings.Count(history, "withdrawn") != 1 {
		t.Errorf("history:\n%s", history)
	}
}

func TestAComplaintThroughPostfixStopsTheMail(t *testing.T) {
	t.Parallel()
	g, box := byMail(t)
	g.must("consent", "grant", "ann@example.com", "--purpose", "newsletter", "--method", "active", "--default-state", "unticked")
	if code := newsTo(t, g); code != 250 {
		t.Fatalf("the first mail is answered %d", code)
	}
	report := func(kind string) envelope {
		return envelope{From: "abusedesk@mailbox.example", To: []string{"fbl@u.example.com"}, Data: []byte(
			"From: abusedesk@mailbox.example\r\nTo: fbl@u.example.com\r\nSubject: FW: news\r\nMIME-Version: 1.0\r\n" +
				"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
				"--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n" +
				"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: " + kind + "\r\nVersion: 1\r\n" +
				"User-Agent: Test/1\r\nReporting-MTA: dns; mail.mailbox.example\r\n\r\n" +
				"--b\r\nContent-Type: message/rfc822\r\n\r\n" + string(box.wait(1)[0].data) + "\r\n--b--\r\n")}
	}
	for _, kind := range []string{"not-spam", "abuse"} {
		if o := smtplib(t, box.addr, report(kind)); o.Code != 250 {
			t.Fatalf("%s: Postfix answers %+v", kind, o)
		}
	}
	waitFor(t, deliveryTimeout, "the complaint", func() bool {
		out, _ := g.run("check", "ann@example.com", "--stream", "marketing", "--json")
		return strings.Contains(out, `"complained"`)
	})
	if code := newsTo(t, g); code != 550 {
		t.Errorf("the next mail is answered %d, want 550", code)
	}
	history := g.must("consent", "history", "ann@example.com")
	if strings.Count(history, "complained") != 1 || !strings.Contains(history, "mail.mailbox.example") {
		t.Errorf("history:\n%s", history)
	}
}
