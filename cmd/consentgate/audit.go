package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
)

func (p *program) auditCommand() *cobra.Command {
	return p.group("audit", "show what operators did, and prove that the log is whole",
		`Show what operators did. The audit log is only ever added to, and each entry holds the hash of the one
before it: none can be changed, left out or moved without audit verify finding it.`,
		p.auditListCommand(), p.auditVerifyCommand())
}

type auditFlags struct{ since, act, recipient string }

func (p *program) auditListCommand() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show what operators did",
		Long: `Show what operators did, oldest first. Recipients are named by id, so the log holds no address;
--recipient finds those of a full address. --act takes an act, such as consent.erase, or the first part
of its name, such as consent.`,
		Example: `  consentgate audit list --since 30d
  consentgate audit list --act blocked.reveal
  consentgate audit list --recipient ann@example.com --json`,
		Args: noArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.auditList(ctx, f) }),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.since, "since", "", "only entries this `old` at most, such as 24h or 7d, or since a time")
	fs.StringVar(&f.act, "act", "", "only this `act`, such as consent.erase, or consent for all of that name")
	fs.StringVar(&f.recipient, "recipient", "", "only what was done about this full `address`")
	return cmd
}

func (p *program) auditList(ctx context.Context, f auditFlags) error {
	since, err := p.since(f.since)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := knownAct(ctx, s, f.act); err != nil {
		return err
	}
	var subject gate.ID
	if f.recipient != "" {
		addr, err := gate.ParseAddress(f.recipient)
		if err != nil {
			return usage("--recipient %q: %v; write it as local@domain", f.recipient, err)
		}
		subject = s.keys.ID(addr)
	}
	return p.printAudit(s.Acts(ctx, 1), func(e gate.AuditEntry) bool {
		return !e.Time.Before(since) && (subject.IsZero() || e.Subject == subject) && isAct(e.Name, f.act)
	})
}

// knownAct is a usage error where no act has the name and none in the log either, which another version may have written:
// an empty answer would pass for nothing having been done.
func knownAct(ctx context.Context, t gate.Trail, want string) error {
	if want == "" || slices.ContainsFunc(acts(), func(name string) bool { return isAct(name, want) }) {
		return nil
	}
	for e, err := range t.Acts(ctx, 1) {
		if err != nil {
			return err
		}
		if isAct(e.Name, want) {
			return nil
		}
	}
	return usage("--act %q is no act: use one of %s", want, strings.Join(acts(), ", "))
}

// acts are the names that entries have, as docs/rights.md lists them.
func acts() []string {
	return []string{
		"consent.grant", "consent.request", "consent.confirm", "consent.withdraw", "consent.apply", "consent.erase", "consent.evidence",
		"consent.reveal", "suppress.add", "suppress.remove", "suppress.reveal", "blocked.reveal", "wording.add", "import", "export", "export.person",
		"invalidate", "invalidate.lift", "key.export", "key.import", "key.rotate", "link", "retention.run", "retention.done",
		"store.init", "store.repair", "store.copy", "policy.looser",
	}
}

// isAct reports whether name is want, or below it. An entry that cannot be read has no name and is always shown.
func isAct(name, want string) bool {
	return want == "" || name == want || strings.HasPrefix(name, want+".")
}

func (p *program) printAudit(entries func(func(gate.AuditEntry, error) bool), selected func(gate.AuditEntry) bool) error {
	if p.json {
		for e, err := range entries {
			if err != nil {
				return err
			}
			if selected(e) {
				fmt.Fprintln(p.out, e.Text())
			}
		}
		return nil
	}
	var failure error
	err := p.print(nil, func(w io.Writer) {
		line(w, "SEQ", "TIME", "ACTOR", "ROLE", "ACT", "RECIPIENT ID", "DETAIL")
		for e, err := range entries {
			if failure = err; err != nil {
				return
			}
			if selected(e) {
				line(w, strconv.FormatUint(e.Seq, 10), when(e.Time), e.Actor, e.Role, e.Name, idText(e.Subject), e.Detail)
			}
		}
	})
	if failure != nil {
		return failure
	}
	return err
}

func idText(id gate.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func (p *program) auditVerifyCommand() *cobra.Command {
	var head string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "prove that the audit log is whole",
		Long: `Follow the audit log from its first entry to its last and name the first that is wrong: changed,
missing, or out of its place. The head that is printed stands for all before it: note it somewhere that
whoever can write to the store cannot change, and name it with --head later. Without it nobody can tell
a log whose end was cut off, or that was written anew as a whole.`,
		Example: `  consentgate audit verify
  consentgate audit verify --head 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae:128`,
		Args: noArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.auditVerify(ctx, head) }),
	}
	cmd.Flags().StringVar(&head, "head", "", "`HASH:SEQ` that an earlier verify printed")
	return cmd
}

// verified is the JSON of audit verify.
type verified struct {
	Entries uint64    `json:"entries"`
	Head    string    `json:"head,omitempty"` // HASH:SEQ; empty without entries
	Time    time.Time `json:"time,omitzero"`  // of the head
}

func (p *program) auditVerify(ctx context.Context, noted string) error {
	anchor, err := parseHead(noted)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	head, err := gate.CheckTrail(s.Acts(ctx, 1), anchor)
	if err != nil {
		return err
	}
	v := verified{Entries: head.Seq, Time: head.Time}
	if head.Seq > 0 {
		v.Head = fmt.Sprintf("%s:%d", head.Hash, head.Seq)
	}
	return p.print(v, func(w io.Writer) {
		if v.Entries == 0 {
			fmt.Fprintln(w, "the audit log has no entries")
			return
		}
		fmt.Fprintf(w, "the audit log is whole: %d entries, the last of %s\nhead %s\n", v.Entries, when(v.Time), v.Head)
	})
}

// parseHead reads HASH:SEQ; empty is the zero entry.
func parseHead(text string) (e gate.AuditEntry, err error) {
	if text == "" {
		return e, nil
	}
	hash, seq, _ := strings.Cut(text, ":")
	e.Seq, err = strconv.ParseUint(seq, 10, 64)
	if raw, bad := hex.DecodeString(hash); err != nil || bad != nil || len(raw) != 32 || e.Seq == 0 {
		return e, usage("--head %q is no head: write it as audit verify printed it, HASH:SEQ", text)
	}
	e.Hash = strings.ToLower(hash)
	return e, nil
}
