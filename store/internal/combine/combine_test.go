package combine_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/store/internal/combine"
)

// job counts how often it ran.
type job struct{ ran atomic.Int32 }

func TestALoneCallRunsAtOnceWithItsOwnContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, "own")
	var got any
	g := combine.New(func(ctx context.Context, jobs []*job) { got = ctx.Value(key{}) })
	defer g.Close()
	if err := g.Do(ctx, &job{}); err != nil || got != "own" {
		t.Errorf("got context value %v, error %v; want the caller's own context", got, err)
	}
}

func TestCallsThatArriveMeanwhileRunTogether(t *testing.T) {
	t.Parallel()
	const callers = 20
	gateOpen, started := make(chan struct{}), make(chan int, callers)
	g := combine.New(func(_ context.Context, jobs []*job) {
		started <- len(jobs)
		<-gateOpen
		for _, j := range jobs {
			j.ran.Add(1)
		}
	})
	defer g.Close()

	jobs := make([]job, callers)
	var wg sync.WaitGroup
	var calling atomic.Int32
	call := func(j *job) {
		wg.Go(func() {
			calling.Add(1)
			if err := g.Do(context.Background(), j); err != nil {
				t.Errorf("Do: %v", err)
			}
		})
	}
	call(&jobs[0])
	first := <-started
	for i := range jobs[1:] {
		call(&jobs[i+1])
	}
	for calling.Load() < callers {
		runtime.Gosched()
	}
	close(gateOpen)
	wg.Wait()
	if first != 1 {
		t.Errorf("the first run had %d jobs, want 1", first)
	}
	for i := range jobs {
		if n := jobs[i].ran.Load(); n != 1 {
			t.Errorf("job %d ran %d times, want once", i, n)
		}
	}
}

func TestAWaiterLeavesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	gateOpen, started := make(chan struct{}), make(chan struct{})
	g := combine.New(func(_ context.Context, jobs []*job) {
		close(started)
		<-gateOpen
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Do(context.Background(), &job{}) })
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var late job
	if err := g.Do(ctx, &late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the end of the deadline", err)
	}
	close(gateOpen)
	wg.Wait()
	g.Close()
	if late.ran.Load() != 0 {
		t.Error("a job nobody waits for was run")
	}
}

// endsUnheard has ended by the time its batch begins, but its waiter hears of the batch first.
type endsUnheard struct {
	context.Context
	asked atomic.Int32
}

func (c *endsUnheard) Err() error {
	if c.asked.Add(1) == 1 {
		return nil
	}
	return context.DeadlineExceeded
}

// Nil would say that a lookup was answered, and an empty answer is "no consent".
func TestAJobThatWasLeftOutIsNeverSaidToHaveRun(t *testing.T) {
	t.Parallel()
	gateOpen, started := make(chan struct{}), make(chan struct{})
	g := combine.New(func(context.Context, []*job) {
		close(started)
		<-gateOpen
	})
	defer g.Close()
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Do(context.Background(), &job{}) })
	<-started
	ctx := &endsUnheard{Context: context.Background()}
	wg.Go(func() {
		if err := g.Do(ctx, &job{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v for a job that never ran, want the end of its deadline", err)
		}
	})
	g.AwaitWaiting()
	close(gateOpen)
	wg.Wait()
}

func TestABatchEndsWithTheLastOfItsDeadlines(t *testing.T) {
	t.Parallel()
	now := time.Now()
	own, early, late := now.Add(time.Minute), now.Add(2*time.Minute), now.Add(3*time.Minute)
	gateOpen, started := make(chan struct{}), make(chan struct{}, 9)
	latest := make(map[*job]time.Time) // by the last job of a run; only one runs at a time
	g := combine.New(func(ctx context.Context, jobs []*job) {
		started <- struct{}{}
		<-gateOpen
		for _, j := range jobs {
			latest[j], _ = ctx.Deadline()
		}
	})
	var wg sync.WaitGroup
	do := func(j *job, until time.Time) {
		wg.Go(func() {
			ctx, cancel := context.WithDeadline(context.Background(), until)
			defer cancel()
			if err := g.Do(ctx, j); err != nil {
				t.Errorf("Do: %v", err)
			}
		})
	}
	var first, second, third job
	do(&first, own)
	<-started
	do(&second, late)
	do(&third, early)
	close(gateOpen)
	wg.Wait()
	g.Close()
	if !latest[&first].Equal(own) {
		t.Errorf("the lone call had until %v, want its own %v", latest[&first], own)
	}
	// Whether the two met in one batch or not, neither may end before its caller does.
	if latest[&second].Before(late) || latest[&third].Before(early) {
		t.Errorf("batches had until %v and %v, want no earlier than %v and %v", latest[&second], latest[&third], late, early)
	}
}

func TestCloseEndsTheBatchAndRefusesLaterCalls(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 9)
	gateOpen := make(chan struct{})
	g := combine.New(func(ctx context.Context, jobs []*job) {
		started <- struct{}{}
		select {
		case <-gateOpen:
		case <-ctx.Done():
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Do(context.Background(), &job{}) })
	<-started
	for range 3 {
		wg.Go(func() { _ = g.Do(context.Background(), &job{}) })
	}
	gateOpen <- struct{}{} // the lone call ends; a batch, if one starts, runs until Close
	g.Close()
	wg.Wait()
	if err := g.Do(context.Background(), &job{}); !errors.Is(err, combine.ErrClosed) {
		t.Errorf("got error %v, want ErrClosed", err)
	}
}
