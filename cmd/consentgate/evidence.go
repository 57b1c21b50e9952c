package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/evidence"
	"github.com/consentgate/consentgate/internal/seal"
)

type evidenceFlags struct{ format, language, out string }

func (p *program) consentEvidenceCommand() *cobra.Command {
	var f evidenceFlags
	cmd := &cobra.Command{
		Use:   "evidence ADDRESS",
		Short: "write the signed proof of what a person agreed to",
		Long: `Write the proof of what a person agreed to: each purpose with its state, lawful basis and source, the
text that was shown, every event with who recorded it, refusals and suppressions, what was blocked, and
what operators did. JSON after ISO/IEC TS 27560, or a page (HTML, no scripts) to read and print.

Both are signed with Ed25519. The key is signing.key in the data directory, made when it is first
needed; evidence verify checks a file without a store or a network.`,
		Example: `  consentgate consent evidence ann@example.com --out ann.json
  consentgate consent evidence ann@example.com --format html --language fr --out ann.html`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.evidence(ctx, args[0], f) }),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", "json", "json or html")
	fs.StringVar(&f.language, "language", "en", "`language` of the page: "+strings.Join(evidence.Languages(), " or "))
	fs.StringVar(&f.out, "out", "", "`file` to write (default: standard output)")
	return cmd
}

