package smtpproxy_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// The tests of this file measure what the whole process allocates, so none runs beside another.

const megabytes25 = 25 << 20

// allocated is how many octets were allocated during f, whether they are still in use or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// unrecorded lets the gate send to an upstream that keeps nothing.
func unrecorded(w *world, o *smtpproxy.Options) {
	w.upstream = smtptest.Start(w.tb, smtptest.Unrecorded())
	o.Upstream = w.pool()
}

// large sends a message of 25 MB, piece by piece.
func (c *rawClient) large(from string, to ...string) string {
	c.tb.Helper()
	c.begin(from, to...)
	head, piece := []byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte(strings.Repeat("x", 998)+"\r\n"), 64)
	for sent, p := 0, head; sent < megabytes25; sent, p = sent+len(p), piece {
		if _, err := c.nc.Write(p); err != nil {
			c.tb.Fatal(err)
		}
	}
	if _, err := c.nc.Write([]byte(".\r\n")); err != nil {
		c.tb.Fatal(err)
	}
	return c.reply()
}

// crowd gives n people a consent and returns their names.
func (w *world) crowd(n int) []string {
	w.tb.Helper()
	names, events := make([]string, n), make([]gate.Event, n)
	for i := range n {
		names[i] = fmt.Sprintf("p%02d", i)
		events[i] = gate.Event{
			ID: ulid.Make().String(), Recipient: names[i] + "@example.net", Purpose: "news", Type: gate.Granted, Method: gate.MethodActive,
			DefaultState: gate.DefaultUnticked, Time: w.clock.read().Add(-time.Hour), Source: gate.Source{Kind: "form", ID: "footer"}, Actor: "test",
		}
	}
	for _, o := range (gate.Intake{Store: w.store, Keys: keys{}}).Apply(w.tb.Context(), w.clock.read(), events, false) {
		if o.Err != nil {
			w.tb.Fatal(o.Err)
		}
	}
	return names
}

func TestALargeMessageSplitForFiftyNeedsNoMoreMemoryThanASmallOne(t *testing.T) { //nolint:paralleltest // measures the process
	w := start(t, bigMessages, unrecorded)
	to, c := w.crowd(50), w.rawClient()
	var reply string
	used := allocated(func() { reply = c.large("promo@example.com", to...) })
	if !strings.HasPrefix(reply, "250") {
		t.Fatal(reply)
	}
	if bound := uint64(4 << 20); used > bound {
		t.Errorf("%d KiB allocated for 50 copies of 25 MB, want %d at most", used>>10, bound>>10)
	}
	t.Logf("%d KiB allocated", used>>10)
}

func TestEightLargeMessagesAtOncePassWithoutBeingKept(t *testing.T) { //nolint:paralleltest // measures the process
	w := start(t, bigMessages, unrecorded)
	clients := make([]*rawClient, 8)
	for i := range clients {
		clients[i] = w.rawClient()
	}
	used := allocated(func() {
		var sending sync.WaitGroup
		for _, c := range clients {
			sending.Go(func() {
				if reply := c.large("news@example.com", "active"); !strings.HasPrefix(reply, "250") {
					t.Error(reply)
				}
			})
		}
		sending.Wait()
	})
	if bound := uint64(8 << 20); used > bound {
		t.Errorf("%d KiB allocated for 8 messages of 25 MB, want %d at most", used>>10, bound>>10)
	}
	t.Logf("%d KiB allocated", used>>10)
}

// TestAnUpstreamThatReadsSlowlyHoldsTheClientBack: backpressure, not memory.
func TestAnUpstreamThatReadsSlowlyHoldsTheClientBack(t *testing.T) { //nolint:paralleltest // measures the process
	w := start(t, bigMessages, func(w *world, o *smtpproxy.Options) {
		w.upstream = smtptest.Start(t, smtptest.Unrecorded())
		o.Upstream = upstream.New(upstream.Options{
			Targets: []upstream.Target{{Address: w.upstream.Addr(), TLS: upstream.None}}, Write: 300 * time.Millisecond,
		})
		w.pools = append(w.pools, o.Upstream.(*upstream.Pool))
	})
	w.upstream.On(smtptest.Body, smtptest.Hang())
	c := w.rawClient()
	var reply string
	used := allocated(func() { reply = c.large("news@example.com", "active") })
	if !strings.HasPrefix(reply, "451 4.4.1") {
		t.Errorf("%s, want 451 4.4.1: the dot cannot have left", reply)
	}
	if bound := uint64(4 << 20); used > bound {
		t.Errorf("%d KiB allocated while the upstream did not read, want %d at most", used>>10, bound>>10)
	}
	w.upstream.Clear()
}
