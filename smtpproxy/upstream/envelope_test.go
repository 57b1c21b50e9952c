package upstream_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func TestEnvelopeLeavesInOneWrite(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	l := get(t, newPool(t, nil, u))
	u.Forget()
	await(t, l, upstream.Envelope{Mail: "<a@b.example> SIZE=12", Rcpts: []string{"<x@example.com> NOTIFY=NEVER", "<y@example.com>"}})
	want := []string{"MAIL FROM:<a@b.example> SIZE=12\r\nRCPT TO:<x@example.com> NOTIFY=NEVER\r\nRCPT TO:<y@example.com>\r\nDATA\r\n"}
	if diff := cmp.Diff(want, u.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

func TestNextEnvelopeLeavesWithContentAndDot(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	l := get(t, newPool(t, nil, u))
	await(t, l, envelope("x"))
	u.Forget()
	write(t, l, "X-Line: 1\r\n")
	write(t, l, "\r\nbody\r\n..stuffed\r\n")
	l.Dot()
	l.Envelope(envelope("y"))
	accepted(t, l)
	a, err := l.Await()
	if err != nil || !a.Go() {
		t.Fatalf("Await: %+v, %v", a, err)
	}
	want := []string{"X-Line: 1\r\n\r\nbody\r\n..stuffed\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<y@example.com>\r\nDATA\r\n"}
	if diff := cmp.Diff(want, u.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	l.Dot()
	accepted(t, l)
	l.Release()

	got := u.Messages()
	if len(got) != 2 || string(got[0].Data) != "X-Line: 1\r\n\r\nbody\r\n..stuffed\r\n" || len(got[1].Data) != 0 {
		t.Errorf("messages %+v, want the content as written, and an empty one", got)
	}
}

func TestWithoutPipeliningTheEnvelopeGoesStepByStep(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t, smtptest.Capabilities("SIZE"))
	l := get(t, newPool(t, nil, u))
	u.Forget()
	for range 2 {
		l.Envelope(envelope("x", "y"))
		if a, err := l.Await(); err != nil || !a.Go() {
			t.Fatalf("Await: %+v, %v", a, err)
		}
		write(t, l, "hello\r\n")
		l.Dot()
		accepted(t, l)
	}
	one := []string{
		"MAIL FROM:<a@b.example>\r\n", "RCPT TO:<x@example.com>\r\n", "RCPT TO:<y@example.com>\r\n", "DATA\r\n", "hello\r\n.\r\n",
	}
	if diff := cmp.Diff(append(one, one...), u.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

// refusedEnvelope is an envelope to x and y that the upstream does not take as a whole.
type refusedEnvelope struct {
	name         string
	capabilities []string
	fault        func(*smtptest.Upstream)
	codes        []int // of MAIL, both RCPT and DATA
	goes         bool
	then         string // verbs of the next transaction on the connection
}

func TestRefusedEnvelopes(t *testing.T) {
	t.Parallel()
	const no = "550 5.1.1 no"
	for _, tc := range []refusedEnvelope{
		{
			name: "MAIL refused, pipelined", capabilities: []string{"PIPELINING"},
			fault: func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Reply(no).Times(1)) },
			codes: []int{550, 503, 503, 503}, then: "MAIL RCPT DATA",
		},
		{
			name: "MAIL refused, step by step", fault: func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Reply(no).Times(1)) },
			codes: []int{550, 0, 0, 0}, then: "MAIL RCPT DATA",
		},
		{
			name: "all recipients refused, pipelined", capabilities: []string{"PIPELINING"},
			fault: func(u *smtptest.Upstream) { u.On(smtptest.Rcpt, smtptest.Reply(no).Times(2)) },
			codes: []int{250, 550, 550, 554}, then: "RSET MAIL RCPT DATA",
		},
		{
			name:  "all recipients refused, step by step: DATA is not sent",
			fault: func(u *smtptest.Upstream) { u.On(smtptest.Rcpt, smtptest.Reply(no).Times(2)) },
			codes: []int{250, 550, 550, 0}, then: "RSET MAIL RCPT DATA",
		},
		{
			name: "one recipient refused: content goes to the other", capabilities: []string{"PIPELINING"},
			fault: func(u *smtptest.Upstream) { u.OnRcpt("x@example.com", smtptest.Reply(no).Times(1)) },
			codes: []int{250, 550, 250, 354}, goes: true, then: "MAIL RCPT DATA",
		},
		{
			name: "DATA refused", capabilities: []string{"PIPELINING"},
			fault: func(u *smtptest.Upstream) { u.On(smtptest.Data, smtptest.Reply("451 4.3.0 not now").Times(1)) },
			codes: []int{250, 250, 250, 451}, then: "RSET MAIL RCPT DATA",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func (tc refusedEnvelope) run(t *testing.T) {
	u := smtptest.Start(t, smtptest.Capabilities(tc.capabilities...))
	tc.fault(u)
	p := newPool(t, nil, u)
	l := get(t, p)
	l.Envelope(envelope("x", "y"))
	a, err := l.Await()
	if err != nil {
		t.Fatal(err)
	}
	got := []int{a.Mail.Code, a.Rcpts[0].Code, a.Rcpts[1].Code, a.Data.Code}
	if diff := cmp.Diff(tc.codes, got); diff != "" || a.Go() != tc.goes {
		t.Errorf("go %v, codes (-want +got):\n%s", a.Go(), diff)
	}
	if tc.goes {
		l.Dot()
		accepted(t, l)
	}
	u.Forget()
	l.Release()
	l = get(t, p)
	await(t, l, envelope("z"))
	if got := verbs(u); got != tc.then {
		t.Errorf("next transaction: %s, want %s", got, tc.then)
	}
	l.Dot()
	accepted(t, l)
	if u.Total() != 1 {
		t.Errorf("%d connections, want the one to be kept", u.Total())
	}
}

func TestNoLoneDotAfterA354ToARefusedEnvelope(t *testing.T) {
	t.Parallel()
	for _, verb := range []smtptest.Verb{smtptest.Mail, smtptest.Rcpt} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			u.On(verb, smtptest.Reply("550 5.1.1 no").Times(1))
			u.On(smtptest.Data, smtptest.Reply("354 go").Times(1))
			p := newPool(t, nil, u)
			l := get(t, p)
			l.Envelope(envelope("x"))
			a, err := l.Await()
			if err != nil || a.Go() || a.Data.Code != 354 {
				t.Fatalf("Await: %+v, %v; want the refusal", a, err)
			}
			smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
			for _, m := range u.Messages() {
				if m.Complete {
					t.Errorf("an empty message was sent: %+v", m)
				}
			}
			await(t, l, envelope("y"))
			l.Dot()
			accepted(t, l)
			if u.Total() != 2 {
				t.Errorf("%d connections, want another one for the next envelope", u.Total())
			}
		})
	}
}

