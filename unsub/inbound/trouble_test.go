package inbound_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/inbound"
)

var errDown = errors.New("connection refused")

const (
	begin = "S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<ann@example.com>\nS: 250\nC: RCPT TO:<{token}@u.example.com>\nS: 250\n"
	text  = "C: DATA\nS: 354\nC: From: ann@example.com\nC:\nC: .\n"
	quit  = "C: QUIT\nS: 221\nS.\n"
)

func TestWithTheStoreDownMailStillUnsubscribes(t *testing.T) {
	t.Parallel()
	w := start(t)
	report, err := os.ReadFile("testdata/reports/abuse.eml")
	w.must(err)
	w.store.Fail(errDown)
	w.play("down", begin+text+"S: 250 2.0.0\n"+quit)
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", string(report), "250 2.0.0")
	if !w.withdrawals.Pending(w.ann, "newsletter") || !w.withdrawals.Pending(w.ann, "another") {
		t.Error("the withdrawal or the complaint is not in force while the store is down")
	}
	w.store.Fail(nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.withdrawals.Run(ctx) }()
	smtptest.Eventually(t, "the store has both", func() bool { return len(w.events()) == 2 })
	cancel()
	w.must(<-ended)
	w.wantEvents(gate.Withdrawn, gate.Complained)
}

func TestAStreamThatOnlyTheStoreKnowsIsPutOffWhileItIsDown(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.store.Fail(errDown)
	gone := w.tokens.MakeLocalPart(w.ann, "renamed", unsub.TokenUnsubscribe)
	w.deliver("ann@example.com", gone+"@u.example.com", "\n", "451 4.3.0")
	w.store.Fail(nil)
	w.deliver("ann@example.com", gone+"@u.example.com", "\n", "250 2.0.0")
	w.wantEvents(gate.Withdrawn)
	if e := w.events()[0]; e.Purpose != gate.AllPurposes {
		t.Errorf("a stream that nobody remembers withdraws from %q, want everything", e.Purpose)
	}
}

// full is a journal without room.
type full struct{}

func (full) Withdraw(context.Context, unsub.Withdrawal) (unsub.Result, error) {
	return 0, errors.New("write journal: no space left on device")
}

func (full) Report(context.Context, []gate.Change) (bool, error) {
	return false, errors.New("write journal: no space left on device")
}

func TestWhatCannotBeKeptIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Refusals = full{} })
	report, err := os.ReadFile("testdata/reports/abuse.eml")
	w.must(err)
	w.play("full", begin+text+"S: 452 4.3.1\n"+quit)
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", string(report), "452 4.3.1")
	w.wantEvents()
	w.wantCounted(gate.CountInboundPutOff, 2)
	w.wantCounted(gate.CountInboundUnsubscribed, 0)
	w.wantCounted(gate.CountInboundComplained, 0)
}

func TestOneMessageMayBeForSeveral(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.LMTP = true; o.Refusals = full{} })
	const lhlo = "S: 220\nC: LHLO mx.example\nS* 250\nC: MAIL FROM:<>\nS: 250\n"
	w.play("several", lhlo+"C: RCPT TO:<{token}@u.example.com>\nS: 250\nC: RCPT TO:<fbl@u.example.com>\nS: 250\n"+
		text+"S: 250\nS: 250\n"+quit) // automatic for the one, no report for the other
	w.wantCounted(gate.CountInboundAutomatic, 1)
	w.wantCounted(gate.CountInboundIgnored, 1)
	w.play("put off", strings.Replace(lhlo, "<>", "<a@example.com>", 1)+
		"C: RCPT TO:<{token}@u.example.com>\nS: 250\nC: RCPT TO:<fbl@u.example.com>\nS: 250\n"+text+"S: 452 4.3.1\nS: 250\n"+quit)
}

func TestSMTPTellsTheGravestOfSeveralAnswers(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Refusals = full{} })
	w.play("gravest", begin+"C: RCPT TO:<fbl@u.example.com>\nS: 250\n"+text+"S: 452 4.3.1\n"+quit)
}

func TestWithoutAnAddressForComplaintsThereIsNone(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Complaints = "" })
	w.play("none", "S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<fbl@u.example.com>\nS: 550 5.1.1\n"+quit)
	w.wantCounted(gate.CountInboundUnknown, 1)
}

func TestAMessageThatBreaksOffDoesNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := w.dial()
	w.say(c, "EHLO mail.example\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<{token}@u.example.com>\r\nDATA\r\n")
	w.hear(c, "354")
	w.say(c, "From: ann@example.com\r\n\r\nplease st")
	w.must(c.Close())
	w.stop()
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	w.ended <- nil // for the end of the test
	w.wantEvents()
}

func TestTextOfAMessageThatNobodyAskedForIsNoCommand(t *testing.T) {
	t.Parallel()
	const commands = "MAIL FROM:<ann@example.com>\r\nRCPT TO:<{token}@u.example.com>\r\nDATA\r\n\r\n.\r\n"
	for last, code := range map[string]string{
		"MAIL FROM:<ann@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n": "554 5.5.1",
		"BDAT 100 LAST\r\n": "502 5.5.1",
	} {
		w := start(t)
		c := w.dial()
		w.say(c, "EHLO mail.example\r\n"+last+commands)
		w.hear(c, code)
		if rest, err := io.ReadAll(c); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %s: heard %q, %v; want the connection closed", code, rest, err)
		}
		w.wantEvents()
	}
}

