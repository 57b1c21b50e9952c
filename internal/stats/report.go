package stats

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// By is what a report has a row for each of.
type By string

// The breakdowns.
const (
	ByMethod By = "method"
	BySource By = "source"
	ByReason By = "reason"
	ByStream By = "stream"
	ByWeek   By = "week"
)

// Breakdowns lists them.
func Breakdowns() []By { return []By{ByMethod, BySource, ByReason, ByStream, ByWeek} }

// None is the key of what has no method, source, reason or stream: permits have no reason, and somebody unknown has no
// consent to have a method.
const None = "none"

// The classes in which passive stands beside active. Other is neither: soft, b2b, implied, imported, or no consent.
const (
	Passive = "passive"
	Active  = "active"
	Other   = "other"
)

// Query is what Summarise needs beside the sums.
type Query struct {
	By      By
	Streams map[string]string // stream → purpose; events of a purpose belong to its stream where that is the only one
	Exempt  map[string]bool   // streams whose mail needs no consent: counted, and no part of the rates
	Price   Price             // of a mail; zero: unknown
}

// Price is an amount of a currency, such as EUR; the currency may be empty.
type Price struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency,omitempty"`
}

// Report is the figures of a period. The sums over Rows, and those over Classes, are Total.
type Report struct {
	By      By     `json:"by"`
	From    string `json:"from"` // UTC days, both inclusive: "2026-11-01"
	To      string `json:"to"`
	Rows    []Row  `json:"rows"`
	Classes []Row  `json:"classes"` // passive, active, other; always these three
	Total   Row    `json:"total"`

	// PassiveWouldAdd is how many mails more would have left if passive records were consent; PassiveShare compares
	// that with the mails permitted that need consent.
	PassiveWouldAdd int64    `json:"passive_would_add"`
	PassiveShare    *float64 `json:"passive_would_add_share"`

	NotSent     int64  `json:"not_sent"`      // mails blocked and not delivered
	PricePer    *Price `json:"cost_per_mail"` // null: not configured
	NotSentCost *Price `json:"not_sent_cost"`
}

// Row is the figures and rates of one key.
type Row struct {
	Key string `json:"key"`
	Figures
	Rates
}

// Figures are sums of a period. Those of verdicts count recipients, once for each try of a client.
type Figures struct {
	Granted    int64 `json:"granted"`
	Repeated   int64 `json:"repeated"` // grants that changed nothing
	Refused    int64 `json:"refused"`  // a no where consent was asked
	Awaiting   int64 `json:"awaiting"` // consents that began to wait for a confirmation
	Confirmed  int64 `json:"confirmed"`
	Withdrawn  int64 `json:"withdrawn"`
	Restored   int64 `json:"restored"` // withdrawals undone
	Complained int64 `json:"complained"`
	Bounced    int64 `json:"bounced"`

	Permitted  int64 `json:"permitted"`
	Blocked    int64 `json:"blocked"`
	WouldBlock int64 `json:"would_block"` // mode observe: permitted all the same, and not in Permitted
	Deferred   int64 `json:"deferred"`
	Passive    int64 `json:"passive_unconfirmed"` // of Blocked and WouldBlock, for this reason

	Needing Needing `json:"needing_consent"`
}

// Needing are the verdicts on mail that needs consent, which the rates are over: receipts would thin them.
type Needing struct {
	Permitted  int64 `json:"permitted"`
	Blocked    int64 `json:"blocked"`
	WouldBlock int64 `json:"would_block"`
}

// sent is the mail that left.
func (n Needing) sent() int64 { return n.Permitted + n.WouldBlock }

// Rates are shares of 1; nil where there is nothing to divide by.
type Rates struct {
	OptIn        *float64 `json:"opt_in_rate"`
	Confirmation *float64 `json:"confirmation_rate"`
	Block        *float64 `json:"block_rate"`
	Unsubscribe  *float64 `json:"unsubscribe_rate"`
	Complaint    *float64 `json:"complaint_rate"`
}

// rates are the formulas of docs/stats.md.
func (f Figures) rates() Rates {
	sent, blocked := f.Needing.sent(), f.Needing.Blocked
	r := Rates{
		Confirmation: share(f.Confirmed, f.Awaiting),
		Block:        share(blocked+f.Needing.WouldBlock, sent+blocked),
		Unsubscribe:  share(max(0, f.Withdrawn-f.Restored), sent),
		Complaint:    share(f.Complained, sent),
	}
	if f.Refused > 0 { // who counts no refusals has not measured 100 %
		r.OptIn = share(f.Granted, f.Granted+f.Refused)
	}
	return r
}

