package unsub

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

// Form is a sign-up form on somebody's page that posts to /s/{name}.
type Form struct {
	Name         string
	Purpose      string
	Wording      gate.Wording // the text beside the box, and its language
	Jurisdiction string       // of who signs up; empty: the stream's
	Source       gate.Source
	DefaultState gate.DefaultState // unticked, or none for a form that does nothing but sign up
	Inputs       Inputs
	Back         string // https URL that the answer leads back to; empty: nowhere
	Double       bool   // the pack wants a confirmation from the mailbox
}

// Inputs are what the fields of a form are called.
type Inputs struct {
	Address string
	Consent string
	Trap    string // nobody sees it, so whoever fills it in is a machine
}

// DefaultInputs are the names where the config has none.
func DefaultInputs() Inputs { return Inputs{Address: "email", Consent: "consent", Trap: "website"} }

// SignUps are what the forms need; without Form there are none.
type SignUps struct {
	Form func(name string) (Form, bool)
	Desk *Desk
}

// repeatWithin is how soon the same sign-up again is the same: a page that was loaded again, a second click.
const repeatWithin = 10 * time.Minute

// answer is what a person said by a form.
type answer int

const (
	answerNothing answer = iota // the box was left empty
	answerYes
	answerNo
	answerTicked // the box was ticked beforehand
	answerUnread
)

// answerIn reads the consent field. Only words that can mean one thing are a yes or a no. Of several fields the last
// counts, since frameworks put a hidden 0 before a box; a yes beside a no is neither.
func (f Form) answerIn(fields url.Values) answer {
	if bad := declaredState(fields["default_state"]); bad != answerNothing {
		return bad
	}
	values := fields[f.Inputs.Consent]
	if len(values) == 0 && !fields.Has(f.Inputs.Address) {
		return answerUnread // not this form, or not a form at all
	}
	last, heard := answerNothing, make(map[answer]bool)
	for _, v := range values {
		last = word(v)
		heard[last] = true
	}
	if heard[answerUnread] || heard[answerYes] && heard[answerNo] {
		return answerUnread
	}
	return last
}

// declaredState is what a page says of its own box: nothing, or unticked, or it spoils the answer.
func declaredState(said []string) answer {
	spoilt := answerNothing
	for _, v := range said {
		switch gate.DefaultState(strings.ToLower(strings.TrimSpace(v))) {
		case gate.DefaultUnticked, gate.DefaultNone, "":
		case gate.DefaultTicked, gate.DefaultBundled:
			return answerTicked
		default:
			spoilt = answerUnread
		}
	}
	return spoilt
}

func word(s string) answer {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "yes", "oui", "on", "1", "true":
		return answerYes
	case "no", "non":
		return answerNo
	case "", "0", "false", "off":
		return answerNothing
	}
	return answerUnread
}

// signUpPage is the answer to a form.
type signUpPage struct {
	Address string // masked; empty: not shown
	Purpose string
	Back    string
}

// signUp takes a sign-up from a form. Who typed the address is not known, so the answer never tells what is recorded of
// it, and somebody who refused before is asked at the mailbox. The form is on somebody else's page, so no token of ours
// can be in it and another page may post the same: what such a post does is bounded by what the mailbox confirms.
func (h *handler) signUp(w http.ResponseWriter, r *http.Request) {
	if h.SignUps.Form == nil {
		h.notFound(w, r)
		return
	}
	f, ok := h.SignUps.Form(r.PathValue("form"))
	if !ok {
		h.notFound(w, r)
		return
	}
	l := h.formLocale(r, f)
	if !h.busy.take(network(r), h.Now()) {
		w.Header().Set("Retry-After", "600")
		h.Log.Warn("sign-up refused: too many from one network", "form", f.Name)
		h.answerForm(w, r, http.StatusTooManyRequests, l, l.Pages.TooMany, signUpPage{Back: f.Back})
		return
	}
	fields, err := wholeForm(w, r)
	if err != nil {
		h.answerForm(w, r, unread(err), l, l.Pages.Unread, signUpPage{Back: f.Back})
		return
	}
	h.takeForm(w, r, l, f, fields)
}

// formLocale is the language of the form, unless a link of the page names another.
func (h *handler) formLocale(r *http.Request, f Form) *locale {
	if f.Wording.Language != "" && r.URL.Query().Get("lang") == "" {
		return h.pages.named(f.Wording.Language)
	}
	return h.pages.locale(r)
}

