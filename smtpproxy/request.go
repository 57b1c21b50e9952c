package smtpproxy

import (
	"context"
	"fmt"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// claim is a lease that is taken once: its owner is new each time.
type claim struct {
	key, owner string
	logged     bool // the request that the mail is for is recorded
}

// once lets the mail of a confirmation request pass a single time. Where the mail is its own request, that is once in
// 30 days.
func (s *session) once(ctx context.Context, a *asked) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	d := &a.decision
	requested := a.lookup.Record.For(d.Purpose).Requested
	c := &claim{key: gate.RequestKey(a.id, d.Purpose, requested), owner: s.srv.opt.NewID(), logged: true}
	ttl, hint := gate.RequestTTL, "the confirmation mail was sent; the person confirms, or asks again"
	if s.tx.stream.ByMail {
		c.key, c.logged = gate.RequestByMailKey(a.id, d.Purpose), s.srv.opt.Now().Before(requested.Add(gate.RequestTTL))
		ttl, hint = gate.RequestByMailTTL, "a confirmation mail passed less than 30 days ago; the person confirms by that"
	}
	_, first, err := s.srv.opt.Ledger.Enter(ctx, c.key, c.owner, ttl)
	switch {
	case err != nil:
		s.unclaim(c) // it may have been taken all the same
		d.Verdict, d.Reason, d.Rule = gate.Defer, gate.ReasonStoreUnavailable, "store"
		d.Hint = "try again when the store answers"
	case !first:
		d.Verdict, d.Reason, d.Rule, d.Hint = gate.Block, gate.ReasonConfirmationPending, "confirmation", hint
	default:
		s.tx.claim(&a.recipient, c)
	}
}

// claim notes that the transaction has the claim: who is named twice is answered twice and gets one mail.
func (t *transaction) claim(r *recipient, c *claim) {
	if t.claimed == nil {
		t.claimed = make(map[mailbox]bool)
	}
	t.claimed[r.mailbox()], r.claim = true, c
}

// unclaim gives back the claims of confirmation mails that certainly did not arrive; nil is none.
func (s *session) unclaim(claims ...*claim) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTime)
	defer cancel()
	for _, c := range claims {
		if c == nil {
			continue
		}
		if err := s.srv.opt.Ledger.Leave(ctx, c.key, c.owner); err != nil {
			s.log.Warn("confirmation claim stays until it expires", "err", err)
		}
	}
}

// logRequests records that those were asked to confirm whose mail is its own request, before any of it leaves. What is
// recorded already, by a try that did not arrive, is not recorded again.
func (d *delivery) logRequests(ctx context.Context) error {
	if !d.tx.stream.ByMail {
		return nil
	}
	var events []gate.Event
	for _, i := range d.owed {
		if r := d.tx.rcpts[i]; r.claim != nil && !r.claim.logged {
			events = append(events, d.ses.request(r))
		}
	}
	if len(events) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	intake := gate.Intake{Store: d.ses.srv.opt.Requests, Keys: d.ses.srv.opt.Keys}
	for _, o := range intake.Apply(ctx, d.ses.srv.opt.Now(), events, false) {
		if o.Err != nil {
			d.ses.srv.opt.Count(gate.Counter{What: gate.CountDeferred, Stream: d.tx.stream.Name, Reason: gate.ReasonStoreUnavailable})
			return fmt.Errorf("request not recorded: %w", o.Err)
		}
	}
	return nil
}

// request is the event that a mail of a by_mail stream stands for.
func (s *session) request(r *recipient) gate.Event {
	actor := "smtp"
	if s.cred != nil {
		actor += ":" + s.cred.Username
	}
	return gate.Event{
		ID: s.srv.opt.NewID(), Recipient: r.addr.String(), Type: gate.ConfirmationRequested, Purpose: s.tx.stream.Purpose,
		Time: s.srv.opt.Now().UTC(), Actor: strings.ToValidUTF8(actor[:min(len(actor), maxActor)], ""), Source: gate.Source{Kind: "api", ID: s.tx.stream.Name},
		Note: "the mail that asks to confirm is the request (request: by_mail)",
	}
}

// maxActor bounds event.actor, in octets.
const maxActor = 128
