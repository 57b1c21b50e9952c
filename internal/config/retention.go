package config

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Retention is how long things are kept; zero is for ever. Refusals always are.
type Retention struct {
	Blocks   time.Duration // block entries; log.retention is the same
	Evidence time.Duration // history and address, once every consent of a person has ended
	Inactive time.Duration // history and address, from the person's last act
}

// Bounds and the default of Blocks.
const (
	leastRetention = day
	mostRetention  = 100 * year
	year           = 365*day + 6*time.Hour
	month          = year / 12
	blockRetention = 90 * day
	unsaid         = -1
)

func (r *Retention) read() reader {
	return section(func() fields {
		return fields{
			"blocks":   period(&r.Blocks),
			"evidence": period(&r.Evidence),
			"inactive": period(&r.Inactive),
			"refusals": converted(new(string), refusals),
		}
	})
}

// period reads a time, or forever.
func period(dst *time.Duration) reader {
	return converted(dst, func(s string) (time.Duration, error) {
		if s == "forever" {
			return 0, nil
		}
		d, err := parsePeriod(s)
		if err != nil || d < leastRetention || d > mostRetention {
			return 0, errors.New("is no such time: write for example 90d, 6m or 3y, from 1d, or forever")
		}
		return d, nil
	})
}

// parsePeriod is ParseDuration with the months and years in which packs count. Minutes stand behind hours only.
func parsePeriod(s string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"m": month, "y": year} {
		n, ok := strings.CutSuffix(s, unit)
		if number, err := strconv.Atoi(n); ok && err == nil && number >= 0 && number <= 1200 {
			return time.Duration(number) * length, nil
		}
	}
	return ParseDuration(s)
}

func refusals(s string) (string, error) {
	if s != "forever" {
		return "", errors.New("is not possible: a refusal that is forgotten lets the next import mail the person again; " +
			"write forever or remove the key")
	}
	return s, nil
}

// complete settles that retention.blocks and log.retention are one.
func (r *Retention) complete(rep *report, log time.Duration) {
	switch {
	case r.Blocks == unsaid && log == unsaid:
		r.Blocks = blockRetention
	case r.Blocks == unsaid:
		r.Blocks = log
	case log != unsaid && log != r.Blocks:
		rep.add("log.retention", "%s and retention.blocks: %s are the same setting: keep one", periodText(log), periodText(r.Blocks))
	}
}

func (r Retention) tree() yaml.MapSlice {
	return pairs("blocks", periodText(r.Blocks), "evidence", periodText(r.Evidence), "inactive", periodText(r.Inactive),
		"refusals", "forever")
}

// periodText writes what period reads.
func periodText(d time.Duration) string {
	switch {
	case d == 0:
		return "forever"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return formatDuration(d)
}
