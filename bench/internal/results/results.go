// Package results holds what a benchmark measured: samples by row, target and round, the goals they are judged by, and
// the two forms of a report, JSON to compare with and Markdown to read.
//
// Ratios are formed from samples of the same round only, since the machine changes more from minute to minute than
// the programs differ. The package measures nothing and imports nothing of ours. Only bench and its packages import it.
package results

import (
	"cmp"
	"slices"
	"time"
)

// Metric names what a value is, with its unit.
type Metric string

// The metrics.
const (
	Rate       Metric = "messages/s"
	Copies     Metric = "copies/s" // what the upstream got, of one client message several
	CPU        Metric = "CPU s/1,000"
	RedisCPU   Metric = "Redis CPU s/1,000"
	Peak       Metric = "peak MiB"
	P50        Metric = "p50 µs"
	P99        Metric = "p99 µs"
	Fresh      Metric = "fresh MiB"
	Program    Metric = "of it the program's own pages" // clean pages of files
	Idle       Metric = "idle MiB"
	PerSession Metric = "KiB/session"
	AfterMail  Metric = "after a message each MiB"
	Record     Metric = "record bytes"
	History    Metric = "history bytes"
	Records    Metric = "records/s"
	PerPlain   Metric = "÷ plain"         // messages/s, to the same client and gate without TLS
	PerFewer   Metric = "÷ fewer records" // messages/s or p50, to the gate on the smaller store

	HAProxyCPU  Metric = "haproxy CPU s/1,000"
	UpstreamCPU Metric = "upstream CPU s/1,000"
	Taken       Metric = "messages" // that clients got a 250 for
	Retried     Metric = "sent again"
	Doubled     Metric = "doubled"
	Lost        Metric = "lost"
	Delay       Metric = "ms"

	RSS         Metric = "MiB"
	Descriptors Metric = "descriptors"
	Threads     Metric = "threads"
	Goroutines  Metric = "goroutines"
)

// metrics is the order in which they are shown.
func metrics() []Metric {
	return []Metric{
		Rate, PerPlain, Copies, Records, P50, PerFewer, P99, CPU, RedisCPU, HAProxyCPU, UpstreamCPU, Fresh, Program, Idle, PerSession, AfterMail,
		Peak, Record, History, Taken, Retried, Doubled, Lost, Delay, RSS, Descriptors, Threads, Goroutines,
	}
}

// Targets that every row has, or may have.
const (
	Direct   = "direct"  // the client talks to the upstream
	HAProxy  = "haproxy" // through a proxy that copies octets
	Gate     = "consentgate"
	Embedded = "consentgate, embedded store"
)

// The gate with TLS, for rows that compare it with itself.
const (
	TLSIn   = "consentgate, TLS in"
	TLSOut  = "consentgate, TLS out"
	TLSBoth = "consentgate, TLS in and out"
)

// Peers, which rows may have.
const (
	Postfix = "postfix"
	Haraka  = "haraka"
)

// Row is one kind of work.
type Row string

// The rows.
const (
	Kept       Row = "4 KiB, 16 sessions kept"
	New        Row = "4 KiB, 16 sessions, a new connection each"
	Shared     Row = "4 KiB, 16 sessions kept, 10 recipients, one transaction"
	Split      Row = "4 KiB, 16 sessions kept, 10 recipients, split into 10 copies"
	Large      Row = "100 KiB, 16 sessions kept"
	Huge       Row = "25 MB, one session kept"
	StepByStep Row = "latency of one message, step by step"
	Pipelined  Row = "latency of one message, pipelined"
	Connection Row = "latency of one message, new connection"
	EightHuge  Row = "8 × 25 MB at once"
	Memory     Row = "Redis memory of a recipient with one consent"
	Fill       Row = "the store filled through its own code"
	Import     Row = "import"

	TLSKept  Row = "4 KiB, 16 sessions kept, our own client, with TLS and without"
	TLSNew   Row = "4 KiB, 16 sessions, a new connection each, our own client, with TLS and without"
	ManyKept Row = "4 KiB, 16 sessions kept, by recipients in Redis"
	ManyStep Row = "latency of one message, step by step, by recipients in Redis"

	Soak       Row = "mixed traffic"
	ScaleOut   Row = "4 KiB, 48 sessions kept, gates behind haproxy on one Redis Cluster"
	Killed     Row = "one of three gates killed (SIGKILL) under load"
	Withdrawal Row = "a withdrawal at one gate, in force at the others"
)

