//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are how much is measured. They do not change what.
type options struct {
	Rounds   int
	Records  int           // recipients in Redis
	Embedded int           // recipients in the embedded store
	Time     time.Duration // of one run, about
	Messages int           // timed one by one, of each way, round and target
	Huge     int           // octets of a large message
	Idle     []int         // sessions that wait, in rising order
	Imported int           // lines
	Scale    []int         // sessions that wait while others send
	Active   int           // of these
	Each     int           // messages of each of them
	Large    int           // recipients in a Redis with many
	Quiet    time.Duration // to wait for the machine to be quiet, before each run; 0: it is not looked at
	Peers    []string      // that are measured beside the gate
	Only     []string      // kinds of rows that are measured; none: all
	Out      string        // folder of the results
	Dir      string        // where servers keep their data; "": a temporary folder
}

// kinds of rows.
func kinds() []string {
	return []string{"throughput", "latency", "idle", "huge", "tls", "scale", "large", "import"}
}

// wants reports whether rows of a kind are measured.
func (o options) wants(kind string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, kind) }

// full is what `make bench` runs.
func full() options {
	return options{
		Rounds: 5, Records: 1_000_000, Embedded: 50_000, Time: 1500 * time.Millisecond, Messages: 1000,
		Huge: 25 * mib, Idle: []int{1000, 5000}, Imported: 1_000_000,
		Scale: []int{5000, 20_000}, Active: 500, Each: 40, Large: 10_000_000, Quiet: 20 * time.Second, Out: "bench/results",
	}
}

// short proves in about a minute that everything works. Its figures are no good.
func short() options {
	o := full()
	o.Rounds, o.Records, o.Embedded, o.Time = 2, 50_000, 10_000, 300*time.Millisecond
	o.Messages, o.Imported, o.Quiet = 100, 20_000, 0
	o.Scale, o.Active, o.Each, o.Large = []int{1000}, 100, 5, 200_000
	return o
}

func parseFlags(args []string, log io.Writer) (options, error) {
	o := full()
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.Usage = func() {
		fmt.Fprint(log, usage, "\nflags:\n")
		f.PrintDefaults()
	}
	f.BoolFunc("short", "small numbers, in about a minute: shows that the benchmark works, not how fast the gate is", func(string) error {
		o = short()
		return nil
	})
	f.IntVar(&o.Rounds, "rounds", o.Rounds, "`times` that every row is measured")
	f.IntVar(&o.Records, "records", o.Records, "`recipients` in Redis")
	f.IntVar(&o.Embedded, "embedded", o.Embedded, "`recipients` in the embedded store")
	f.IntVar(&o.Large, "large", o.Large, "`recipients` in a second Redis, for the rows of kind large")
	f.IntVar(&o.Active, "active", o.Active, "`sessions` that send beside those that wait, for the rows of kind scale")
	f.DurationVar(&o.Time, "time", o.Time, "of one run, about")
	f.DurationVar(&o.Quiet, "quiet", o.Quiet, "`time` to wait before each run until the machine is quiet")
	f.Func("peers", "measure these too: postfix, haraka, or both with a comma", func(s string) error {
		o.Peers = strings.Split(s, ",")
		return nil
	})
	f.Func("only", "measure only these `kinds` of rows, with commas: "+strings.Join(kinds(), ", "), func(s string) error {
		o.Only = strings.Split(s, ",")
		for _, kind := range o.Only {
			if !slices.Contains(kinds(), kind) {
				return fmt.Errorf("there are %s", strings.Join(kinds(), ", "))
			}
		}
		return nil
	})
	f.StringVar(&o.Out, "out", o.Out, "`folder` of the results")
	f.StringVar(&o.Dir, "dir", o.Dir, "`folder` in which servers keep their data (default a temporary one)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no command; bench -h lists them", f.Arg(0))
	}
	return o, nil
}
