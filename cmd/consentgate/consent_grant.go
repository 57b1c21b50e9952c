package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/consentgate/consentgate/gate"
)

// eventFlags are the flags that describe an event, as texts; event reads them.
type eventFlags struct {
	purpose, at, source, wording string
	evidence                     []string
	event                        gate.Event
}

func (f *eventFlags) when(fs *pflag.FlagSet) {
	fs.StringVar(&f.at, "at", "", "`time` it happened, such as 2026-11-01T10:00:00Z (default now)")
	fs.StringVar(&f.event.Note, "note", "", "free `text` for the history")
}

func (f *eventFlags) proof(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.evidence, "evidence", nil, "`key=value`: ref, sale_ref, category, optout_offered or confirmed_at; repeatable")
}

// read makes an event of the flags.
func (f *eventFlags) read(recipient string, typ gate.EventType) (gate.Event, error) {
	e := f.event
	e.Recipient, e.Type, e.Purpose = recipient, typ, f.purpose
	e.Wording.ID = f.wording
	if f.at != "" {
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			return e, usage("--at %q is no time: write it as 2026-11-01T10:00:00Z", f.at)
		}
		e.Time = at
	}
	e.Source.Kind, e.Source.ID, _ = strings.Cut(f.source, ":")
	for _, kv := range f.evidence {
		if err := setEvidence(&e.Evidence, kv); err != nil {
			return e, err
		}
	}
	return e, nil
}

func setEvidence(ev *gate.Evidence, kv string) (err error) {
	key, text, ok := strings.Cut(kv, "=")
	if !ok || text == "" {
		return usage("--evidence %q: write key=value, such as ref=call-4711", kv)
	}
	switch key {
	case "ref":
		ev.Ref = text
	case "sale_ref":
		ev.SaleRef = text
	case "category":
		ev.Category = text
	case "optout_offered":
		if ev.OptoutOffered, err = strconv.ParseBool(text); err != nil {
			return usage("--evidence optout_offered=%q: write true or false", text)
		}
	case "confirmed_at":
		if ev.ConfirmedAt, err = time.Parse(time.RFC3339, text); err != nil {
			return usage("--evidence confirmed_at=%q is no time: write it as 2026-11-01T10:00:00Z", text)
		}
	default:
		return usage("--evidence: there is no key %q: use ref, sale_ref, category, optout_offered or confirmed_at", key)
	}
	return nil
}

// evidenceKeys are those that setEvidence reads.
func evidenceKeys() []string {
	return []string{"ref=", "sale_ref=", "category=", "optout_offered=", "confirmed_at="}
}

// need returns a usage error where a flag that a command cannot do without is empty.
func need(flag, text, hint string) error {
	if text == "" {
		return usage("%s is missing: %s", flag, hint)
	}
	return nil
}

func (p *program) grantCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "grant ADDRESS",
		Short: "record that a person gave consent",
		Long: `Record that a person gave consent for one purpose, and how. The method decides what it is worth:

  passive    a box ticked for them, or bundled with something else: kept, shown, and blocked
  active     they ticked it themselves
  double     and confirmed from their mailbox (--evidence confirmed_at=...)
  verbal, paper    with --evidence ref=...
  soft       a customer, with --evidence sale_ref=... --evidence optout_offered=true
  b2b, implied     with --audience and --source
  imported   a batch (--source import:ID): kept, never a permit

Where the minimum proof of the method is missing, it says which flags would bring it. After a refusal
a grant only waits for confirmation.`,
		Example: `  consentgate consent grant ann@example.com --purpose newsletter --method passive \
      --source contest:summer-quiz --default-state ticked --wording nl-2026-03 --controller "Shop SAS"
  consentgate consent grant bob@example.com --purpose newsletter --method active \
      --source form:footer --default-state unticked --wording nl-2026-03 --controller "Shop SAS"`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.grant(ctx, args[0], &f) }),
	}
	fs := cmd.Flags()
	f.when(fs)
	f.proof(fs)
	fs.StringVar(&f.purpose, "purpose", "", "`name` of what consent is given for")
	fs.StringVar((*string)(&f.event.Method), "method", "", "`how` it was given: passive, active, double, verbal, paper, soft, b2b, implied or imported")
	fs.StringVar(&f.source, "source", "", "where it came from, as `KIND:ID`, such as contest:summer-quiz")
	fs.StringVar((*string)(&f.event.DefaultState), "default-state", "", "`how` the box was before they touched it: ticked, unticked, bundled or none")
	fs.StringVar(&f.wording, "wording", "", "`ID` of the text they read")
	fs.StringVar(&f.event.Jurisdiction, "jurisdiction", "", "whose law applies, as a country code `CC`, such as FR")
	fs.StringVar(&f.event.Audience, "audience", "", "`who` they are: b2b or b2c")
	fs.StringVar(&f.event.Controller, "controller", "", "`name` of whom consent was given to")
	return cmd
}

