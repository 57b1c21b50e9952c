package smtpproxy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// hourly is a world in which a client may hear of so many refused recipients in an hour, and is slowed by none.
func hourly(budget int) build {
	return func(_ *world, o *smtpproxy.Options) { o.Limits.RefusedHourly, o.Limits.RefusedDelay = budget, 0 }
}

// tooManyInAnHour is what the next recipient hears, whether there is a consent or not.
const tooManyInAnHour = "C: RCPT TO:<active@example.net>\nS= 421 4.7.0 Too many refused recipients, closing connection\nS.\n"

// refusals is a transaction that names so many people without a consent, one after another.
func refusals(n int) string {
	return "C: MAIL FROM:<news@example.com>\nS: 250\n" + strings.Repeat("C: RCPT TO:<none@example.net>\nS: 550\n", n)
}

func TestAClientThatConnectsAgainDoesNotBeginAnew(t *testing.T) {
	t.Parallel()
	w := start(t, hourly(4))
	for range 2 {
		dial(w).Play(refusals(2) + "C: QUIT\nS: 221\n")
	}
	dial(w).Play(refusals(0) + tooManyInAnHour)
	if n := w.counted.of("turned_away"); n != 1 {
		t.Errorf("counted as turned away %d times, want once", n)
	}
	w.clock.add(time.Hour / 4)
	dial(w).Play(refusals(1) + tooManyInAnHour)
	w.clock.add(time.Hour)
	dial(w).Play(refusals(4) + tooManyInAnHour)
}

// TestAGroupBeyondTheBudgetHearsNothingOfAnybody: else one write with a thousand recipients would answer all of them.
func TestAGroupBeyondTheBudgetHearsNothingOfAnybody(t *testing.T) {
	t.Parallel()
	w := start(t, hourly(2))
	dial(w).Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nC: RCPT TO:<a@example.net>\n" +
		"C: RCPT TO:<b@example.net>\nC: RCPT TO:<c@example.net>\nS: 421 4.7.0\nS.\n")
	dial(w).Play(refusals(0) + tooManyInAnHour)
	for _, e := range w.blocks.all() {
		if !strings.HasPrefix(e.Reply, "421 4.7.0") {
			t.Errorf("the entry says %q, and the client heard 421", e.Reply)
		}
	}
	if n := len(w.blocks.all()); n != 3 {
		t.Errorf("%d entries, want one for each recipient that is refused", n)
	}
}

func TestDeliveredMailEarnsTheHourlyBudgetBackInAnySession(t *testing.T) {
	t.Parallel()
	w := start(t, hourly(4))
	dial(w).Play(refusals(3))
	dial(w).Play(message("news@example.com", "250", "active", "double"))
	dial(w).Play(refusals(3) + tooManyInAnHour)
}

// TestASpentBudgetDoesNotStopReceipts: they pass whatever was consented to, so nobody learns of consent by them.
func TestASpentBudgetDoesNotStopReceipts(t *testing.T) {
	t.Parallel()
	w := start(t, hourly(2))
	dial(w).Play(refusals(2))
	dial(w).Play(message("order@shop.example.com", "250", "none"))
	w.wantServed(1, "none")
}

func TestARefusedSenderCostsWhatARefusedRecipientCosts(t *testing.T) {
	t.Parallel()
	const stranger = "C: MAIL FROM:<x@evil.example>\n"
	for name, change := range map[string]build{
		"in one session": func(_ *world, o *smtpproxy.Options) { o.Limits.Refused, o.Limits.RefusedDelay = 2, 0 },
		"in an hour":     hourly(2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, withCredential, change)
			dial(w).Play(signIn + "S: 235\n" + strings.Repeat(stranger+"S: 550 5.7.1\n", 2) + stranger + "S: 421 4.7.0\nS.\n")
			if n := len(w.blocks.all()); n != 2 {
				t.Errorf("%d entries, want one for each refusal that was heard", n)
			}
		})
	}
}

