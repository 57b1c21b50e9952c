package results

import "cmp"

// Goal is one number to reach.
type Goal struct {
	Work string
	Cell
	Metric  Metric
	Base    Base // nothing: the value itself counts
	Reach   float64
	Stretch float64 // 0: none is set
	AtMost  bool    // else at least
}

// Base is what a goal's value is divided by.
type Base struct {
	Row    Row // "": the goal's own
	Target string
	Metric Metric // "": the goal's own
}

// Goals are those of the design, in its order. Throughput and latency are judged before smtp-sink, as the goals were set.
func Goals() []Goal {
	gate := func(r Row) Cell { return Cell{r, SMTPSink, Gate} }
	counted := func(r Row) Cell { return Cell{r, CountSink, Gate} }
	alone := func(r Row) Cell { return Cell{r, "", Gate} }
	haproxy, direct, own := Base{Target: HAProxy}, Base{Target: Direct}, Base{Kept, Gate, Rate}
	return []Goal{
		{"16 sessions kept", gate(Kept), Rate, haproxy, 0.78, 0.90, false},
		{"new connection each", gate(New), Rate, haproxy, 1.10, 1.30, false},
		{"10 recipients, one transaction", gate(Shared), Rate, haproxy, 0.80, 0.95, false},
		{"10 recipients split into 10 copies: copies/s ÷ own messages/s, kept", gate(Split), Copies, own, 1.4, 1.6, false},
		{"100 KiB, 16 sessions kept", gate(Large), Rate, haproxy, 0.95, 1.00, false},
		{"latency, step by step, p50", gate(StepByStep), P50, haproxy, 1.15, 1.00, true},
		{"latency, step by step, p99", gate(StepByStep), P99, haproxy, 1.15, 1.00, true},
		{"latency, pipelined, p50", gate(Pipelined), P50, haproxy, 1.55, 1.20, true},
		{"latency, new connection, p50", gate(Connection), P50, haproxy, 0.95, 0.85, true},
		{"CPU of the gate per 1,000 messages, kept, s", gate(Kept), CPU, Base{}, 0.10, 0.08, true},
		{"memory of an idle session, KiB", counted(Idle5000), PerSession, Base{}, 6, 4, true},
		{"memory with 5,000 idle sessions, MiB", counted(Idle5000), Idle, Base{}, 45, 35, true},
		{"memory with 8 × 25 MB at once, MiB", counted(EightHuge), Peak, Base{}, 20, 15, true},
		{"25 MB message, ÷ direct", gate(Huge), Rate, direct, 0.95, 0, false},
		{"embedded store instead of Redis", Cell{Kept, SMTPSink, Embedded}, Rate, haproxy, 0.75, 0.90, false},
		{"Redis bytes per recipient with one consent, record alone", alone(Memory), Record, Base{}, 180, 120, true},
		{"import to Redis, records/s", alone(Import), Records, Base{}, 80_000, 120_000, false},
	}
}

// value is what f has for a goal, by round.
func (g Goal) value(f *File) map[int]float64 {
	own := f.values(g.Cell, g.Metric)
	if g.Base == (Base{}) {
		return own
	}
	base := g.at(g.Base.Target)
	base.Row = cmp.Or(g.Base.Row, g.Row)
	return ratios(own, f.values(base, cmp.Or(g.Base.Metric, g.Metric)))
}

// perDirect is the ratio to direct, for goals that are ratios to haproxy.
func (g Goal) perDirect(f *File) Spread {
	if g.Base.Target != HAProxy {
		return Spread{}
	}
	return spreadOf(ratios(f.values(g.Cell, g.Metric), f.values(g.at(Direct), g.Metric)))
}

// met reports how far a value goes: "stretch", "reached", "missed".
func (g Goal) met(v float64) string {
	good := func(bound float64) bool {
		if g.AtMost {
			return v <= bound
		}
		return v >= bound
	}
	switch {
	case g.Stretch != 0 && good(g.Stretch):
		return "stretch"
	case good(g.Reach):
		return "reached"
	}
	return "missed"
}

// bound shows a goal's number.
func (g Goal) bound(v float64) string {
	switch {
	case v == 0:
		return "–"
	case g.AtMost:
		return "≤ " + number(v)
	}
	return "≥ " + number(v)
}
