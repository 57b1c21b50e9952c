package bulk

import (
	"fmt"
	"strings"
	"time"
)

// DateOrder says how dates of digits alone are read.
type DateOrder string

// The orders. Without one such a date is refused: it could be two different days.
const (
	DayFirst   DateOrder = "dmy"
	MonthFirst DateOrder = "mdy"
)

// widestZone is how far a time without a zone, read as UTC, can lie ahead.
const widestZone = 14 * time.Hour

// parseTime reads a time as exports write it. One without a zone is read as UTC; where that lies ahead although some
// zone's clock can show it now, it is now.
func (r *Reading) parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range r.layouts(text) {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if ahead := at.Sub(r.Now); ahead > 0 && ahead <= widestZone && !strings.Contains(layout, "07") {
			return r.Now.UTC(), nil
		}
		return at.UTC(), nil
	}
	if digitsFirst(text) && r.Dates == "" {
		return time.Time{}, fmt.Errorf("%q can be read as two different days: say --dates dmy or --dates mdy", text)
	}
	return time.Time{}, fmt.Errorf("%q is no time; write it as 2026-11-01T10:00:00Z", text)
}

// layouts returns the forms that text can have. The last of the first group is how listmonk writes times.
func (r *Reading) layouts(text string) []string {
	if !digitsFirst(text) {
		return []string{
			"2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02", "2006-01-02 15:04",
			"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05-07", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05 -0700 MST",
		}
	}
	day := map[DateOrder]string{DayFirst: "2/1/2006", MonthFirst: "1/2/2006"}[r.Dates]
	if day == "" {
		return nil
	}
	if sep := text[strings.IndexAny(text, "/.-")]; sep != '/' {
		day = strings.ReplaceAll(day, "/", string(sep))
	}
	return []string{day, day + " 15:04:05", day + " 15:04"}
}

// digitsFirst reports whether text begins with a day or a month: at most two digits and a separator.
func digitsFirst(text string) bool {
	sep := strings.IndexAny(text, "/.-")
	return sep == 1 || sep == 2
}
