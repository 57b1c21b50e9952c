package gatetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

// TestErasure plants a marker wherever a store may keep an address, among many other people, erases its owners and
// searches the raw bytes of the store for it. raw returns everything that the store holds, uncompressed.
func TestErasure(t *testing.T, s gate.Store, raw func(ctx context.Context) []byte) {
	t.Helper()
	ctx := testContext(t)
	noError(t, "Init", s.Init(ctx, testMeta()))
	r := rand.New(rand.NewPCG(6, 2026))
	const people, erased = 300, 20 // every fifteenth goes
	plant(t, s, r, people)
	if !bytes.Contains(raw(ctx), []byte("marker-0-")) {
		t.Fatal("the marker is not found even before: the search is blind")
	}
	for n := range erased {
		x := gate.Erasure{ID: fmt.Sprint("x", n), Time: day(20), Actor: "cli:anna@mail", KeepProof: n%2 == 0}
		_, err := gate.Eraser{Store: s}.Erase(ctx, testID(n*people/erased), x)
		noError(t, "Erase", err)
	}
	all := raw(ctx)
	for n := range people {
		marker := fmt.Appendf(nil, "marker-%d-", n)
		gone := n%(people/erased) == 0
		if at := bytes.Index(all, marker); gone && at >= 0 {
			t.Errorf("%s is still there: %q", marker, all[max(0, at-60):min(len(all), at+60)])
		} else if !gone && at < 0 {
			t.Errorf("%s is gone, which nobody erased", marker)
		}
	}
}

// plant records events and block entries that carry each person's marker.
func plant(t *testing.T, s gate.Store, r *rand.Rand, people int) {
	t.Helper()
	for n := range people {
		marker := fmt.Sprintf("marker-%d-", n)
		var changes []gate.Change
		for i := range 1 + r.IntN(6) {
			c := grant(n, fmt.Sprintf("%s%d", "e", i), day(1, i))
			if r.IntN(3) == 0 {
				c = withdrawal(n, fmt.Sprintf("%s%d", "e", i), day(1, i))
			}
			c.Sealed, c.Event.Note, c.Event.UserAgent, c.Event.IP = marker+"sealed", marker+"note", marker+"agent", marker
			c.Event.Source.URL = "https://example.com/?to=" + marker
			changes = append(changes, c)
		}
		apply(t, s, changes...)
		var blocks []gate.BlockEntry
		for i := range r.IntN(4) {
			e := entry(n*10+i, day(2, n, i))
			e.RecipientID, e.Recipient, e.Address, e.MailFrom, e.Reply = testID(n), marker, marker+"sealed", "bounce+"+marker+"@news", "550 "+marker
			blocks = append(blocks, e)
		}
		noError(t, "AppendBlocks", s.AppendBlocks(testContext(t), blocks))
	}
}
