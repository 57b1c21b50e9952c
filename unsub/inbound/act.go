package inbound

import (
	"context"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

// findTimeout is how long the store may take to say what a removed stream was about.
const findTimeout = 2 * time.Second

// withdraw takes the token's person off the purpose of its stream. 250 means that the journal has it.
func (s *session) withdraw(ctx context.Context, text string, t unsub.Token, note string) reply {
	bounded, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	flow, err := s.door.opt.Streams.Find(bounded, t.Stream)
	if err != nil {
		s.log.Warn("withdrawal put off, its stream is one that only the store knows", "err", err)
		return s.putOff(tryLater())
	}
	_, err = s.door.opt.Refusals.Withdraw(ctx, unsub.Withdrawal{
		ID: t.ID, Purpose: flow.Purpose, Stream: flow.Name, Ref: unsub.Ref(text), Note: note,
	})
	if err != nil {
		s.log.Error("withdrawal put off", "err", err)
		return s.putOff(notKept())
	}
	s.count(gate.CountInboundUnsubscribed)
	return accepted()
}

// reported acts on what came to the address of the feedback loops. A loop cannot be told anything, so all that is no
// complaint about mail of ours is accepted, and counted.
func (s *session) reported(ctx context.Context, m message) reply {
	r := m.report
	if r.reporter == "" {
		r.reporter = s.tx.reporter()
	}
	switch r.act(m.automatic) {
	case ignore:
		s.count(gate.CountInboundIgnored)
		return accepted()
	case unmatched:
		s.count(gate.CountInboundUnmatched)
		s.log.Info("report without a token of ours", "reporter", r.reporter, "type", r.kind())
		return accepted()
	case optOut:
		return s.withdraw(ctx, r.text, r.token, "feedback report: opt-out")
	}
	return s.complain(ctx, r)
}

// complain records a complaint, which stands for every purpose: the report says no more than "spam". Its id is made of
// the report, so that one that arrives again is the same complaint.
func (s *session) complain(ctx context.Context, r report) reply {
	_, err := s.door.opt.Refusals.Report(ctx, []gate.Change{{ID: r.token.ID, Event: gate.Event{
		ID: "report-" + r.digest, Type: gate.Complained, Purpose: gate.AllPurposes, Time: s.door.opt.Now().UTC(),
		Actor: "provider", Source: gate.Source{Kind: "provider", ID: r.reporter},
		Evidence: gate.Evidence{Ref: unsub.Ref(r.text)}, Note: "feedback report: " + r.kind(),
	}}})
	if err != nil {
		s.log.Error("complaint put off", "err", err)
		return s.putOff(notKept())
	}
	s.count(gate.CountInboundComplained)
	return accepted()
}

func (s *session) putOff(r reply) reply {
	s.count(gate.CountInboundPutOff)
	return r
}