func share(part, whole int64) *float64 {
	if whole <= 0 {
		return nil
	}
	s := float64(part) / float64(whole)
	return &s
}

// Days is the period of UTC days that reaches back from now by since, both ends included.
func Days(now time.Time, since time.Duration) (from, to time.Time) {
	return now.UTC().Add(-since).Truncate(24 * time.Hour), now.UTC().Truncate(24 * time.Hour)
}

// Summarise makes a report of a store's counters by day, as gate.Counters returns them. Names it does not know are left
// out.
func Summarise(days map[string]map[string]int64, from, to time.Time, q Query) (Report, error) {
	if !slices.Contains(Breakdowns(), q.By) {
		return Report{}, fmt.Errorf("no figures by %q: use method, source, reason, stream or week", q.By)
	}
	rows, classes := make(map[string]*Figures), map[string]*Figures{Passive: {}, Active: {}, Other: {}}
	only := onlyStreams(q.Streams)
	for day, sums := range days {
		for name, n := range sums {
			c, sourced, ok := parse(name)
			if !ok {
				continue
			}
			for c, n := range parts(c, n) {
				if sourced == (q.By == BySource) {
					figures(rows, key(q.By, day, c, only)).count(c, n, q.Exempt)
				}
				if !sourced {
					classes[Class(c.Method)].count(c, n, q.Exempt)
				}
				if q.By == BySource && !sourced && c.Method == "" && q.Exempt[c.Stream] {
					figures(rows, None).Needing.add(c.What, -n) // names by source do not say the stream
				}
			}
		}
	}
	r := Report{By: q.By, From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Rows: inOrder(q.By, rows)}
	var total Figures
	for _, class := range []string{Passive, Active, Other} {
		r.Classes = append(r.Classes, row(class, *classes[class]))
		total = total.Plus(*classes[class])
	}
	r.Total = row("total", total)
	r.compare(total, q.Price)
	return r, nil
}

// Granted reports whether a store's counters hold a grant at a source that is meant, or one that was counted without its
// name, as those of a day past the first ones are.
func Granted(days map[string]map[string]int64, meant func(source string) bool) bool {
	for _, sums := range days {
		for name := range sums {
			c, sourced, ok := parse(name)
			if ok && sourced && (c.Event == gate.Granted || c.Event == gate.Renewed) && (c.Source == other || meant(c.Source)) {
				return true
			}
		}
	}
	return false
}

// compare fills in what passive records would have added and what was saved.
func (r *Report) compare(total Figures, price Price) {
	r.PassiveWouldAdd = total.Passive
	r.PassiveShare = share(total.Passive, total.Needing.sent())
	r.NotSent = total.Blocked
	if price != (Price{}) {
		r.PricePer = &price
		r.NotSentCost = &Price{Amount: rounded(float64(total.Blocked) * price.Amount), Currency: price.Currency}
	}
}

// rounded cuts what binary fractions add to a price: 3 × 0.0004 is 0.0012.
func rounded(amount float64) float64 { return math.Round(amount*1e9) / 1e9 }

// parts is c itself, but for a mail that was permitted at RCPT and blocked in DATA: that is a block and one permit less.
func parts(c gate.Counter, n int64) map[gate.Counter]int64 {
	if c.What != gate.CountBlockedLate {
		return map[gate.Counter]int64{c: n}
	}
	block, permit := c, c
	block.What, permit.What, permit.Reason = gate.CountBlocked, gate.CountPermitted, ""
	return map[gate.Counter]int64{block: n, permit: -n}
}

// Class is the side of the comparison on which a method stands.
func Class(m gate.Method) string {
	switch m {
	case gate.MethodPassive:
		return Passive
	case gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper:
		return Active
	}
	return Other
}

// onlyStreams turns stream → purpose round, for purposes with a single stream.
func onlyStreams(streams map[string]string) map[string]string {
	only := make(map[string]string)
	for stream, purpose := range streams {
		if _, shared := only[purpose]; shared {
			stream = ""
		}
		only[purpose] = stream
	}
	return only
}