func TestWhatADiscardedRecipientHearsCostsNothing(t *testing.T) {
	t.Parallel()
	w := start(t, hourly(1))
	dial(w).Play("C: MAIL FROM:<deals@example.com>\nS: 250\n" + strings.Repeat("C: RCPT TO:<none@example.net>\nS: 250\n", 3))
}

func TestRefusalsAreCountedByNetworkAndByCredential(t *testing.T) {
	t.Parallel()
	const one, other, sixtyFour = "TCP4 127.0.0.7 127.0.0.1", "TCP4 127.0.0.8 127.0.0.1", "TCP6 2001:db8:1:2::%d ::1"
	hello := func(header string) string {
		return raw("PROXY "+header+" 40000 25\r\n") + "S: 220\nC: EHLO client.example\nS* 250\n"
	}
	for name, tt := range map[string]struct {
		first, second string
		shared        bool
	}{
		"one address":                        {hello(one), hello(one), true},
		"two addresses":                      {hello(one), hello(other), false},
		"one /64":                            {hello(fmt.Sprintf(sixtyFour, 1)), hello(fmt.Sprintf(sixtyFour, 2)), true},
		"a credential from two addresses":    {hello(one) + signIn + "S: 235\n", hello(other) + signIn + "S: 235\n", true},
		"a credential and who has not shown": {hello(one) + signIn + "S: 235\n", hello(one), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, proxied, withCredential, hourly(2), func(_ *world, o *smtpproxy.Options) {
				o.Listeners[0].RequireAuth = false
				o.Listeners[0].Networks = append(o.Listeners[0].Networks, netip.MustParsePrefix("127.0.0.0/8"))
			})
			smtptest.Dial(t, w.addr, w.upstream).Play(tt.first + refusals(2))
			next := refusals(2)
			if tt.shared {
				next = refusals(0) + tooManyInAnHour
			}
			smtptest.Dial(t, w.addr, w.upstream).Play(tt.second + next)
		})
	}
}

func TestTheHourlyBudgetSlowsSessionAfterSession(t *testing.T) {
	t.Parallel()
	p := newWaits()
	close(p.passed)
	w := limited(t, p, func(l *smtpproxy.Limits) { l.RefusedHourly, l.RefusedDelay = 4, time.Second })
	for range 4 {
		dial(w).Play(refusals(1))
	}
	if got, want := p.all(), []time.Duration{time.Second / 2, time.Second}; !slices.Equal(got, want) {
		t.Errorf("waited %v, want %v", got, want)
	}
}

func TestRefusalsAreRememberedOfBoundedlyManyClientsTheLatest(t *testing.T) {
	t.Parallel()
	var r smtpproxy.Refusals
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const many = 200_000
	for i := range many {
		r.Spend(now, fmt.Sprint(i), 1, 10)
		now = now.Add(time.Millisecond)
	}
	if n := r.Len(); n > 1<<15 {
		t.Errorf("%d of %d clients are remembered, want 32,768 at most", n, many)
	}
	if left := r.Spend(now, fmt.Sprint(many-1), 0, 10); left != 1 {
		t.Errorf("%d of the latest client are remembered, want 1", left)
	}
}

func TestWhatIsRememberedOutlastsATurnOfTheMemory(t *testing.T) {
	t.Parallel()
	var r smtpproxy.Refusals
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r.Spend(now, "early", 1, 10)
	now = now.Add(59 * time.Minute)
	r.Spend(now, "late", 10, 10)
	for range 12 { // every turn but the last finds it young enough
		now = now.Add(5 * time.Minute)
		r.Spend(now, "other", 1, 10)
		want := max(0, 10-int(now.Sub(time.Date(2026, 11, 23, 12, 59, 0, 0, time.UTC))/(6*time.Minute)))
		if left := r.Spend(now, "late", 0, 10); left != want {
			t.Errorf("%v: %d are remembered, want %d", now.Format(time.TimeOnly), left, want)
		}
	}
	if n := r.Len(); n > 2 {
		t.Errorf("%d clients are remembered, want those that have something left", n)
	}
}
