package smtpproxy_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// requests are the requests to confirm that stand in somebody's history.
func (w *world) requests(who string) []gate.Event {
	w.tb.Helper()
	a, err := gate.ParseAddress(who + "@example.net")
	if err != nil {
		w.tb.Fatal(err)
	}
	p, err := w.store.Person(w.tb.Context(), keys{}.ID(a))
	if err != nil {
		w.tb.Fatal(err)
	}
	var out []gate.Event
	for _, e := range p.Events {
		if e.Type == gate.ConfirmationRequested {
			out = append(out, e)
		}
	}
	return out
}

const optinBlocked = "C: MAIL FROM:<optin@example.com>\nS: 250\nC: RCPT TO:<stranger@example.net>\n" +
	"S~ ^550 5\\.7\\.1 .*\\(confirmation_pending\\)\nC: RSET\nS: 250\n"

func TestAMailThatIsItsOwnRequestIsLoggedAndPassesOnceInThirtyDays(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play(message("optin@example.com", "250", "stranger") + optinBlocked)
	logged := w.requests("stranger")
	if len(logged) != 1 || logged[0].Purpose != "news" || logged[0].Source != (gate.Source{Kind: "api", ID: "optin"}) || logged[0].Actor != "smtp" {
		t.Fatalf("requests %+v", logged)
	}
	if err := logged[0].Validate(w.clock.read()); err != nil {
		t.Error(err)
	}
	w.clock.add(gate.RequestByMailTTL - time.Minute)
	w.play(optinBlocked)
}

func TestARequestByMailIsRecordedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	store := &failing{}
	w := start(t, func(w *world, o *smtpproxy.Options) { store.Applier, o.Requests = w.store, store })
	store.down.Store(true)
	w.play("C: MAIL FROM:<optin@example.com>\nS: 250\nC: RCPT TO:<stranger@example.net>\nS: 250\nC: DATA\nS: 451 4.3.0\n")
	if n := w.served("stranger"); n != 0 || len(w.requests("stranger")) != 0 {
		t.Fatalf("%d copies left, requests %v", n, w.requests("stranger"))
	}
	store.down.Store(false)
	w.play(message("optin@example.com", "250", "stranger"))
	if n := len(w.requests("stranger")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestARequestByMailThatDidNotArriveMayBeTriedAgainAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.On(smtptest.Dot, smtptest.Reply("451 4.3.0 not now").Times(1))
	w.play(message("optin@example.com", "451 4.3.0 not now", "stranger") + message("optin@example.com", "250", "stranger") + optinBlocked)
	if n := len(w.requests("stranger")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestARequestByMailThatIsNeverSentIsNotLogged(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<optin@example.com>\nS: 250\nC: RCPT TO:<stranger@example.net>\nS: 250\nC: RSET\nS: 250\n")
	if n := len(w.requests("stranger")); n != 0 {
		t.Errorf("%d requests", n)
	}
	w.play(message("optin@example.com", "250", "stranger"))
}

func TestTrap35AConfirmationThatNamesARecipientTwiceIsOneMailAndTwoAnswers(t *testing.T) {
	t.Parallel()
	const mail, rcpt, content = "C: MAIL FROM:<confirm@example.com>\n", "C: RCPT TO:<pending@example.net>\n", "C: DATA\nS: 354\nC: Subject: x\nC:\nC: .\nS: 250\n"
	for name, dialogue := range map[string]string{
		"one after the other": mail + "S: 250\n" + rcpt + "S: 250\n" + rcpt + "S: 250\n" + content,
		"at once":             mail + rcpt + rcpt + "S: 250\nS: 250\nS: 250\n" + content,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.clock.add(-23 * time.Hour)
			w.play(dialogue + mail + "S: 250\n" + rcpt + "S: 550 5.7.1\n")
			w.wantServed(1, "pending")
		})
	}
}

// TestAClaimThatWasTakenUnheardIsGivenBack: the ledger said that it failed, and had taken it.
func TestAClaimThatWasTakenUnheardIsGivenBack(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		l := &hasty{Ledger: o.Ledger}
		l.enters.Store(1)
		o.Ledger = l
	})
	w.clock.add(-23 * time.Hour) // the request is an hour old
	w.play("C: MAIL FROM:<confirm@example.com>\nS: 250\nC: RCPT TO:<pending@example.net>\nS: 451 4.3.0\nC: RSET\nS: 250\n" +
		message("confirm@example.com", "250", "pending"))
}

func TestAClaimOfAGroupThatCannotBeRecordedIsGivenBack(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.clock.add(-23 * time.Hour)
	w.blocks.fill(true)
	w.play("C: MAIL FROM:<confirm@example.com>\nS: 250\nC: RCPT TO:<pending@example.net>\nC: RCPT TO:<nobody@example.net>\n" +
		"S: 451 4.3.0\nS: 451 4.3.0\nC: RSET\nS: 250\n")
	w.blocks.fill(false)
	w.play(message("confirm@example.com", "250", "pending"))
}

// failing is a store that takes no events while it is down.
type failing struct {
	gate.Applier
	down atomic.Bool
}

func (f *failing) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	if !f.down.Load() {
		return f.Applier.Apply(ctx, changes)
	}
	out := make([]gate.Applied, len(changes))
	for i := range out {
		out[i].Err = fmt.Errorf("%w: down", gate.ErrUnavailable)
	}
	return out
}