func TestEnvelopeOfThousands(t *testing.T) {
	t.Parallel()
	for _, capability := range []string{"PIPELINING", "SIZE"} {
		t.Run(capability, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, smtptest.Capabilities(capability))
			u.OnRcpt("n1500@example.com", smtptest.Reply("550 5.1.1 no"))
			l := get(t, newPool(t, nil, u))
			var names []string
			for i := range 3000 {
				names = append(names, fmt.Sprintf("n%d", i))
			}
			l.Envelope(envelope(names...))
			a, err := l.Await()
			if err != nil || !a.Go() {
				t.Fatalf("Await: %v", err)
			}
			for i, r := range a.Rcpts {
				if r.Positive() == (i == 1500) {
					t.Errorf("recipient %d: %v", i, r)
				}
			}
			l.Dot()
			accepted(t, l)
			if got := len(u.Messages()[0].RcptArgs); got != 2999 {
				t.Errorf("%d recipients came, want 2999", got)
			}
		})
	}
}

func TestEnvelopeWithALineBreakIsNotSent(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	l := get(t, newPool(t, nil, u))
	u.Forget()
	for _, e := range []upstream.Envelope{
		{Mail: "<a@b.example>\r\nDATA", Rcpts: []string{"<x@example.com>"}},
		{Mail: "<a@b.example>", Rcpts: []string{"<x@example.com>\nRCPT TO:<y@example.com>"}},
		{Mail: "<a@b.example>\x00"},
	} {
		l.Envelope(e)
		if _, err := l.Await(); class(err) != "unavailable" {
			t.Errorf("Await: %v, want ErrUnavailable", err)
		}
	}
	await(t, l, envelope("x"))
	if got, want := verbs(u), "MAIL RCPT DATA"; got != want {
		t.Errorf("the upstream got %s, want %s", got, want)
	}
}

// TestAnEnvelopeAnsweredInDripsIsGivenUpAsAWhole: each reply comes within milliseconds, all of them take a second.
func TestAnEnvelopeAnsweredInDripsIsGivenUpAsAWhole(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.On(smtptest.Rcpt, smtptest.Slow(1))
	l := get(t, newPool(t, nil, u))
	l.Within(50 * time.Millisecond)
	l.Envelope(envelope(slices.Repeat([]string{"ann"}, 100)...))
	if _, err := l.Await(); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}
