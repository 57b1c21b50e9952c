package bulk

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/consentgate/consentgate/gate"
)

const (
	batchRows  = 512      // rows that go to the store in one call
	batchBytes = 64 << 10 // or fewer, where they are long
)

// Importer brings a file's rows into a store.
type Importer struct {
	Reading Reading
	Store   gate.Applier // a Rehearsal for a dry run
	Keys    gate.Sealer
	IDKey   string  // fingerprint of the id key; lines of an export that name somebody by id bear it
	Policy  Decider // nil: reach is not counted
	Streams []*gate.Stream
	Writers int // batches that are applied at the same time; 0: 1
	// Reject hears of each refused row, in the order of the file. An error ends the import.
	Reject func(Reject) error
	// Progress hears the counts after each batch, before Reject hears of its rows; nil: nobody.
	Progress func(Counts)
}

// Reject is a row that was refused.
type Reject struct {
	Line  int // that it begins on
	Cause string
	Row   string // as it stands in the file, without its line end
}

// Counts add up: Rows = Imported + Unchanged + Rejected + Unwritten.
type Counts struct {
	Rows      int `json:"rows"`      // read, without the header and blank lines
	Imported  int `json:"imported"`  // events that are new
	Unchanged int `json:"unchanged"` // events that stood already
	Rejected  int `json:"rejected"`
	Unwritten int `json:"unwritten"` // the store did not take them: import the file again
}

// Summary is what became of an import.
type Summary struct {
	Counts
	Line  int     `json:"line"` // the last line that was read
	Reach []Reach `json:"reach"`
	Note  string  `json:"note,omitempty"` // what the file cannot tell
}

// batch is some consecutive rows on their way.
type batch struct {
	text  []byte // of all rows
	rows  []span
	ready chan struct{} // closed once the result stands

	counts  Counts
	tally   tally
	rejects []Reject
	err     error // of the store
}

// span is a row's place in its batch's text, and its line.
type span struct{ from, to, line int }

// Run reads in to its end. When ctx ends it stops reading, lets the batches under way finish, and returns ctx's error;
// likewise where the store fails, with the store's. The summary always says what was done, and the same file may be
// imported again: events that stand are left alone.
func (im *Importer) Run(ctx context.Context, in io.Reader) (Summary, error) {
	file, err := im.Reading.open(in)
	if err != nil {
		return Summary{}, err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	writers := max(im.Writers, 1)
	work, ordered := make(chan *batch), make(chan *batch, 2*writers)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for b := range work {
				im.apply(context.WithoutCancel(ctx), file, b)
				close(b.ready)
			}
		})
	}
	var readErr error
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		readErr = file.batches(reading, func(b *batch) {
			ordered <- b
			work <- b
		})
	})
	sum, err := im.collect(ordered, stop)
	wg.Wait()
	sum.Line, sum.Note = file.line, file.note
	if err == nil && !errors.Is(readErr, io.EOF) {
		err = readErr
	}
	return sum, err
}

// batches hands out the file's rows until it or ctx ends; io.EOF is the file's end.
func (o *opened) batches(ctx context.Context, hand func(*batch)) error {
	for {
		b := &batch{
			text: make([]byte, 0, batchBytes+4<<10), rows: make([]span, 0, batchRows),
			ready: make(chan struct{}),
		}
		err := ctx.Err()
		for err == nil && len(b.rows) < batchRows && len(b.text) < batchBytes {
			var r record
			if r, err = o.next(); err == nil {
				b.rows = append(b.rows, span{len(b.text), len(b.text) + len(r.text), r.line})
				b.text = append(b.text, r.text...)
			}
		}
		if len(b.rows) > 0 {
			hand(b)
		}
		if err != nil {
			return err
		}
	}
}

// collect sums the batches in the order of the file and calls stop at the first that the store did not take.
func (im *Importer) collect(ordered <-chan *batch, stop func()) (Summary, error) {
	var sum Summary
	var total tally
	var failure error
	fail := func(err error) {
		if failure == nil && err != nil {
			failure = err
			stop()
		}
	}
	for b := range ordered {
		<-b.ready
		sum.add(b.counts)
		total = total.add(b.tally)
		fail(b.err)
		if im.Progress != nil {
			im.Progress(sum.Counts)
		}
		for _, r := range b.rejects {
			fail(im.Reject(r))
		}
	}
	sum.Reach = im.reach(total)
	return sum, failure
}

func (c *Counts) add(more Counts) {
	c.Rows += more.Rows
	c.Imported += more.Imported
	c.Unchanged += more.Unchanged
	c.Rejected += more.Rejected
	c.Unwritten += more.Unwritten
}

// apply makes events of a batch's rows and applies them.
func (im *Importer) apply(ctx context.Context, file *opened, b *batch) {
	all := string(b.text)
	events, from := make([]gate.Event, len(b.rows)), make([]span, 0, len(b.rows))
	var kept []gate.Change
	b.counts.Rows = len(b.rows)
	for _, row := range b.rows {
		text, e := all[row.from:row.to], &events[len(from)]
		c, ok, err := im.kept(file, text)
		if !ok && err == nil {
			err = file.event(e, text)
		}
		switch {
		case err != nil:
			*e = gate.Event{}
			b.reject(all, row, err)
		case ok:
			kept = append(kept, c)
		default:
			from = append(from, row)
		}
	}
	intake := gate.Intake{Store: named{im.Store}, Keys: im.Keys}
	outcomes := intake.Apply(ctx, im.Reading.Now, events[:len(from)], false)
	for i, o := range outcomes {
		if errors.Is(o.Err, gate.ErrInvalidEvent) {
			b.reject(all, from[i], o.Err)
			continue
		}
		b.count(o.Applied, o.Err)
	}
	if len(kept) > 0 {
		for _, a := range im.Store.Apply(ctx, kept) {
			b.count(a, a.Err)
		}
	}
	slices.SortFunc(b.rejects, func(x, y Reject) int { return x.Line - y.Line })
	b.tally = im.judge(outcomes)
}

// count adds what became of an event that was sent to the store.
func (b *batch) count(a gate.Applied, err error) {
	switch {
	case err != nil:
		b.counts.Unwritten++
		b.err = err
	case a.Duplicate:
		b.counts.Unchanged++
	default:
		b.counts.Imported++
	}
}

func (b *batch) reject(all string, row span, err error) {
	b.counts.Rejected++
	b.rejects = append(b.rejects, Reject{
		Line:  row.line,
		Cause: strings.TrimPrefix(err.Error(), gate.ErrInvalidEvent.Error()+": "),
		Row:   strings.TrimRight(all[row.from:row.to], "\r\n"),
	})
}
