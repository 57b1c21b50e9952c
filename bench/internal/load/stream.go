//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Stream is mail at a fixed rate over kept connections, to be there while something else is measured. Recipients are
// those of a Watch who consented.
type Stream struct {
	Addr  string
	From  string
	Size  int // octets of a message
	Rate  int // messages a second
	Conns int
}

// Streamed is what became of it. Took is from the time that a message was due until its answer; Deferred were asked to
// come again, and did not.
type Streamed struct {
	Took     []time.Duration
	Deferred int
}

// Run sends until ctx ends. The error is a reply that is neither good nor a deferral.
func (s Stream) Run(ctx context.Context) (Streamed, error) {
	var deferred atomic.Int64
	took := make([][]time.Duration, s.Conns)
	start := time.Now()
	var g errgroup.Group
	for first := range s.Conns {
		g.Go(func() error {
			c, err := Dial(s.Addr)
			if err != nil {
				return err
			}
			for i := first; ctx.Err() == nil; i += s.Conns {
				due := start.Add(time.Duration(i) * time.Second / time.Duration(s.Rate))
				time.Sleep(time.Until(due))
				id := fmt.Sprintf("%d.%d", start.UnixNano(), i)
				err := c.stepwise(newTransaction(s.From, Message(s.Size, id), Address(i%Watchers+1, Watched)))
				if errors.Is(err, ErrDeferred) {
					deferred.Add(1)
					err = c.command("RSET", 250)
				}
				if err != nil {
					c.Close()
					return fmt.Errorf("message %d: %w", i+1, err)
				}
				took[first] = append(took[first], time.Since(due))
			}
			return c.Quit()
		})
	}
	err := g.Wait()
	return Streamed{Took: slices.Concat(took...), Deferred: int(deferred.Load())}, err
}
