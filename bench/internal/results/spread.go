package results

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Spread is what several rounds gave.
type Spread struct {
	Median, Min, Max float64
	N                int
}

// spread of some values.
func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	s := Spread{Median: v[mid], Min: v[0], Max: v[len(v)-1], N: len(v)}
	if len(v)%2 == 0 {
		s.Median = (v[mid-1] + v[mid]) / 2
	}
	return s
}

func spreadOf(byRound map[int]float64) Spread {
	return spread(slices.Collect(maps.Values(byRound)))
}

// ratios divides round by round; a round that one side lacks gives none.
func ratios(of, by map[int]float64) map[int]float64 {
	r := map[int]float64{}
	for round, v := range of {
		if base := by[round]; base > 0 {
			r[round] = v / base
		}
	}
	return r
}

// Overlaps reports whether two spreads share a value: what differs by less than its own rounds do is no difference.
func (s Spread) Overlaps(o Spread) bool { return s.Min <= o.Max && o.Min <= s.Max }

func (s Spread) String() string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number shows three digits, or all before the point.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return thousands(int64(math.Round(v)))
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