// key names the row that a counter belongs to.
func key(by By, day string, c gate.Counter, only map[string]string) string {
	switch by {
	case ByMethod:
		return cmp.Or(string(c.Method), None)
	case BySource:
		return cmp.Or(c.Source, None)
	case ByReason:
		return cmp.Or(string(c.Reason), None)
	case ByWeek:
		return week(day)
	}
	if stream := cmp.Or(c.Stream, only[c.Purpose]); stream != "" || c.Purpose == "" {
		return cmp.Or(stream, None)
	}
	return "purpose " + c.Purpose
}

// week is a day's ISO 8601 week, "2026-W47".
func week(day string) string {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return None
	}
	year, n := at.ISOWeek()
	return fmt.Sprintf("%d-W%02d", year, n)
}

func figures(rows map[string]*Figures, key string) *Figures {
	if rows[key] == nil {
		rows[key] = new(Figures)
	}
	return rows[key]
}

func row(key string, f Figures) Row { return Row{Key: key, Figures: f, Rates: f.rates()} }

// inOrder sorts rows: weeks by time, others by how much mail they are about. Rows of nothing are left out.
func inOrder(by By, rows map[string]*Figures) []Row {
	out := make([]Row, 0, len(rows))
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if *rows[key] != (Figures{}) {
			out = append(out, row(key, *rows[key]))
		}
	}
	if by != ByWeek {
		slices.SortStableFunc(out, func(a, b Row) int { return cmp.Compare(b.weight(), a.weight()) })
	}
	return out
}

// Plus adds two periods or keys.
func (f Figures) Plus(g Figures) Figures {
	return Figures{
		Granted: f.Granted + g.Granted, Repeated: f.Repeated + g.Repeated, Refused: f.Refused + g.Refused,
		Awaiting: f.Awaiting + g.Awaiting, Confirmed: f.Confirmed + g.Confirmed, Withdrawn: f.Withdrawn + g.Withdrawn,
		Restored: f.Restored + g.Restored, Complained: f.Complained + g.Complained, Bounced: f.Bounced + g.Bounced,
		Permitted: f.Permitted + g.Permitted, Blocked: f.Blocked + g.Blocked, WouldBlock: f.WouldBlock + g.WouldBlock,
		Deferred: f.Deferred + g.Deferred, Passive: f.Passive + g.Passive,
		Needing: Needing{
			Permitted: f.Needing.Permitted + g.Needing.Permitted, Blocked: f.Needing.Blocked + g.Needing.Blocked,
			WouldBlock: f.Needing.WouldBlock + g.Needing.WouldBlock,
		},
	}
}

func (f Figures) weight() int64 { return f.Permitted + f.Blocked + f.WouldBlock + f.Granted }

// count adds n of c, and to the mail that needs consent unless its stream is exempt.
func (f *Figures) count(c gate.Counter, n int64, exempt map[string]bool) {
	f.add(c, n)
	if !exempt[c.Stream] {
		f.Needing.add(c.What, n)
	}
}

func (n *Needing) add(what gate.Counted, by int64) {
	switch what {
	case gate.CountPermitted:
		n.Permitted += by
	case gate.CountBlocked:
		n.Blocked += by
	case gate.CountWouldBlock:
		n.WouldBlock += by
	}
}

// add counts n of c.
func (f *Figures) add(c gate.Counter, n int64) {
	switch c.What {
	case gate.CountPermitted:
		f.Permitted += n
	case gate.CountBlocked:
		f.Blocked += n
	case gate.CountWouldBlock:
		f.WouldBlock += n
	case gate.CountDeferred:
		f.Deferred += n
	case gate.CountRepeated:
		f.Repeated += n
	case gate.CountAwaiting:
		f.Awaiting += n
	case gate.CountEvent:
		f.addEvent(c.Event, n)
	}
	blocked := c.What == gate.CountBlocked || c.What == gate.CountWouldBlock
	if blocked && c.Reason == gate.ReasonPassiveUnconfirmed {
		f.Passive += n
	}
}

func (f *Figures) addEvent(t gate.EventType, n int64) {
	switch t {
	case gate.Granted, gate.Renewed:
		f.Granted += n
	case gate.Refused:
		f.Refused += n
	case gate.Confirmed:
		f.Confirmed += n
	case gate.Withdrawn:
		f.Withdrawn += n
	case gate.Restored:
		f.Restored += n
	case gate.Complained:
		f.Complained += n
	case gate.Bounced:
		f.Bounced += n
	}
}
