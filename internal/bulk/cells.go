package bulk

import (
	"errors"
	"strings"
)

// What a row of CSV can have wrong with it.
var (
	errOpenQuote  = errors.New("a quote is opened and not closed; put the cell in quotes and double those inside it")
	errStrayQuote = errors.New("a quote stands inside a cell; put the cell in quotes and double those inside it")
)

// detectDelimiter returns the one of comma and semicolon that a header row has more of outside quotes.
func detectDelimiter(header string) byte {
	counts, quoted := [2]int{}, false
	for _, c := range header {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			counts[0]++
		case c == ';':
			counts[1]++
		}
	}
	if counts[1] > counts[0] {
		return ';'
	}
	return ','
}

// splitCells appends the cells of a row of CSV (RFC 4180) to dst, which share s.
func splitCells(dst []string, s string, delim byte) ([]string, error) {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
	for {
		cell, rest, err := splitCell(s, delim)
		if err != nil {
			return dst, err
		}
		dst = append(dst, cell)
		if rest == "" {
			return dst, nil
		}
		s = rest[1:]
	}
}

// splitCell cuts the first cell off; rest begins with the delimiter, or is empty at the row's end.
func splitCell(s string, delim byte) (cell, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, delim)
		if end < 0 {
			end = len(s)
		}
		if strings.IndexByte(s[:end], '"') >= 0 {
			return "", "", errStrayQuote
		}
		return s[:end], s[end:], nil
	}
	end, doubled := closingQuote(s)
	switch {
	case end < 0:
		return "", "", errOpenQuote
	case end+1 < len(s) && s[end+1] != delim:
		return "", "", errStrayQuote
	}
	if cell = s[1:end]; doubled {
		cell = strings.ReplaceAll(cell, `""`, `"`)
	}
	return cell, s[end+1:], nil
}

// closingQuote returns where the quote at the start of s is closed, -1 where it is not, and whether doubled quotes
// stand in between.
func closingQuote(s string) (end int, doubled bool) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
		case i+1 < len(s) && s[i+1] == '"':
			doubled = true
			i++
		default:
			return i, doubled
		}
	}
	return -1, doubled
}

// safeCell keeps a spreadsheet from taking a text for a formula: what begins like one gets an apostrophe in front
// (CWE-1236).
func safeCell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}
