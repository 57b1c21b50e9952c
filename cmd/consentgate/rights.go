package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/evidence"
)

// held is all that a store holds about one person.
type held struct {
	id       gate.ID
	person   gate.Person
	marks    gate.Marks        // the standing ones
	blocks   []gate.BlockEntry // newest first, without the sealed address
	acts     []gate.AuditEntry
	wordings []gate.WordingText // all that are kept
}

// held reads all about one recipient, invalidated sources heeded.
func (o *opened) held(ctx context.Context, addr gate.Address) (h held, err error) {
	h.id = o.keys.ID(addr)
	marked := o.marked(ctx)
	if h.marks, err = marked.Marks(); err != nil {
		return h, err
	}
	if h.person, err = marked.Person(ctx, h.id); err != nil {
		return h, err
	}
	h.person.ID = h.id
	h.blocks = []gate.BlockEntry{}
	for e, err := range o.Blocks(ctx, gate.BlockQuery{Recipient: h.id}) {
		if err != nil {
			return h, err
		}
		e.Address = ""
		h.blocks = append(h.blocks, e)
	}
	h.acts = []gate.AuditEntry{}
	for e, err := range o.Acts(ctx, 1) {
		if err != nil {
			return h, err
		}
		if e.Subject == h.id {
			h.acts = append(h.acts, e)
		}
	}
	h.wordings, err = o.WordingTexts(ctx, "")
	return h, err
}

// personExport is the JSON of export --recipient.
type personExport struct {
	Recipient string            `json:"recipient"`
	Exported  time.Time         `json:"exported"`
	Record    recordView        `json:"record"`
	Events    []gate.Event      `json:"events"`
	Wordings  []evidence.Notice `json:"wordings"`
	Blocks    []gate.BlockEntry `json:"blocks"`
	Audit     []gate.AuditEntry `json:"audit"`
}

func (p *program) exportPerson(ctx context.Context, f exportFlags) error {
	if f.purpose != "" || f.state != "" {
		return usage("--recipient writes all that is held about a person: it does not go with --purpose or --state")
	}
	addr, err := gate.ParseAddress(f.recipient)
	if err != nil {
		return usage("--recipient %q: %v; write it as local@domain", f.recipient, err)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := p.act(ctx, s, "export.person", s.keys.ID(addr)); err != nil {
		return err
	}
	h, err := s.held(ctx, addr)
	if err != nil {
		return err
	}
	x := personExport{
		Recipient: addr.String(), Exported: p.now().UTC(), Record: viewOf(addr.String(), h.person),
		Events: append([]gate.Event{}, h.person.Events...), Wordings: []evidence.Notice{}, Blocks: h.blocks, Audit: h.acts,
	}
	for _, e := range x.Events {
		if e.Wording.ID != "" && !slices.ContainsFunc(x.Wordings, func(n evidence.Notice) bool { return n.Wording == e.Wording }) {
			x.Wordings = append(x.Wordings, evidence.Resolve(e.Wording, h.wordings))
		}
	}
	return p.writeOut(f.out, func(w io.Writer) error { return indented(w, x) })
}

// writeOut writes a whole file, or to standard output.
func (p *program) writeOut(path string, write func(io.Writer) error) error {
	out, err := p.openOutput(path)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := write(out); err != nil {
		return err
	}
	return out.keep()
}

func (p *program) eraseCommand() *cobra.Command {
	var proof, yes bool
	cmd := &cobra.Command{
		Use:   "erase ADDRESS",
		Short: "forget a person, all but their refusals",
		Long: `Forget a person: record and history go, and the address in the blocked-send log. What stays is a refusal,
under the recipient id and without the address, so that no import ever mails them again. An entry in the
audit log, by recipient id, says that it was done.

--keep-proof keeps what was said and when, without the address and free texts, where a legal claim may
need it (GDPR art. 17(3)(e)): whoever knows the address can still find it with the id key.

Entries on their way from a gate's journal keep the masked and sealed address for up to 7 days, see
docs/rights.md. Without --yes it only shows what would go.`,
		Example: `  consentgate consent erase ann@example.com
  consentgate consent erase ann@example.com --yes
  consentgate consent erase ann@example.com --keep-proof --yes`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.erase(ctx, args[0], proof, yes) }),
	}
	cmd.Flags().BoolVar(&proof, "keep-proof", false, "keep the events, without the address")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// forgotten is the JSON of consent erase.
type forgotten struct {
	RecipientID gate.ID `json:"recipient_id"`
	Erased      bool    `json:"erased"` // false: without --yes
	Events      int     `json:"events"` // removed
	Kept        int     `json:"kept"`   // remain without the address
	Blocks      int     `json:"blocks"` // entries that lost the address
}

func (p *program) erase(ctx context.Context, recipient string, proof, yes bool) error {
	addr, err := address(recipient)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	x := gate.Erasure{ID: ulid.Make().String(), Time: p.now().UTC(), Actor: p.actor(), KeepProof: proof}
	done := forgotten{RecipientID: s.keys.ID(addr), Erased: yes}
	if !yes {
		return p.wouldErase(ctx, s, addr, x, done)
	}
	kept := ""
	if proof {
		kept = "yes"
	}
	if err := p.act(ctx, s, "consent.erase", done.RecipientID, "proof "+kept, "event "+x.ID); err != nil {
		return err
	}
	f, err := gate.Eraser{Store: s}.Erase(ctx, done.RecipientID, x)
	done.Events, done.Kept, done.Blocks = f.Events, f.Kept, f.Blocks
	if err != nil {
		return fmt.Errorf("not all is erased, erase again: %w", err)
	}
	return p.printErased(done)
}

// wouldErase shows what an erasure would do.
func (p *program) wouldErase(ctx context.Context, s *opened, addr gate.Address, x gate.Erasure, done forgotten) error {
	h, err := s.held(ctx, addr)
	if err != nil {
		return err
	}
	left := x.Remains(h.person.Events)
	done.Kept = len(left)
	for _, e := range h.person.Events {
		if !slices.Contains(left, e) {
			done.Events++
		}
	}
	for _, b := range h.blocks {
		if !b.Erased() {
			done.Blocks++
		}
	}
	p.say("nothing is erased yet: add --yes to do it")
	return p.printErased(done)
}

func (p *program) printErased(done forgotten) error {
	return p.print(done, func(w io.Writer) {
		events := count(done.Events, "event") + " would go"
		if done.Erased {
			events = countAre(done.Events, "event") + " gone"
		}
		fmt.Fprintf(w, "recipient %s\n%s, %d remain without the address\n", done.RecipientID, events, done.Kept)
		fmt.Fprintf(w, "in the blocked-send log: %s without the address\n", count(done.Blocks, "message"))
	})
}