func (h *handler) answerForm(w http.ResponseWriter, r *http.Request, status int, l *locale, t text, p signUpPage) {
	h.pages.write(w, r, status, l, "signup.html", t, p)
}

func (h *handler) takeForm(w http.ResponseWriter, r *http.Request, l *locale, f Form, fields url.Values) {
	addr, err := gate.ParseAddress(strings.TrimSpace(fields.Get(f.Inputs.Address)))
	said := f.answerIn(fields)
	p := signUpPage{Purpose: f.Purpose, Back: f.Back}
	switch {
	case said == answerTicked:
		h.answerForm(w, r, http.StatusUnprocessableEntity, l, l.Pages.Ticked, p)
	case said == answerUnread:
		h.answerForm(w, r, http.StatusBadRequest, l, l.Pages.Unread, p)
	case said == answerNothing:
		h.answerForm(w, r, http.StatusOK, l, l.Pages.Unticked, p)
	case err != nil || !onTheInternet(addr):
		h.answerForm(w, r, http.StatusUnprocessableEntity, l, l.Pages.BadAddress, p)
	case fields.Get(f.Inputs.Trap) != "": // a machine hears what a person would
		p.Address = addr.Masked()
		h.answerForm(w, r, http.StatusAccepted, l, thanks(l, f, said), p)
	default:
		p.Address = addr.Masked()
		h.recordForm(w, r, l, f, said, addr, p)
	}
}

// onTheInternet reports whether the domain can be somebody's out there. Anybody may type here, and we must not be made to
// write to the hosts around us: no address literal, no name without a dot, none whose last label could be a number.
func onTheInternet(a gate.Address) bool {
	i := strings.LastIndexByte(a.Domain(), '.')
	if i < 0 || a.Domain()[0] == '[' {
		return false
	}
	top := a.Domain()[i+1:]
	return top[0] >= 'a' && top[0] <= 'z' && top != "localhost"
}

// thanks is the page of what was done, the same whatever stood before.
func thanks(l *locale, f Form, said answer) text {
	switch {
	case said == answerNo:
		return l.Pages.SaidNo
	case f.Double:
		return l.Pages.LookInto
	}
	return l.Pages.SignedUp
}

// recordForm answers 202 once the answer is in the journal, whoever it is about; see Desk.
func (h *handler) recordForm(w http.ResponseWriter, r *http.Request, l *locale, f Form, said answer, addr gate.Address, p signUpPage) {
	if err := h.SignUps.Desk.Take(addr, h.answerEvent(r, f, said, h.Now().UTC()), l.Lang); err != nil {
		h.failed(w, r, err)
		return
	}
	h.answerForm(w, r, http.StatusAccepted, l, thanks(l, f, said), p)
}

// answerEvent is the yes or no of a form. A yes that the pack wants confirmed is the first half of a double opt-in.
func (h *handler) answerEvent(r *http.Request, f Form, said answer, now time.Time) gate.Event {
	e := gate.Event{
		ID:   ulid.MustNew(ulid.Timestamp(now), rand.Reader).String(),
		Type: gate.Granted, Method: gate.MethodActive, Purpose: f.Purpose, Time: now, Jurisdiction: f.Jurisdiction,
		Controller: h.Brand.Name, Actor: "person", Source: f.Source, DefaultState: f.DefaultState, Wording: f.Wording,
		UserAgent: clip(r.UserAgent(), maxUserAgent), Note: "form " + f.Name,
	}
	if n := network(r); n.IsValid() && !near(n.Addr()) { // of whom a server of one's own tells nothing
		e.IP = n.String()
	}
	e.Source.URL = pageOf(r.Referer())
	switch {
	case said == answerNo:
		e.Type, e.Method = gate.Refused, ""
	case f.Double:
		e.Method = gate.MethodDouble
	}
	return e
}

// pageOf is the page that a form was on, without what a query may tell; empty where it cannot be kept.
func pageOf(referer string) string {
	u, err := url.Parse(referer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return ""
	}
	page := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	if clean := clip(page, maxPage); clean != page {
		return ""
	}
	return page
}

// maxPage bounds source.url of a form, in octets.
const maxPage = 500
