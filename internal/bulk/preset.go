package bulk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// preset knows the export of one program: the columns it looks for, and what they prove.
type preset struct {
	name   string
	inputs []input
	event  func(r presetRow) (gate.Event, error)
	// note says, of a header, what this file cannot tell; empty where there is nothing to say.
	note func(has func(input string) bool) string
}

// input is a column of an export by a name of ours, and the names it has in files, in normal form.
type input struct {
	name    string
	columns []string
	needed  bool
}

func presets() []preset { return []preset{mailchimp(), brevo(), listmonk()} }

// Presets returns the names.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

func presetNamed(name string) *preset {
	all := presets()
	i := slices.IndexFunc(all, func(p preset) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func (p *preset) inputNames() []string {
	names := make([]string, len(p.inputs))
	for i, in := range p.inputs {
		names[i] = in.name
	}
	return names
}

// presetRow is a row's cells by input.
type presetRow struct {
	*Reading
	columns map[string]int // input → index; inputs that the file has no column for are missing
	cells   []string
}

func (r presetRow) has(input string) bool {
	_, ok := r.columns[input]
	return ok
}

// get returns a cell without blanks around it; empty where there is none.
func (r presetRow) get(input string) string {
	i, ok := r.columns[input]
	if !ok {
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

// time returns the time of the first of inputs that has one; zero where none has.
func (r presetRow) time(inputs ...string) (time.Time, error) {
	for _, in := range inputs {
		text := r.get(in)
		if text == "" {
			continue
		}
		at, err := r.parseTime(text)
		if err != nil {
			return at, fmt.Errorf("%s: %w", in, err)
		}
		return at, nil
	}
	return time.Time{}, nil
}

// no is an event that speaks against sending. It counts also where its time cannot be read: finish dates it then.
func (r presetRow) no(t gate.EventType, purpose string, times ...string) gate.Event {
	at, _ := r.time(times...)
	return gate.Event{Recipient: r.get("email"), Type: t, Purpose: purpose, Time: at}
}

// network is the part of an address that says where somebody was and not who: 24 bits of IPv4, 48 of IPv6.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// normal is a column's name as inputs list it: lower case, with _ for whatever is neither letter nor digit.
func normal(column string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, strings.ToLower(strings.TrimSpace(column)))
}

// mailchimp reads the files of an audience export: subscribed, unsubscribed, nonsubscribed and cleaned.
//
// CONFIRM_TIME alone proves nothing: Mailchimp sets it for whoever was imported or added by hand too, with OPTIN_TIME
// empty, and on a form without double opt-in it is OPTIN_TIME itself. A confirmation from the mailbox is a
// CONFIRM_TIME after an OPTIN_TIME, each with the IP address that the act came from.
func mailchimp() preset {
	return preset{
		name: "mailchimp",
		inputs: []input{
			{"email", []string{"email_address", "email"}, true},
			{"optin_time", []string{"optin_time"}, false},
			{"optin_ip", []string{"optin_ip"}, false},
			{"confirm_time", []string{"confirm_time"}, false},
			{"confirm_ip", []string{"confirm_ip"}, false},
			{"last_changed", []string{"last_changed"}, false},
			{"unsub_time", []string{"unsub_time"}, false},
			{"unsub_reason", []string{"unsub_reason"}, false},
			{"clean_time", []string{"clean_time"}, false},
		},
		event: mailchimpEvent,
		note:  func(func(string) bool) string { return "" },
	}
}

func mailchimpEvent(r presetRow) (gate.Event, error) {
	// Each file has the column of its own kind of time; a row counts by it even where the cell is empty.
	left := r.has("unsub_time") && !r.has("clean_time") && !r.has("last_changed")
	cleaned := r.has("clean_time") && !r.has("unsub_time")
	switch {
	case left || r.get("unsub_time") != "":
		typ := gate.Withdrawn
		if reason := strings.ToLower(r.get("unsub_reason")); strings.Contains(reason, "abuse") || strings.Contains(reason, "spam complaint") {
			typ = gate.Complained
		}
		return r.no(typ, "", "unsub_time", "last_changed"), nil
	case cleaned || r.get("clean_time") != "":
		return r.no(gate.Bounced, "", "clean_time", "last_changed"), nil
	}
	e := gate.Event{Recipient: r.get("email"), IP: network(r.get("optin_ip"))}
	signedUp, err := r.time("optin_time")
	if err != nil {
		return e, err
	}
	confirmed, err := r.time("confirm_time")
	if err != nil {
		return e, err
	}
	if e.Time = signedUp; signedUp.IsZero() {
		e.Time = confirmed
	}
	if !signedUp.IsZero() && confirmed.After(signedUp) && r.get("optin_ip") != "" && r.get("confirm_ip") != "" {
		e.Method, e.Time, e.Evidence.ConfirmedAt = gate.MethodDouble, confirmed, confirmed
		e.IP = network(r.get("confirm_ip"))
	}
	return e, nil
}

// brevo reads an export of contacts. DOUBLE_OPT-IN is the attribute that Brevo's confirmation sets: Yes or 1, and No or
// 2. Blocklisted means every campaign, so it withdraws every marketing purpose; MODIFIED_TIME is the latest moment at
// which that can have happened, ADDED_TIME the earliest of a sign-up.
func brevo() preset {
	return preset{
		name: "brevo",
		inputs: []input{
			{"email", []string{"email", "email_address", "e_mail"}, true},
			{"double_opt_in", []string{"double_opt_in"}, false},
			{"blocked", []string{
				"blocklisted", "blacklisted", "email_blocklisted", "email_blacklisted", "emailblacklisted",
				"unsubscribed", "email_marketing", "email_marketing_status", "email_status", "email_subscription_status",
			}, false},
			{"added_time", []string{"added_time", "created_at", "createdat", "date_added"}, false},
			{"modified_time", []string{"modified_time", "modified_at", "modifiedat", "last_changed"}, false},
		},
		event: brevoEvent,
		note: func(has func(string) bool) string {
			if has("blocked") {
				return ""
			}
			return "no column says who is blocklisted: export those contacts too and import them with --set type=withdrawn, " +
				"or name the column with --map blocked=COLUMN"
		},
	}
}

func brevoEvent(r presetRow) (gate.Event, error) {
	blocked, err := brevoBlocked(r.get("blocked"))
	if err != nil {
		return gate.Event{}, err
	}
	if blocked {
		return r.no(gate.Withdrawn, gate.AllPurposes, "modified_time"), nil
	}
	e := gate.Event{Recipient: r.get("email")}
	if e.Time, err = r.time("added_time"); err != nil {
		return e, err
	}
	switch confirmed := strings.ToLower(r.get("double_opt_in")); confirmed {
	case "", "2", "no", "false", "0":
	case "1", "yes", "true":
		e.Method, e.Evidence.ConfirmedAt = gate.MethodDouble, e.Time
		if e.Time.IsZero() {
			e.Evidence.ConfirmedAt = time.Unix(0, 0).UTC() // confirmed at a time that nobody knows
		}
	default:
		return e, fmt.Errorf("double_opt_in: %q is neither yes nor no", confirmed)
	}
	return e, nil
}

// brevoBlocked reads what says that somebody is blocklisted; a word it does not know is not guessed.
func brevoBlocked(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "no", "false", "0", "subscribed":
		return false, nil
	case "yes", "true", "1", "blocklisted", "blacklisted", "unsubscribed":
		return true, nil
	}
	return false, fmt.Errorf("blocked: %q is neither yes nor no, subscribed nor blocklisted", text)
}

// listmonk reads an export of its people. Its own export has no state of a subscription; a query of its database can
// add them, and docs/import.md has one. Confirmed proves a click only where the opt-in is double: on any other a person
// added by an administrator is confirmed too.
func listmonk() preset {
	return preset{
		name: "listmonk",
		inputs: []input{
			{"email", []string{"email"}, true},
			{"status", []string{"status"}, true},
			{"subscription_status", []string{"subscription_status"}, false},
			{"optin", []string{"optin", "list_optin"}, false},
			{"created_at", []string{"subscription_created_at", "created_at"}, false},
			{"updated_at", []string{"subscription_updated_at", "updated_at"}, false},
		},
		event: listmonkEvent,
		note: func(has func(string) bool) string {
			if has("subscription_status") {
				return ""
			}
			return "no column subscription_status, which listmonk's own export never has: only blocklisted people are known " +
				"to have left; docs/import.md has a query that exports it"
		},
	}
}

func listmonkEvent(r presetRow) (gate.Event, error) {
	status, subscription := strings.ToLower(r.get("status")), strings.ToLower(r.get("subscription_status"))
	switch status {
	case "blocklisted":
		return r.no(gate.Withdrawn, gate.AllPurposes, "updated_at"), nil
	case "disabled":
		return r.no(gate.Suppressed, r.Purpose, "updated_at"), nil
	case "enabled":
	default:
		return gate.Event{}, fmt.Errorf("status: %q is none of enabled, disabled and blocklisted", status)
	}
	if subscription == "unsubscribed" {
		return r.no(gate.Withdrawn, "", "updated_at"), nil
	}
	e := gate.Event{Recipient: r.get("email")}
	var err error
	if e.Time, err = r.time("created_at"); err != nil {
		return e, err
	}
	switch subscription {
	case "":
	case "unconfirmed":
		e.Method = gate.MethodImported // whatever is claimed for the others: these were asked and have not answered
	case "confirmed":
		if strings.EqualFold(r.get("optin"), "double") {
			e.Method, e.Evidence.ConfirmedAt = gate.MethodDouble, e.Time
			if e.Time.IsZero() {
				e.Evidence.ConfirmedAt = time.Unix(0, 0).UTC()
			}
		}
	default:
		return e, fmt.Errorf("subscription_status: %q is none of confirmed, unconfirmed and unsubscribed", subscription)
	}
	return e, nil
}
