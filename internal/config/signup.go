package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

// Confirmation is the message that asks to confirm. It is sent where From is set.
type Confirmation struct {
	From  string        // address, of header and envelope
	Most  int           // to one person for one purpose, in 30 days
	Apart time.Duration // between two
}

func defaultConfirmation() Confirmation { return Confirmation{Most: 3, Apart: 10 * time.Minute} }

func (c *Confirmation) read() reader {
	return section(func() fields {
		return fields{
			"from":  converted(&c.From, mailbox),
			"most":  number(&c.Most, 1, 10),
			"apart": duration(&c.Apart, time.Minute, 30*day),
		}
	})
}

func mailbox(s string) (string, error) {
	if _, err := gate.ParseAddress(s); err != nil {
		return "", errors.New("is no e-mail address: write it as hello@example.com")
	}
	return s, nil
}

// Sender is From as an address, zero where it is not set.
func (c Confirmation) Sender() gate.Address {
	a, _ := gate.ParseAddress(c.From) // read took it
	return a
}

// Caps bound how often a person is asked.
func (c Confirmation) Caps() gate.RequestCaps { return gate.RequestCaps{Most: c.Most, Apart: c.Apart} }

func (c Confirmation) tree() yaml.MapSlice {
	return pairs("from", c.From, "most", c.Most, "apart", formatDuration(c.Apart))
}

// validateSignUp checks what sign-ups need beside their own keys.
func (c *Config) validateSignUp(r *report) {
	if c.Confirmation.From != "" {
		if c.Unsubscribe.PublicURL == "" && !r.unread["unsubscribe.public_url"] && !r.unread["--public-url"] {
			r.add("confirmation.from", "needs a page to confirm on: set unsubscribe.public_url")
		}
		if c.Unsubscribe.Brand.Name == "" && !r.unread["unsubscribe.brand.name"] {
			r.add("confirmation.from", "the message has to say who asks: set unsubscribe.brand.name")
		}
	}
	for _, f := range c.Forms {
		c.validateForm(r, "forms."+f.Name, f)
	}
}

func (c *Config) validateForm(r *report, field string, f unsub.Form) {
	if !gate.IsPurpose(f.Name) {
		r.add(field, "%q is no name for a form: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", f.Name)
	}
	ofPurpose := func(s *gate.Stream) bool { return s.Purpose == f.Purpose && s.Kind != gate.KindTransactional }
	switch {
	case r.unread[field+".purpose"]:
	case f.Purpose == "":
		r.add(field+".purpose", "is missing: name what people sign up for")
	case !slices.ContainsFunc(c.streams, ofPurpose):
		r.add(field+".purpose", "no stream has the purpose %q", f.Purpose)
	}
	if f.Wording.ID == "" && !r.unread[field+".wording"] {
		r.add(field+".wording", "is missing: name the text beside the box, see consentgate wording add")
	}
	if f.Jurisdiction != "" {
		c.checkEnabled(r, field+".jurisdiction", f.Jurisdiction)
	}
	if c.Confirmation.From == "" && !r.unread["confirmation.from"] {
		r.add(field, "nobody could be asked to confirm, and whose address somebody types is not known: set confirmation.from")
	}
	if f.Inputs.Address == f.Inputs.Consent || f.Inputs.Trap == f.Inputs.Address || f.Inputs.Trap == f.Inputs.Consent {
		r.add(field+".inputs", "address, consent and trap are three inputs: give each a name of its own")
	}
}

// readForms reads the forms, in the order of the file.
func readForms(dst *[]unsub.Form) reader {
	return func(v value) {
		*dst = nil
		named(func(name string, v value) {
			f := unsub.Form{
				Name: name, Source: gate.Source{Kind: "form", ID: name}, DefaultState: gate.DefaultUnticked,
				Inputs: unsub.DefaultInputs(),
			}
			readForm(&f)(v)
			*dst = append(*dst, f)
		})(v)
	}
}

func readForm(f *unsub.Form) reader {
	return section(func() fields {
		return fields{
			"purpose":       text(&f.Purpose),
			"wording":       converted(&f.Wording.ID, atMost(128)),
			"version":       converted(&f.Wording.Version, atMost(64)),
			"language":      converted(&f.Wording.Language, func(s string) (string, error) { return choose(s, unsub.Languages()) }),
			"jurisdiction":  text(&f.Jurisdiction),
			"source":        converted(&f.Source, parseSource),
			"default_state": converted(&f.DefaultState, parseDefaultState),
			"back":          converted(&f.Back, unsub.ParseLink),
			"inputs": section(func() fields {
				return fields{"address": text(&f.Inputs.Address), "consent": text(&f.Inputs.Consent), "trap": text(&f.Inputs.Trap)}
			}),
		}
	})
}

func parseSource(s string) (gate.Source, error) {
	kind, id, _ := strings.Cut(s, ":")
	kinds := []string{"form", "contest", "whitepaper", "checkout", "account"}
	if !slices.Contains(kinds, kind) || id == "" || len(id) > 128 {
		return gate.Source{}, fmt.Errorf("is no source of a form: write kind:id, such as contest:summer-quiz, with a kind of %s", strings.Join(kinds, ", "))
	}
	return gate.Source{Kind: kind, ID: id}, nil
}

func parseDefaultState(s string) (gate.DefaultState, error) {
	switch d := gate.DefaultState(s); d {
	case gate.DefaultUnticked, gate.DefaultNone:
		return d, nil
	case gate.DefaultTicked, gate.DefaultBundled:
		return "", errors.New("is no consent but opt-in passif (CJEU C-673/17, Planet49): leave the box empty, and write unticked")
	}
	return "", errors.New("is not known here: unticked for a box or a choice of yes and no, none for a button that does nothing else")
}

func formsTree(forms []unsub.Form) yaml.MapSlice {
	var out yaml.MapSlice
	for _, f := range forms {
		out = append(out, yaml.MapItem{Key: f.Name, Value: pairs(
			"purpose", f.Purpose, "wording", f.Wording.ID, "version", f.Wording.Version, "language", f.Wording.Language,
			"jurisdiction", f.Jurisdiction, "source", f.Source.Kind+":"+f.Source.ID, "default_state", string(f.DefaultState),
			"back", f.Back, "inputs", pairs("address", f.Inputs.Address, "consent", f.Inputs.Consent, "trap", f.Inputs.Trap))})
	}
	return out
}
