package policies

import (
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// deed is what a case may say happened, and the event that it is.
type deed struct {
	words string
	event gate.Event
}

// Deeds lists what cases may say happened, in the order in which docs/policies.md explains it.
func Deeds() []string {
	var words []string
	for _, d := range deeds() {
		words = append(words, d.words)
	}
	return words
}

// The purposes of cases: advertising is about the newsletter, unless it is about all.
const (
	newsletter = "newsletter"
	account    = "account"
)

func deeds() []deed {
	grant := func(m gate.Method, source string, box gate.DefaultState, ev gate.Evidence) gate.Event {
		return gate.Event{
			Type: gate.Granted, Purpose: newsletter, Method: m, Controller: "acme", DefaultState: box, Evidence: ev,
			Source: gate.Source{Kind: source, ID: "case"}, Wording: gate.Wording{ID: "sign-up", Version: "1"},
		}
	}
	done := func(t gate.EventType, purpose string) gate.Event { return gate.Event{Type: t, Purpose: purpose} }
	confirmed := func(via gate.Via, ref string) gate.Event {
		return gate.Event{Type: gate.Confirmed, Purpose: newsletter, Via: via, Evidence: gate.Evidence{Ref: ref}}
	}
	ticked := gate.DefaultUnticked
	sale := gate.Evidence{SaleRef: "order", OptoutOffered: true}
	goods := sale
	goods.Category = "books"
	kept := gate.Evidence{Ref: "archive"}
	return []deed{
		{"left a pre-ticked box as it was", grant(gate.MethodPassive, "contest", gate.DefaultTicked, gate.Evidence{})},
		{"accepted terms with advertising bundled in", grant(gate.MethodPassive, "checkout", gate.DefaultBundled, gate.Evidence{})},
		{"ticked an empty box", grant(gate.MethodActive, "form", ticked, gate.Evidence{})},
		{"ticked an empty box, no proof kept", gate.Event{Type: gate.Granted, Purpose: newsletter, Method: gate.MethodActive}},
		{"said yes on the phone, recorded", grant(gate.MethodVerbal, "operator", "", kept)},
		{"signed on paper", grant(gate.MethodPaper, "operator", "", kept)},
		{"signed up and was asked to confirm", done(gate.ConfirmationRequested, newsletter)},
		{"signed up and confirmed from the mailbox", grant(gate.MethodDouble, "form", ticked, gate.Evidence{})},
		{"confirmed from the mailbox", confirmed(gate.ViaMailbox, "page")},
		{"confirmed in the account", confirmed(gate.ViaAccount, "login")},
		{"bought books and could object", grant(gate.MethodSoft, "checkout", "", goods)},
		{"bought something and could object", grant(gate.MethodSoft, "checkout", "", sale)},
		{"gave a professional address, informed", grant(gate.MethodB2B, "form", "", gate.Evidence{})},
		{"bought, advertising was not spoken of", grant(gate.MethodImplied, "checkout", "", gate.Evidence{SaleRef: "order"})},
		{"made an inquiry", grant(gate.MethodImplied, "form", "", gate.Evidence{SaleRef: "inquiry"})},
		{"came with an import, without proof", grant(gate.MethodImported, "import", "", gate.Evidence{})},
		{"clicked a link", done(gate.Activity, newsletter)},
		{"renewed the consent", gate.Event{Type: gate.Renewed, Purpose: newsletter, Method: gate.MethodActive}},
		{"refused", done(gate.Refused, newsletter)},
		{"objected", done(gate.Withdrawn, newsletter)},
		{"objected to all advertising", done(gate.Withdrawn, gate.AllPurposes)},
		{"objected to service mail", done(gate.Withdrawn, account)},
		{"reported mail as spam", done(gate.Complained, newsletter)},
		{"the source was declared invalid", done(gate.Invalidated, newsletter)},
		{"the mailbox did not exist", done(gate.Bounced, "")},
	}
}

// deedOf finds the event of some words.
func deedOf(words string) (gate.Event, bool) {
	for _, d := range deeds() {
		if strings.EqualFold(d.words, words) {
			return d.event, true
		}
	}
	return gate.Event{}, false
}

// mails are the kinds of mail that a case may send.
func mails() map[string]gate.Stream {
	return map[string]gate.Stream{
		"newsletter":         {Name: "newsletter", Kind: gate.KindMarketing, Purpose: newsletter},
		"partner offers":     {Name: "partners", Kind: gate.KindMarketing, Purpose: "partners"},
		"receipt":            {Name: "receipts", Kind: gate.KindTransactional},
		"service mail":       {Name: "service", Kind: gate.KindService, Purpose: account},
		"request to confirm": {Name: "confirm", Kind: gate.KindConfirmation, Purpose: newsletter},
	}
}
