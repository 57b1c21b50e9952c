package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
)

func (p *program) consentCommand() *cobra.Command {
	return p.group("consent", "record and show what people agreed to",
		`Record and show consent. Records are the fold of events that are only ever added: nothing is
overwritten, and a refusal is reopened by the person's own confirmation only.`,
		p.grantCommand(), p.requestCommand(), p.confirmCommand(), p.withdrawCommand(), p.showCommand(), p.historyCommand(), p.applyCommand(), p.rejectsCommand(),
		p.eraseCommand(), p.consentEvidenceCommand())
}

// recorded is the JSON of a command that recorded one event.
type recorded struct {
	EventID     string         `json:"event_id"`
	Recipient   string         `json:"recipient"`
	RecipientID gate.ID        `json:"recipient_id"`
	Type        gate.EventType `json:"type"`
	Purpose     string         `json:"purpose"`
	State       gate.State     `json:"state,omitempty"` // of the purpose, afterwards
	Duplicate   bool           `json:"duplicate,omitempty"`
	Missing     []string       `json:"evidence_missing,omitempty"` // fields of the minimum proof that the event lacks
}

// record fills what every event of the command line has, applies it, and prints what became of it. live says that it
// is an act of the person at this moment.
func (p *program) record(ctx context.Context, e gate.Event, live bool) error {
	if _, err := address(e.Recipient); err != nil {
		return err
	}
	e.ID, e.Actor = ulid.Make().String(), p.actor()
	if e.Time.IsZero() {
		e.Time = p.now().UTC()
	}
	if err := e.Validate(p.now()); err != nil {
		return inFlags(err)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if e.Wording, err = p.knownWording(ctx, s, e.Wording); err != nil {
		return err
	}
	out, err := p.applyOne(ctx, s, e, live)
	if err != nil {
		return err
	}
	r := recorded{
		EventID: e.ID, Recipient: e.Recipient, RecipientID: out.ID, Type: e.Type, Purpose: e.Purpose,
		Duplicate: out.Applied.Duplicate,
	}
	if e.Purpose != "" && e.Purpose != gate.AllPurposes {
		r.State = s.stands(ctx, out).For(e.Purpose).State
	}
	if e.Type == gate.Granted && e.Method != gate.MethodImported {
		r.Missing = e.Missing()
	}
	if err := p.print(r, func(w io.Writer) { fmt.Fprintln(w, r.text()) }); err != nil {
		return err
	}
	if len(r.Missing) > 0 {
		p.say("the minimum proof is missing: %s", strings.Join(r.Missing, ", "))
	}
	return inVain(e, out.Applied.Record)
}

// stands is the recipient's record afterwards, as the marks on sources leave it.
func (o *opened) stands(ctx context.Context, out gate.Outcome) gate.Record {
	if l := o.marked(ctx).Records(ctx, []gate.ID{out.ID})[0]; l.Err == nil {
		return l.Record
	}
	return out.Applied.Record // the event is recorded whatever became of the store since
}

// inVain is the error of an event that is recorded and does not do what the command is for, since a no of the person
// stands.
func inVain(e gate.Event, r gate.Record) error {
	switch {
	case e.Type == gate.Confirmed && complained(r, e.Purpose):
		return errors.New("recorded, but the complaint stays: only the person's mailbox lifts it, after a request made since")
	case e.Type == gate.Confirmed && r.For(e.Purpose).State == gate.StateWithdrawn:
		return errors.New("recorded, but the refusal stands: record first, as a grant, that the person asked for mail again, and then the confirmation")
	case e.Type == gate.Unsuppressed && complained(r, cmp.Or(e.Purpose, gate.AllPurposes)):
		return errors.New("the complaint stays: only the person's mailbox lifts it")
	}
	return nil
}

// complained reports whether a complaint of this scope, or one of all mail, stands.
func complained(r gate.Record, scope string) bool {
	return slices.ContainsFunc(r.Suppressions, func(s gate.Suppression) bool {
		return s.Kind == gate.SuppressionComplained && (s.Scope == scope || s.Scope == gate.AllPurposes) &&
			r.For(scope).Lifted.Before(s.At)
	})
}

// applyOne applies an event that is valid, after its act is in the audit log.
func (p *program) applyOne(ctx context.Context, s *opened, e gate.Event, live bool) (gate.Outcome, error) {
	tried := gate.Intake{Store: untouched{}, Keys: s.keys}.Apply(ctx, p.now(), []gate.Event{e}, live)[0]
	if tried.Err != nil {
		return tried, tried.Err
	}
	if err := p.act(ctx, s, actOf(e.Type), tried.ID, "purpose "+e.Purpose, "method "+string(e.Method), "via "+string(e.Via),
		"event "+e.ID); err != nil {
		return tried, err
	}
	out := gate.Intake{Store: s, Keys: s.keys}.Apply(ctx, p.now(), []gate.Event{e}, live)[0]
	return out, out.Err
}

// actOf names the command that records events of a type.
func actOf(t gate.EventType) string {
	switch t {
	case gate.Granted:
		return "consent.grant"
	case gate.Confirmed:
		return "consent.confirm"
	case gate.Withdrawn:
		return "consent.withdraw"
	case gate.Suppressed:
		return "suppress.add"
	case gate.Unsuppressed:
		return "suppress.remove"
	}
	return "consent." + string(t)
}

// inFlags says of an event that was made of flags which of them is wrong.
func inFlags(err error) error {
	field, why, _ := strings.Cut(strings.TrimPrefix(err.Error(), gate.ErrInvalidEvent.Error()+": "), ": ")
	top, sub, _ := strings.Cut(field, ".")
	switch top {
	case "time":
		top = "at"
	case "evidence":
		top += " " + sub
	}
	return usage("--%s: %s", strings.ReplaceAll(top, "default_state", "default-state"), why)
}

func (r recorded) text() string {
	text := fmt.Sprintf("%s: %s", r.Recipient, r.Type)
	switch {
	case r.Type == gate.Suppressed && (r.Purpose == "" || r.Purpose == gate.AllPurposes):
		text += " for all mail, transactional mail too"
	case r.Purpose == "":
	case r.Purpose == gate.AllPurposes:
		text += " for every marketing purpose"
	default:
		text += " for " + r.Purpose
	}
	if r.State != "" {
		text += ", now " + string(r.State)
	}
	return text
}