func (p *program) evidence(ctx context.Context, recipient string, f evidenceFlags) error {
	addr, err := address(recipient)
	if err != nil {
		return err
	}
	switch {
	case f.format != "json" && f.format != "html":
		return usage("--format %q: use json or html", f.format)
	case !slices.Contains(evidence.Languages(), f.language):
		return usage("--language %q: use %s", f.language, strings.Join(evidence.Languages(), " or "))
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	header := p.evidenceHeader(addr)
	if err := p.act(ctx, s, "consent.evidence", s.keys.ID(addr), "record "+header.RecordID, "format "+f.format); err != nil {
		return err
	}
	d, err := p.document(ctx, s, addr, header)
	if err != nil {
		return err
	}
	file, err := p.signed(s, d, f)
	if err != nil {
		return err
	}
	return p.writeOut(f.out, func(w io.Writer) error {
		_, err := w.Write(file)
		return err
	})
}

func (p *program) evidenceHeader(addr gate.Address) evidence.Header {
	return evidence.Header{
		RecordID: ulid.Make().String(), Address: addr.String(), Created: p.now().UTC(), CreatedBy: p.actor(),
		Program: "consentgate " + built().Version,
	}
}

// document is the evidence about one recipient as the store and the config tell it now.
func (p *program) document(ctx context.Context, s *opened, addr gate.Address, header evidence.Header) (evidence.Document, error) {
	h, err := s.held(ctx, addr)
	if err != nil {
		return evidence.Document{}, err
	}
	decisions, err := p.decisions(s, addr, h.person.Record)
	if err != nil {
		return evidence.Document{}, err
	}
	kind, _, _ := strings.Cut(s.cfg.Store, ":")
	d := evidence.Build(evidence.Material{
		Header: header, Person: h.person, Blocks: h.blocks, Acts: h.acts, Wordings: h.wordings,
		Controller: party("", s.cfg.Unsubscribe.Brand),
		Brands:     brands(s.cfg),
		OneClick:   s.cfg.Unsubscribe.PublicURL != "",
		Marks:      h.marks,
		Storage:    evidence.Storage{Store: kind, Addresses: s.cfg.StoreAddresses},
		Retention:  evidence.Retention{Evidence: days(s.cfg.Retention.Evidence), Inactive: days(s.cfg.Retention.Inactive)},
		Decisions:  decisions,
	})
	for _, id := range d.Nameless() {
		p.say("nothing says who controller %s is: give address and contact in brands, or of your own in unsubscribe.brand", printable(id))
	}
	return d, nil
}

func party(id string, b config.Brand) evidence.Party {
	return evidence.Party{ID: id, Name: b.Name, Address: b.Address, Contact: b.Contact, PrivacyURL: b.PrivacyURL}
}

// brands are the controllers that the config describes beside its own.
func brands(cfg *config.Config) []evidence.Party {
	out := make([]evidence.Party, len(cfg.Brands))
	for i, c := range cfg.Brands {
		out[i] = party(c.ID, c.Brand)
	}
	return out
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// decisions are today's answers for the streams that need consent.
func (p *program) decisions(s *opened, addr gate.Address, rec gate.Record) ([]evidence.Decision, error) {
	policy, err := app.Policy(s.cfg)
	if err != nil {
		return nil, err
	}
	out := []evidence.Decision{}
	for _, stream := range s.cfg.Streams() {
		if stream.Kind == gate.KindTransactional {
			continue
		}
		lookup := gate.Lookup{Record: rec}
		d := policy.Decide(p.now(), stream, addr, lookup)
		until, law := policy.Until(stream, addr, lookup)
		out = append(out, evidence.Decision{
			Stream: d.Stream, Purpose: d.Purpose, Verdict: d.Verdict, Reason: d.Reason, Rule: d.Rule,
			Jurisdiction: d.Jurisdiction, Citation: d.Citation, ValidUntil: until, ValidityLaw: law, PolicyVersion: d.PolicyVersion,
		})
	}
	return out, nil
}

// signed is the file in the form that was asked for.
func (p *program) signed(s *opened, d evidence.Document, f evidenceFlags) ([]byte, error) {
	key, err := seal.OpenSigner(s.cfg.DataDir, true, nil)
	if err != nil {
		return nil, err
	}
	file, sig, err := evidence.Sign(d, key)
	if err != nil {
		return nil, err
	}
	p.say("signed with key %s", sig.Fingerprint)
	if f.format == "html" {
		return evidence.Page(file, f.language)
	}
	return file, nil
}

func (p *program) evidenceCommand() *cobra.Command {
	return p.group("evidence", "check signed evidence", `Check signed evidence, which consent evidence writes.`, p.evidenceVerifyCommand())
}

func (p *program) evidenceVerifyCommand() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "check the signature of evidence",
		Long: `Check that evidence is what was signed, without a store or a network. FILE is the JSON or the page.

A page is drawn again from the document it carries and has to be the same, to the octet. One that another
version of this program made is not: then only the document is proved, and the exit code is 1.

Whoever can change a file can also sign it with a key of their own: give the fingerprint that the controller
names as --key (there, key show prints it).`,
		Example: `  consentgate evidence verify ann.json
  consentgate evidence verify ann.html --key sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one FILE, or - for standard input; got %s", cmd.CommandPath(), count(len(args), "argument"))
			}
			return nil
		},
		RunE: p.run(func(_ context.Context, args []string) error { return p.evidenceVerify(args[0], key) }),
	}
	cmd.Flags().StringVar(&key, "key", "", "`fingerprint` of the key that must have signed")
	return cmd
}

// maxEvidence bounds the file that is read.
const maxEvidence = 256 << 20

func (p *program) evidenceVerify(path, key string) error {
	if key != "" && !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(key) {
		return usage("--key %q is no fingerprint: write sha256: and 64 hex digits, as key show prints it", key)
	}
	file, err := p.readEvidence(path)
	if err != nil {
		return err
	}
	v, err := evidence.Verify(file)
	if err != nil && !errors.Is(err, evidence.ErrPage) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if key != "" && key != v.Fingerprint {
		return fmt.Errorf("%s: signed with another key: %s", path, v.Fingerprint)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if key == "" {
		p.say("key not compared: pass --key FINGERPRINT, as the controller names it")
	}
	return p.print(proved{v, key != ""}, func(w io.Writer) {
		fmt.Fprintf(w, "the signature fits\nrecord %s of %s, recipient id %s\nkey %s\n",
			printable(v.RecordID), when(v.Created), printable(v.PrincipalID), v.Fingerprint)
	})
}

// proved is the JSON of evidence verify.
type proved struct {
	evidence.Verified
	KeyCompared bool `json:"key_compared"`
}

func (p *program) readEvidence(path string) ([]byte, error) {
	in := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
		defer f.Close()
		in = f
	}
	file, err := io.ReadAll(io.LimitReader(in, maxEvidence))
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return file, nil
}

// indented writes JSON for people.
func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// knownWording completes a wording that is named by id from the one text that is kept under it, and warns where none
// is: evidence will lack what the person read.
func (p *program) knownWording(ctx context.Context, s gate.Wordings, w gate.Wording) (gate.Wording, error) {
	if w.ID == "" {
		return w, nil
	}
	kept, err := s.WordingTexts(ctx, w.ID)
	if err != nil {
		return w, err
	}
	switch n := evidence.Resolve(w, kept); n.Status {
	case evidence.NoticeNamed:
		i := slices.IndexFunc(kept, func(k gate.WordingText) bool { return k.SHA256 == n.Kept })
		return kept[i].Wording, nil
	case evidence.NoticeAmbiguous:
		p.say("wording %s has several texts: which one was read will not be known; name version and language with consent apply", printable(w.ID))
	case evidence.NoticeUnknown:
		p.say("no text of wording %s is kept: add it with consentgate wording add", printable(w.ID))
	case evidence.NoticeDiffers:
		p.say("wording %s is kept with another text than the event's sha256 says", printable(w.ID))
	}
	return w, nil
}

// sayUnknownWordings warns of the wordings of events, each once.
func (p *program) sayUnknownWordings(ctx context.Context, s gate.Wordings, events []numbered) error {
	seen := make(map[gate.Wording]bool)
	var failure error
	for _, e := range events {
		if w := e.event.Wording; w.ID != "" && !seen[w] {
			seen[w] = true
			_, err := p.knownWording(ctx, s, w)
			failure = errors.Join(failure, err)
		}
	}
	return failure
}
