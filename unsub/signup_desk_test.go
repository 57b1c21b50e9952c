package unsub_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

func (o *office) failing(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail = err
}

func (o *office) messages() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.sent)
}

func TestAMessageOfAFormIsTriedUntilItLeaves(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.failing(errDown)
	has(t, c.send(yes), 202, "Please look into your mailbox", "!refused")
	gatetest.Eventually(t, "it was tried", func() bool { return c.counts.of(gate.CountConfirmFailed) > 0 })
	c.failing(nil)
	c.drain(t)
	if c.messages() != 1 || len(c.events(t)) != 2 || c.counts.of(gate.CountConfirmSent) != 1 {
		t.Errorf("%d messages, %d events, counts %v", c.messages(), len(c.events(t)), c.counts.n)
	}
}

func TestAnAnswerOfAFormOutlivesStoreAndProcess(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]gate.State{yes: gate.StateActivePending, no: gate.StateWithdrawn} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			before := newCounter(t)
			before.store.Fail(errDown)
			has(t, before.send(said), 202)
			killed := t.TempDir() // what the disk holds at that moment
			if err := os.CopyFS(killed, os.DirFS(before.dir)); err != nil {
				t.Fatal(err)
			}
			if text := journaled(t, killed); strings.Contains(text, "ann@") {
				t.Errorf("the journal holds the address: %q", text)
			}
			after := newOffice(t)
			after.keys = before.keys
			after.Confirmations = unsub.NewConfirmations(after.options(t))
			c := newCounterIn(t, after, killed)
			c.drain(t)
			if got := state(t, c.store, c.id()); got != want || len(c.sent) != map[string]int{yes: 1}[said] {
				t.Errorf("state %s after %d messages, want %s", got, len(c.sent), want)
			}
		})
	}
}

func TestANoByAFormIsInTheJournalOfWithdrawals(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.submit(no)
	c.store.Empty()
	if err := c.store.Init(t.Context(), gate.Meta{Schema: 1, Fingerprint: "gatetest", Created: day()}); err != nil {
		t.Fatal(err)
	}
	c.world.run(t)
	c.withdrawals.Reconnected()
	gatetest.Eventually(t, "the refusal is back", func() bool { return state(t, c.store, c.id()) == gate.StateWithdrawn })
}

func TestAFormThatCannotBeKeptClaimsNothing(t *testing.T) {
	t.Parallel()
	for _, said := range []string{yes, no} {
		c := newCounter(t)
		has(t, c.submit("email=bob%40example.com&consent=no"), 202)
		if err := c.j.Close(); err != nil {
			t.Fatal(err)
		}
		has(t, c.send(said), 503, "Nothing was recorded")
		if n := len(c.events(t)); n != 0 {
			t.Errorf("%d events", n)
		}
	}
}

// While too many messages wait, a form is closed to everybody alike.
func TestADeskThatIsFullSaysSoWhoeverAsks(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.failing(errDown)
	for i := range 256 {
		body := fmt.Sprintf("email=p%d%%40example.com&consent=yes", i)
		has(t, c.send(body, fmt.Sprintf("X-Forwarded-For: 10.0.%d.1", i)), 202)
	}
	tries := 0
	gatetest.Eventually(t, "every slot is taken", func() bool {
		tries++
		from := fmt.Sprintf("X-Forwarded-For: 10.%d.%d.1", 1+tries/256, tries%256)
		return c.send("email=bob%40example.com&consent=no", from).Code == 503
	})
	for _, said := range []string{yes, no} {
		has(t, c.send(said), 503, "Nothing was recorded")
	}
	if n := len(c.events(t)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestWhereAConsentStandsOnlyTheMailboxSaysNo(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		before gate.Event
		want   gate.State
		sent   int
	}{
		"a consent":             {gate.Event{Method: gate.MethodActive, DefaultState: gate.DefaultUnticked}, gate.StateActiveSingle, 1},
		"a sale":                {gate.Event{Method: gate.MethodSoft, Evidence: gate.Evidence{SaleRef: "1", OptoutOffered: true}}, gate.StateSoft, 1},
		"a box that was ticked": {gate.Event{Method: gate.MethodPassive, DefaultState: gate.DefaultTicked}, gate.StateWithdrawn, 0},
		"half a double opt-in":  {gate.Event{Method: gate.MethodDouble}, gate.StateWithdrawn, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounter(t)
			x.before.ID, x.before.Type, x.before.Purpose, x.before.Time = "g", gate.Granted, "newsletter", day().Add(-time.Hour)
			apply(t, c.store, c.id(), x.before)
			for range 2 {
				has(t, c.submit(no), 202, "You said no", "a message is on its way")
			}
			if got := state(t, c.store, c.id()); got != x.want || len(c.sent) != x.sent {
				t.Fatalf("state %s after %d messages, want %s after %d", got, len(c.sent), x.want, x.sent)
			}
			if x.sent == 0 {
				return
			}
			link := "/p/" + unsub.Tokens{Keys: c.keys}.Make(c.id(), "", unsub.TokenPreferences)
			m := readMail(t, c.sent[0])
			m.say(t, "https://u.example.com"+link, "Newsletter", "a form (footer)", "Nothing changes before you do")
			if m.subject != "Do you want to stop: Newsletter?" || c.counts.of(gate.CountConfirmCapped) != 1 {
				t.Errorf("subject %q, counts %v", m.subject, c.counts.n)
			}
			has(t, c.post(link, "stop=newsletter"), 200)
			if got := state(t, c.store, c.id()); got != gate.StateWithdrawn {
				t.Errorf("state %s once the mailbox said so", got)
			}
		})
	}
}

func TestAMessageToStopGoesWhereMailMayGo(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	grant(t, c.store, c.id(), "g", day().Add(-time.Hour))
	apply(t, c.store, c.id(), gate.Event{ID: "b", Type: gate.Bounced, Time: day().Add(-time.Minute)})
	c.submit(no)
	if got := state(t, c.store, c.id()); got != gate.StateActiveSingle || len(c.sent) != 0 {
		t.Errorf("state %s, %d messages to a mailbox that is gone", got, len(c.sent))
	}
}

func TestMessagesOfOurOwnAreCounted(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for i := range 5 {
		c.later = time.Duration(i) * time.Hour
		c.submit(yes)
	}
	if c.counts.of(gate.CountConfirmSent) != 3 || c.counts.of(gate.CountConfirmCapped) != 2 || c.counts.of(gate.CountConfirmFailed) != 0 {
		t.Errorf("counts %v, want 3 sent and 2 capped", c.counts.n)
	}
}