func (p *program) grant(ctx context.Context, recipient string, f *eventFlags) error {
	if err := need("--purpose", f.purpose, "name what consent was given for, such as newsletter"); err != nil {
		return err
	}
	if err := need("--method", string(f.event.Method), "say how it was given, such as passive or active"); err != nil {
		return err
	}
	e, err := f.read(recipient, gate.Granted)
	if err != nil {
		return err
	}
	return p.record(ctx, e, false)
}

func (p *program) confirmCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "confirm ADDRESS",
		Short: "record that a person confirmed their consent",
		Long: `Record a confirmation that the person made outside their mailbox, with a reference to its proof.
It turns a passive record into a confirmed one. You record the person's act; you cannot stand in for
it. A confirmation from the mailbox is recorded by the confirmation page, or by an application that
refers to its proof (the API, consent apply).

After a refusal it counts only where the person asked for mail again since: record that first, as a
grant, and then the confirmation. A spam report is lifted from the mailbox only.`,
		Example: `  consentgate consent confirm ann@example.com --purpose newsletter --via phone --evidence ref=call-4711

  # Bob refused, and asks for the newsletter again
  consentgate consent grant bob@example.com --purpose newsletter --method verbal --evidence ref=call-4712
  consentgate consent confirm bob@example.com --purpose newsletter --via account --evidence ref=login-77`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.confirm(ctx, args[0], &f) }),
	}
	fs := cmd.Flags()
	f.when(fs)
	f.proof(fs)
	fs.StringVar(&f.purpose, "purpose", "", "`name` of what they confirmed")
	fs.StringVar((*string)(&f.event.Via), "via", "", "`where` they confirmed: account, phone, paper or in_person")
	return cmd
}

func (p *program) confirm(ctx context.Context, recipient string, f *eventFlags) error {
	if err := need("--purpose", f.purpose, "name what was confirmed, such as newsletter"); err != nil {
		return err
	}
	if !slices.Contains(waysToConfirm(), f.event.Via) {
		return usage("--via is missing or none of %s: say where the person confirmed", joined(waysToConfirm()))
	}
	e, err := f.read(recipient, gate.Confirmed)
	if err != nil {
		return err
	}
	if err := need("--evidence ref=", e.Evidence.Ref, "refer to the proof, such as ref=call-4711"); err != nil {
		return err
	}
	return p.record(ctx, e, false)
}

// waysToConfirm leaves out the mailbox, where only the confirmation page is witness.
func waysToConfirm() []gate.Via {
	return []gate.Via{gate.ViaAccount, gate.ViaPhone, gate.ViaPaper, gate.ViaInPerson}
}

func (p *program) withdrawCommand() *cobra.Command {
	var f eventFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "withdraw ADDRESS",
		Short: "record that a person took their consent back",
		Long: `Record that a person took consent back, for one purpose or for every marketing purpose. It counts
from the next message on. A later grant alone does not reopen it; the person's confirmation does.`,
		Example: `  consentgate consent withdraw ann@example.com --purpose newsletter
  consentgate consent withdraw ann@example.com --all --note "letter of 3 November"`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.withdraw(ctx, args[0], &f, all) }),
	}
	fs := cmd.Flags()
	f.when(fs)
	fs.StringVar(&f.purpose, "purpose", "", "`name` of the purpose")
	fs.BoolVar(&all, "all", false, "every marketing purpose")
	return cmd
}

func (p *program) withdraw(ctx context.Context, recipient string, f *eventFlags, all bool) error {
	if all == (f.purpose != "") {
		return usage("say either --purpose NAME or --all")
	}
	if all {
		f.purpose = gate.AllPurposes
	}
	e, err := f.read(recipient, gate.Withdrawn)
	if err != nil {
		return err
	}
	return p.record(ctx, e, f.at == "")
}
