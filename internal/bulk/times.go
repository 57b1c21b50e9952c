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
	if digitsFirst(text) {
		return r.parseDay(text)
	}
	// The most frequent first, since errors cost; the last is how Go, and so listmonk, prints a time.
	for _, layout := range [...]string{
		time.RFC3339, "2006-01-02 15:04:05", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04",
		"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05-07", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05 -0700 MST",
	} {
		at, err := time.Parse(layout, text)
		switch {
		case err != nil:
		case strings.Contains(layout, "07"):
			return at.UTC(), nil
		default:
			return r.notAhead(at), nil
		}
	}
	return time.Time{}, notATime(text)
}

// parseDay reads a date that begins with a day or a month.
func (r *Reading) parseDay(text string) (time.Time, error) {
	var day string
	switch r.Dates {
	case DayFirst:
		day = "2/1/2006"
	case MonthFirst:
		day = "1/2/2006"
	default:
		return time.Time{}, fmt.Errorf("%q can be read as two different days: say --dates dmy or --dates mdy", text)
	}
	day = strings.ReplaceAll(day, "/", text[strings.IndexAny(text, "/.-"):][:1])
	for _, layout := range [...]string{day, day + " 15:04:05", day + " 15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return r.notAhead(at), nil
		}
	}
	return time.Time{}, notATime(text)
}

// notAhead puts a time without a zone that lies ahead to now, if some zone's clock can show it now.
func (r *Reading) notAhead(at time.Time) time.Time {
	if ahead := at.Sub(r.Now); ahead > 0 && ahead <= widestZone {
		return r.Now.UTC()
	}
	return at
}

func notATime(text string) error {
	return fmt.Errorf("%q is no time; write it as 2026-11-01T10:00:00Z", text)
}

// digitsFirst reports whether text begins with a day or a month: at most two digits and a separator.
func digitsFirst(text string) bool {
	sep := strings.IndexAny(text, "/.-")
	return sep == 1 || sep == 2
}
