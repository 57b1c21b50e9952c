package main

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/consentgate/consentgate/internal/stats"
)

// columns is more than any table has: all but the first are numbers.
const columns = 99

// statsPrinter is how figures are printed.
type statsPrinter struct {
	report   func(stats.Report) error
	holdings func(stats.Holdings) error
}

func (p *program) statsPrinter(format string) (statsPrinter, error) {
	switch {
	case format == "json" || format == "" && p.json:
		return statsPrinter{
			report:   func(r stats.Report) error { return p.printJSON(r) },
			holdings: func(h stats.Holdings) error { return p.printJSON(h) },
		}, nil
	case format == "table" || format == "":
		return statsPrinter{
			report:   func(r stats.Report) error { return reportTable(p.out, r) },
			holdings: func(h stats.Holdings) error { return holdingsTable(p.out, h) },
		}, nil
	case format == "csv":
		return statsPrinter{
			report:   func(r stats.Report) error { return reportCSV(p.out, r) },
			holdings: func(h stats.Holdings) error { return holdingsCSV(p.out, h) },
		}, nil
	}
	return statsPrinter{}, usage("--format %q is not known: use table, json or csv", format)
}

// reportTable shows the comparison, whose last column says what each rate is, then the rows.
func reportTable(out io.Writer, r stats.Report) error {
	fmt.Fprintf(out, "%s to %s, UTC days\n\n", r.From, r.To)
	if r.Total.Figures == (stats.Figures{}) {
		_, err := fmt.Fprintln(out, "nothing was counted in this period")
		return err
	}
	if err := comparison(out, r); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := breakdown(out, r); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return conclusion(out, r)
}

func comparison(out io.Writer, r stats.Report) error {
	sides := append(slices.Clone(r.Classes), r.Total)
	g := grid{text: 1 + len(sides)}
	cells := []string{""}
	for _, c := range sides {
		cells = append(cells, strings.ToUpper(c.Key))
	}
	g.row(append(cells, "")...)
	for _, rate := range []struct {
		name, formula string
		of            func(stats.Row) *float64
	}{
		{"opt-in", "granted / (granted + refused); n/a where no refusal was recorded", func(r stats.Row) *float64 { return r.OptIn }},
		{"confirmation", "confirmed / those who were to confirm", func(r stats.Row) *float64 { return r.Confirmation }},
		{"block", "blocked / (blocked + permitted), of mail that needs consent", func(r stats.Row) *float64 { return r.Block }},
		{"unsubscribe", "withdrawn / mails permitted, of those that need consent", func(r stats.Row) *float64 { return r.Unsubscribe }},
		{"complaint", "complained / mails permitted, of those that need consent", func(r stats.Row) *float64 { return r.Complaint }},
	} {
		cells := []string{rate.name}
		for _, c := range sides {
			cells = append(cells, percentage(rate.of(c)))
		}
		g.row(append(cells, rate.formula)...)
	}
	return g.print(out)
}

func breakdown(out io.Writer, r stats.Report) error {
	if r.By == stats.ByReason {
		return reasonTable(out, r)
	}
	g := grid{text: columns}
	g.row(strings.ToUpper(string(r.By)), "GRANTED", "REFUSED", "OPT-IN", "CONFIRMED", "RATE", "PERMITTED", "BLOCKED", "RATE",
		"WITHDRAWN", "RATE", "COMPLAINED", "RATE")
	for _, row := range append(slices.Clone(r.Rows), r.Total) {
		g.row(row.Key, grouped(row.Granted), grouped(row.Refused), percentage(row.OptIn),
			grouped(row.Confirmed), percentage(row.Confirmation),
			grouped(row.Permitted+row.WouldBlock), grouped(row.Blocked+row.WouldBlock), percentage(row.Block),
			grouped(row.Withdrawn), percentage(row.Unsubscribe), grouped(row.Complained), percentage(row.Complaint))
	}
	return g.print(out)
}

// reasonTable leaves out what has no reason: permits and events.
func reasonTable(out io.Writer, r stats.Report) error {
	if r.Total.Blocked+r.Total.WouldBlock+r.Total.Deferred == 0 {
		_, err := fmt.Fprintln(out, "nothing was blocked or deferred")
		return err
	}
	g := grid{text: columns}
	g.row("REASON", "BLOCKED", "SHARE", "WOULD BLOCK", "DEFERRED")
	for _, row := range append(slices.Clone(r.Rows), r.Total) {
		if row.Blocked+row.WouldBlock+row.Deferred > 0 {
			g.row(row.Key, grouped(row.Blocked), percentage(share(row.Blocked, r.Total.Blocked)), grouped(row.WouldBlock), grouped(row.Deferred))
		}
	}
	return g.print(out)
}

func conclusion(out io.Writer, r stats.Report) error {
	fmt.Fprintf(out, "Passive records would have added %s", mails(r.PassiveWouldAdd))
	if r.PassiveShare != nil {
		fmt.Fprintf(out, ", %s of those permitted that need consent", percentage(r.PassiveShare))
	}
	fmt.Fprintf(out, ".\nNot sent: %s", mails(r.NotSent))
	if r.NotSentCost != nil {
		fmt.Fprintf(out, ", which would have cost %s at %s each", amount(r.NotSentCost, 2), amount(r.PricePer, -1))
	}
	_, err := fmt.Fprintln(out, ".")
	if n := exempt(r.Total.Figures); n > 0 {
		fmt.Fprintf(out, "%s of streams that need no consent (receipts) stand in the columns and in no rate.\n", mails(n))
	}
	if r.Total.WouldBlock > 0 {
		_, err = fmt.Fprintf(out, "Mode observe delivered %s that enforce would have blocked; they count as permitted and as blocked.\n", mails(r.Total.WouldBlock))
	}
	return err
}