// Idle5000 is the row of idle sessions that has a goal.
const Idle5000 Row = "5,000 idle sessions"

// IdleRow is the row of n sessions that wait.
func IdleRow(n int) Row { return Row(thousands(int64(n)) + " idle sessions") }

// IdleTLSRow is the same in TLS.
func IdleTLSRow(n int) Row { return IdleRow(n) + " in TLS" }

// ScaleRow is the row of sessions that send beside others that wait.
func ScaleRow(idle, active int) Row {
	return Row(thousands(int64(active)) + " sessions that send beside " + string(IdleRow(idle)))
}

// Many is the gate on a store of n recipients.
func Many(n int) string { return Gate + ", " + thousands(int64(n)) + " recipients" }

// The upstreams: one that others know and the goals were set with, and one that sees every fault.
const (
	SMTPSink  = "smtp-sink"
	CountSink = "countsink"
)

// Cell is what is measured: a target at some work, in front of an upstream (where that matters).
type Cell struct {
	Row      Row    `json:"row"`
	Upstream string `json:"upstream,omitempty"`
	Target   string `json:"target"`
}

func (c Cell) String() string {
	text := string(c.Row)
	if c.Target != "" {
		text += ", " + c.Target
	}
	if c.Upstream != "" {
		text += " (upstream " + c.Upstream + ")"
	}
	return text
}

// Sample is what one run of one cell gave.
type Sample struct {
	Cell
	Round  int                `json:"round"`
	Values map[Metric]float64 `json:"values"`
	Others float64            `json:"others"` // share of the machine that went to programs that have no part in it
}

// File is one run of the whole benchmark, or of one of its parts.
type File struct {
	Part     string            `json:"part,omitempty"` // "": the table of all rows
	Date     time.Time         `json:"date"`
	Commit   string            `json:"commit"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"settings"`
	Deferred int               `json:"deferred"` // runs that were done again, since mail got a 4xx
	Samples  []Sample          `json:"samples"`
}

// Add appends samples.
func (f *File) Add(s ...Sample) { f.Samples = append(f.Samples, s...) }

// rows are those that were measured, in their order, as cells without a target.
func (f *File) rows() (rows []Cell) {
	for _, s := range f.Samples {
		if r := s.at(""); !slices.Contains(rows, r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// at is the same row with another target.
func (c Cell) at(target string) Cell {
	c.Target = target
	return c
}

// targets of a row, the yardsticks first.
func (f *File) targets(r Cell) (targets []string) {
	for _, s := range f.Samples {
		if s.at("") == r && !slices.Contains(targets, s.Target) {
			targets = append(targets, s.Target)
		}
	}
	order := []string{Direct, HAProxy, Gate, Embedded}
	slices.SortStableFunc(targets, func(a, b string) int {
		return cmp.Compare(place(order, a), place(order, b))
	})
	return targets
}

func place(order []string, s string) int {
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}

// Median of a metric over all rounds of a target at some work, whatever the upstream; 0 where there is none.
func (f *File) Median(r Row, target string, m Metric) float64 {
	var v []float64
	for _, s := range f.Samples {
		if x, ok := s.Values[m]; ok && s.Row == r && s.Target == target {
			v = append(v, x)
		}
	}
	return spread(v).Median
}

// values by round.
func (f *File) values(c Cell, m Metric) map[int]float64 {
	v := map[int]float64{}
	for _, s := range f.Samples {
		if x, ok := s.Values[m]; ok && s.Cell == c {
			v[s.Round] = x
		}
	}
	return v
}