func TestADrainTellsIdleSessionsAndWaitsForMessages(t *testing.T) {
	t.Parallel()
	w := start(t)
	idle, busy := w.dial(), w.dial()
	w.hear(idle, "220")
	w.say(busy, "EHLO mail.example\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<{token}@u.example.com>\r\nDATA\r\n")
	w.hear(busy, "354")
	w.stop()
	w.hear(idle, "421 4.3.2")
	w.say(busy, "From: ann@example.com\r\n\r\n.\r\n")
	w.hear(busy, "250 2.0.0")
	w.hear(busy, "421 4.3.2")
	w.wantEvents(gate.Withdrawn)
	if _, err := net.Dial("tcp", w.addr); err == nil {
		t.Error("the listener is still open")
	}
}

func TestADrainEndsWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	w := start(t)
	hasty, err := inbound.New(t.Context(), w.opt)
	w.must(err)
	w.addr = hasty.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hasty.Serve(ctx, time.Millisecond) }()
	c := w.dial()
	w.say(c, "EHLO mail.example\r\nMAIL FROM:<ann@example.com>\r\n")
	w.hear(c, "250 2.1.0")
	cancel()
	w.must(<-ended)
	if rest, err := io.ReadAll(c); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("heard %q, %v; want the connection closed", rest, err)
	}
}

func TestWhoIsOneTooManyIsToldSo(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Sessions = 4 }) // half of them from one network
	first, second := w.dial(), w.dial()
	w.hear(first, "220")
	w.hear(second, "220")
	w.play("third", "S: 421 4.3.2\nS.\n")
	w.must(first.Close())
	smtptest.Eventually(t, "a place is free", func() bool {
		return smtptest.Play(w.addr, "next", "S: 220\nC: QUIT\nS: 221\nS.\n", nil) == nil
	})
}

func TestWhoIsInNoneOfTheNetworksIsTurnedAway(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	w.play("stranger", "S: 554 5.7.1\nS.\n")
	w = start(t, func(o *inbound.Options) { o.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	w.play("neighbour", "S: 220\n"+quit)
}

func TestWhoGuessesIsClosed(t *testing.T) {
	t.Parallel()
	w := start(t)
	var b strings.Builder
	b.WriteString("S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<ann@example.com>\nS: 250\n")
	for range 100 {
		b.WriteString("C: RCPT TO:<ann@u.example.com>\nS: 550 5.1.1\n")
	}
	w.play("guess", b.String()+"C: RCPT TO:<ann@u.example.com>\nS: 421 4.7.0\nS.\n")
}

func TestNoMoreThanAHundredRecipients(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("many", "S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<ann@example.com>\nS: 250\n"+
		strings.Repeat("C: RCPT TO:<{token}@u.example.com>\nS: 250\n", 100)+
		"C: RCPT TO:<{token}@u.example.com>\nS: 452 4.5.3\n"+text+"S: 250\n"+quit)
	w.wantEvents(gate.Withdrawn)
}

func TestWhoSaysNothingIsClosed(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Wire.Idle = 50 * time.Millisecond })
	w.play("silent", "S: 220\nS: 421 4.4.2\nS.\n")
}

func TestStartTLSIsSpokenWhereThereIsACertificate(t *testing.T) {
	t.Parallel()
	authority := smtptest.NewAuthority(t)
	w := start(t, func(o *inbound.Options) { o.TLS = authority.Server() })
	c := w.dial()
	w.say(c, "EHLO mail.example\r\n")
	w.hear(c, "250 STARTTLS")
	w.say(c, "STARTTLS\r\n")
	w.hear(c, "220 2.0.0")
	trusting := authority.Client()
	trusting.ServerName = "localhost"
	secure := tls.Client(c, trusting)
	w.must(secure.HandshakeContext(t.Context()))
	w.say(secure, "MAIL FROM:<ann@example.com>\r\n")
	w.hear(secure, "503 5.5.1") // what was said before is forgotten
	w.say(secure, "EHLO mail.example\r\nSTARTTLS\r\n")
	w.hear(secure, "250 LIMITS")
	w.hear(secure, "503 5.5.1")
	w.say(secure, "MAIL FROM:<ann@example.com>\r\nRCPT TO:<{token}@u.example.com>\r\nDATA\r\n\r\n.\r\nQUIT\r\n")
	w.hear(secure, "221")
	w.wantEvents(gate.Withdrawn)
}

// dial opens a raw connection that ends with the test.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	w.must(err)
	w.must(c.SetDeadline(time.Now().Add(20 * time.Second)))
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) say(c net.Conn, text string) {
	w.t.Helper()
	_, err := io.WriteString(c, w.fill(text))
	w.must(err)
}

// hear reads lines up to one that begins so.
func (w *world) hear(c net.Conn, want string) {
	w.t.Helper()
	r := bufio.NewReaderSize(oneByOne{c}, 16)
	var heard []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			w.t.Fatalf("heard %q and then %v, want %s", heard, err, want)
		}
		if heard = append(heard, line); strings.HasPrefix(line, want) {
			return
		}
	}
}

// oneByOne leaves what is not asked for on the connection.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

// fragile breaks on whatever it is told.
type fragile struct{ full }

func (fragile) Withdraw(context.Context, unsub.Withdrawal) (unsub.Result, error) {
	panic("ann@example.com")
}

func TestAPanicEndsItsSessionAlone(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *inbound.Options) { o.Refusals = fragile{} })
	w.play("panic", begin+text+"S.\n")
	w.play("next", "S: 220\n"+quit)
	if log := w.log.String(); !strings.Contains(log, "panic") || strings.Contains(log, "@") {
		t.Errorf("log:\n%s", log)
	}
}