// exempt is the mail that rates leave out.
func exempt(f stats.Figures) int64 {
	n := f.Needing
	return f.Permitted + f.Blocked + f.WouldBlock - n.Permitted - n.Blocked - n.WouldBlock
}

func holdingsTable(out io.Writer, h stats.Holdings) error {
	fmt.Fprintf(out, "%s of %s\n\n", countText(h.Consents, "consent"), countText(h.Recipients, "recipient"))
	if h.Consents == 0 {
		return nil
	}
	g := grid{text: 3}
	g.row("PURPOSE", "CONSENTS", "SHARE", "STATE", "METHOD", "CLASS")
	for _, row := range h.Rows {
		g.row(row.Purpose, grouped(row.Consents), percentage(&row.Share), string(row.State), cmp.Or(string(row.Method), stats.None), row.Class)
	}
	if err := g.print(out); err != nil {
		return err
	}
	var classes []string
	for _, c := range h.Classes {
		classes = append(classes, c.Class+" "+percentage(c.Share))
	}
	_, err := fmt.Fprintf(out, "\nOf all consents: %s.\n", strings.Join(classes, ", "))
	return err
}

func reportCSV(out io.Writer, r stats.Report) error {
	rows := [][]string{{
		"by", "key", "granted", "repeated", "refused", "opt_in_rate", "awaiting", "confirmed", "confirmation_rate",
		"permitted", "blocked", "would_block", "deferred", "block_rate", "passive_unconfirmed",
		"withdrawn", "restored", "unsubscribe_rate", "complained", "complaint_rate", "bounced",
		"needing_permitted", "needing_blocked", "needing_would_block",
	}}
	add := func(by string, row stats.Row) {
		rows = append(rows, []string{
			by, row.Key, number(row.Granted), number(row.Repeated), number(row.Refused), ratio(row.OptIn),
			number(row.Awaiting), number(row.Confirmed), ratio(row.Confirmation),
			number(row.Permitted), number(row.Blocked), number(row.WouldBlock), number(row.Deferred), ratio(row.Block),
			number(row.Passive), number(row.Withdrawn), number(row.Restored), ratio(row.Unsubscribe),
			number(row.Complained), ratio(row.Complaint), number(row.Bounced),
			number(row.Needing.Permitted), number(row.Needing.Blocked), number(row.Needing.WouldBlock),
		})
	}
	for _, row := range r.Rows {
		add(string(r.By), row)
	}
	for _, row := range r.Classes {
		add("class", row)
	}
	add("total", r.Total)
	return writeCSV(out, rows)
}

func holdingsCSV(out io.Writer, h stats.Holdings) error {
	rows := [][]string{{"purpose", "state", "method", "class", "consents", "share"}}
	for _, row := range h.Rows {
		rows = append(rows, []string{row.Purpose, string(row.State), string(row.Method), row.Class, number(row.Consents), ratio(&row.Share)})
	}
	return writeCSV(out, rows)
}

func writeCSV(out io.Writer, rows [][]string) error {
	for _, row := range rows {
		for i, cell := range row {
			row[i] = inert(cell)
		}
	}
	return csv.NewWriter(out).WriteAll(rows)
}

// grid is a table whose numbers line up at their last digit. Its first column, and those from text on, begin with their
// text instead.
type grid struct {
	rows [][]string
	text int
}

func (g *grid) row(cells ...string) { g.rows = append(g.rows, cells) }

func (g *grid) print(out io.Writer) error {
	widths := make([]int, len(g.rows[0]))
	for _, row := range g.rows {
		for i := range row {
			row[i] = printable(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range g.rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 || i >= g.text {
				b.WriteString(cell + pad + "  ")
			} else {
				b.WriteString(pad + cell + "  ")
			}
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// percentage has one decimal; what is more than nothing is never shown as nothing.
func percentage(share *float64) string {
	switch {
	case share == nil:
		return "n/a"
	case *share > 0 && *share < 0.0005:
		return "<0.1%"
	}
	return strconv.FormatFloat(*share*100, 'f', 1, 64) + "%"
}

func share(n, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64(n) / float64(whole)
	return &s
}

// ratio is a share of 1 for machines; empty for n/a.
func ratio(share *float64) string {
	if share == nil {
		return ""
	}
	return strconv.FormatFloat(*share, 'f', 6, 64)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	digits := number(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func mails(n int64) string { return countText(n, "mail") }

func countText(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// amount shows at least the first digit of what is more than nothing.
func amount(p *stats.Price, decimals int) string {
	if decimals > 0 && p.Amount > 0 && p.Amount < 0.01 {
		decimals = 4
	}
	return strings.TrimSpace(strconv.FormatFloat(p.Amount, 'f', decimals, 64) + " " + p.Currency)
}
