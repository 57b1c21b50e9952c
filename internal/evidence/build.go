package evidence

import (
	"cmp"
	"maps"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// Material is what a document is made of.
type Material struct {
	Header     Header // Schema fields aside; PrincipalID from Person
	Person     gate.Person
	Blocks     []gate.BlockEntry
	Acts       []gate.AuditEntry // about the recipient
	Wordings   []gate.WordingText
	Controller Party      // whose gate this is; empty fields are not known
	Brands     []Party    // of other controllers that events may name, by ID or Name
	Marks      gate.Marks // the standing ones
	OneClick   bool       // messages carry an unsubscribe link
	Storage    Storage
	Retention  Retention
	Decisions  []Decision
}

// Build makes the document.
func Build(m Material) Document {
	h := newHistory(m.Person.Events, m.Marks)
	d := Document{
		Schema: Schema, Standard: Standard, Record: m.Header,
		Parties: m.parties(), Processing: m.processing(h), Notices: m.notices(), Events: h.log(), Invalid: h.invalidations(),
		Suppressions: []Suppression{}, Decisions: m.Decisions, Blocks: []gate.BlockEntry{}, Audit: m.Acts,
	}
	d.Record.SchemaVersion, d.Record.PrincipalID = Schema, m.Person.ID
	d.Record.AddressKept = m.Person.Sealed != ""
	for _, s := range m.Person.Record.Suppressions {
		d.Suppressions = append(d.Suppressions, Suppression(s))
	}
	for _, b := range m.Blocks {
		b.Address = "" // sealed: nobody else could read it
		d.Blocks = append(d.Blocks, b)
	}
	return d
}

// parties are our controller and those that events name besides.
func (m Material) parties() []Party {
	own := m.Controller
	own.Type, own.ID = "pii_controller", cmp.Or(own.ID, own.Name, "this gate")
	parties := []Party{own}
	for _, e := range m.Person.Events {
		if e.Controller != "" && !slices.ContainsFunc(parties, named(e.Controller)) {
			parties = append(parties, m.brand(e.Controller))
		}
	}
	return parties
}

// named reports whether a party is the one that events call so.
func named(controller string) func(Party) bool {
	return func(p Party) bool { return p.ID == controller || p.Name == controller }
}

// brand is what is known of a controller that an event names, at least that.
func (m Material) brand(controller string) Party {
	p := Party{ID: controller, Name: controller}
	if i := slices.IndexFunc(m.Brands, named(controller)); i >= 0 {
		p = m.Brands[i]
	}
	p.Type = "pii_controller"
	return p
}

// Nameless are the controllers of the document that nothing says where to find: neither address nor contact.
func (d Document) Nameless() []string {
	var ids []string
	for _, p := range d.Parties {
		if p.Address == "" && p.Contact == "" {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// privacyNotice is that of the controller to whom consent was given, or of the gate's own where none is named.
func (m Material) privacyNotice(controller string) string {
	if controller == "" || named(controller)(m.Controller) {
		return m.Controller.PrivacyURL
	}
	return m.brand(controller).PrivacyURL
}

func (m Material) processing(h history) []Processing {
	out := []Processing{}
	for _, purpose := range slices.Sorted(maps.Keys(m.Person.Record.Consents)) {
		c := m.Person.Record.Consents[purpose]
		p := Processing{
			Purpose: purpose, State: c.State, Since: c.At, LastAct: c.LastAct, Basis: h.basis(purpose, c), Method: c.Method, Via: c.Via,
			Jurisdiction: cmp.Or(c.Jurisdiction, m.Person.Record.Jurisdiction), Audience: c.Audience, Withdrawn: c.Refused,
			Storage:   m.Storage,
			Retention: m.Retention, Incomplete: c.Incomplete, InvalidBecause: c.Why,
		}
		if e, ok := grantOf(m.Person.Events, purpose, c); ok {
			p.DefaultState, p.Source, p.Controller, p.Notice = e.DefaultState, e.Source, e.Controller, e.Wording
			if c.Incomplete {
				p.Missing = e.Missing()
			}
		}
		p.PrivacyNotice = m.privacyNotice(p.Controller)
		p.WithdrawalMethod, p.WithdrawalAt = m.withdrawal()
		out = append(out, p)
	}
	return out
}

func (m Material) withdrawal() (method, at string) {
	switch {
	case m.OneClick:
		return WithdrawalOneClick, "" // each link is a token of the person's own
	case m.Controller.Contact != "":
		return WithdrawalContact, m.Controller.Contact
	}
	return WithdrawalController, ""
}

// grantOf is the event that a consent rests on: the latest of its source by the moment its state was reached. A consent
// that was refused since has forgotten when, not on what it rested.
func grantOf(events []gate.Event, purpose string, c gate.Consent) (grant gate.Event, ok bool) {
	for _, e := range events {
		gives := e.Type == gate.Granted || e.Type == gate.Renewed || e.Type == gate.ConfirmationRequested ||
			e.Type == gate.Confirmed && c.Method == "" // which then is all the proof there is
		if !gives || e.Purpose != purpose || sourceText(e.Source) != c.Source || e.Time.Unix() > c.At.Unix() {
			continue
		}
		if !ok || e.Time.After(grant.Time) {
			grant, ok = e, true
		}
	}
	return grant, ok
}

func sourceText(s gate.Source) string {
	if s.ID == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.ID
}

// notices are the wordings that events name, each once, with their texts.
func (m Material) notices() []Notice {
	out := []Notice{}
	for _, e := range m.Person.Events {
		same := func(n Notice) bool { return n.Wording == e.Wording }
		if e.Wording.ID != "" && !slices.ContainsFunc(out, same) {
			out = append(out, Resolve(e.Wording, m.Wordings))
		}
	}
	return out
}

// Resolve finds the text that an event's wording means among those that are kept.
func Resolve(w gate.Wording, kept []gate.WordingText) Notice {
	n := Notice{Wording: w, Status: NoticeUnknown}
	var fits []gate.WordingText
	for _, k := range kept {
		if k.ID == w.ID && cmp.Or(w.Version, k.Version) == k.Version && cmp.Or(w.Language, k.Language) == k.Language {
			fits = append(fits, k)
		}
	}
	proved := slices.IndexFunc(fits, func(k gate.WordingText) bool { return w.SHA256 != "" && k.SHA256 == w.SHA256 })
	switch {
	case len(fits) == 0:
	case proved >= 0:
		n.Status, n.Text, n.Kept = NoticeProved, fits[proved].Text, fits[proved].SHA256
	case len(fits) > 1:
		n.Status = NoticeAmbiguous
	case w.SHA256 != "":
		n.Status, n.Text, n.Kept = NoticeDiffers, fits[0].Text, fits[0].SHA256
	default:
		n.Status, n.Text, n.Kept = NoticeNamed, fits[0].Text, fits[0].SHA256
	}
	return n
}
