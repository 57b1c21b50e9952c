package smtpproxy

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
)

// budget counts acts in each window of time.
type budget struct {
	mu    sync.Mutex
	began time.Time
	spent int
}

// take spends one of n acts that each window allows, and reports whether there was one left.
func (b *budget) take(now time.Time, n int, window time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= window {
		b.began, b.spent = now, 0
	}
	if b.spent >= n {
		return false
	}
	b.spent++
	return true
}

// payer is whom a session's misses are counted for beyond it. Refused recipients: a credential wherever it signs in from,
// else a network. Failed sign-ins: see guesser.
type payer struct {
	credential string
	network    netip.Prefix
}

// refusals counts the recipients refused for good by payer, so that who connects again does not begin anew. The zero
// value is ready.
type refusals struct {
	mu sync.Mutex
	memory[payer, toll]
}

// toll is how much was counted as of a time. It runs out evenly, a whole budget in an hour: an entry that its memory
// forgets by time has run out.
type toll struct {
	n  float64
	at time.Time
}

// spend counts n more against a budget for each window, n less where mail earned it back. It returns the count, never
// above the budget, before and after, and whether the budget was too small.
func (r *refusals) spend(now time.Time, who payer, n, budget int) (was, is int, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.of(who).after(now, budget)
	next := max(0, min(left+float64(n), float64(budget)))
	if next == 0 {
		r.forget(who)
	} else {
		r.keep(now, who, toll{next, now})
	}
	return int(math.Ceil(left)), int(math.Ceil(next)), left+float64(n) > float64(budget)
}

// exhausted reports whether the budget has not one whole recipient left.
func (r *refusals) exhausted(now time.Time, who payer, budget int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(who).after(now, budget) > float64(budget-1)
}

// after is what has not run out by now.
func (e toll) after(now time.Time, budget int) float64 {
	ran := float64(budget) * float64(now.Sub(e.at)) / float64(memorySpan)
	return max(0, e.n-max(0, ran))
}

// payer is whom the session's refused recipients are counted for.
func (s *session) payer() payer {
	if s.cred != nil {
		return payer{credential: s.cred.Username}
	}
	return payer{network: networkOf(s.ip)}
}

// exhausted reports whether the session's payer has had all its refused recipients. It is asked before anybody is
// looked up: 421 for those who may not get mail and 250 for those who may would tell them apart as well.
func (s *session) exhausted() bool {
	return s.srv.refusals.exhausted(s.srv.opt.Now(), s.payer(), s.set.Limits.RefusedHourly)
}

// dues are what a group of recipients costs a session.
type dues struct {
	wait time.Duration
	hold bool // nobody may hear what the answers to this group are
	end  bool
}

// spendRefused counts recipients that were refused for good against the budgets of session and payer, so that the gate
// is no oracle about consent; only mail that is delivered earns it back.
func (s *session) spendRefused(n int) dues {
	if n == 0 {
		return dues{}
	}
	lim, was := s.set.Limits, s.refused
	s.refused += n
	before, after, over := s.srv.refusals.spend(s.srv.opt.Now(), s.payer(), n, lim.RefusedHourly)
	return dues{
		wait: max(slowing(was, s.refused, lim.Refused, lim.RefusedDelay), slowing(before, after, lim.RefusedHourly, lim.RefusedDelay)),
		hold: over, end: over || s.refused > lim.Refused,
	}
}

// refusedOf counts the replies that refuse for good.
func refusedOf(replies []*smtp.SMTPError) (n int) {
	for _, r := range replies {
		if r.Code >= 500 {
			n++
		}
	}
	return n
}

// unheard notes in the entries of a group that the client hears 421 instead of its answers.
func unheard(entries []gate.BlockEntry) {
	for i := range entries {
		entries[i].Reply = replyText(tooManyRefused.reply())
	}
}

// earnRefused gives budget back for recipients that were served.
func (s *session) earnRefused(n int) {
	if n == 0 {
		return
	}
	s.refused = max(0, s.refused-n)
	s.srv.refusals.spend(s.srv.opt.Now(), s.payer(), -n, s.set.Limits.RefusedHourly)
}

// endRefused closes a session whose budget, or whose payer's, is spent.
func (s *session) endRefused() error {
	s.closing = true
	s.srv.opt.Count(gate.Counter{What: gate.CountTurnedAway})
	s.log.Info("too many refused recipients", "client", s.client, "credential", s.payer().credential)
	return tooManyRefused
}
