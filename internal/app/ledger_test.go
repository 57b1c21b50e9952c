package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

// wantOpen looks and holds what the ledger says then against want.
func (l *openLedger) wantOpen(t *testing.T, when string, want bool) {
	t.Helper()
	l.look(t.Context(), time.Minute)
	if got := l.partlyDelivered(); got != want {
		t.Errorf("%s: open %v, want %v", when, got, want)
	}
}

func note(t *testing.T, l gate.Ledger) {
	t.Helper()
	if err := l.Note(t.Context(), "key", []string{"member"}, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func TestALedgerIsOpenWhileAnyGateHasANoteInItAndWhileNobodyCanTell(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	l := newOpenLedger(store)
	if !l.partlyDelivered() {
		t.Error("closed before it was looked at")
	}
	l.wantOpen(t, "nothing is noted", false)
	note(t, store)
	l.wantOpen(t, "another gate noted something", true)
	if err := store.Forget(t.Context(), "key", "another gate", []string{"member"}); err != nil {
		t.Fatal(err)
	}
	l.wantOpen(t, "it is forgotten", false)
	store.Fail(errors.New("connection refused"))
	l.wantOpen(t, "the store is away", true)
	store.Fail(nil)
	l.wantOpen(t, "the store is back", false)
}

func TestANoteOfOurOwnOpensTheLedgerAtOnce(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	l := newOpenLedger(store)
	l.wantOpen(t, "nothing is noted", false)
	note(t, l)
	if !l.partlyDelivered() {
		t.Error("closed after a note")
	}
	l.wantOpen(t, "the store has the note", true)
}

// late is a ledger that notes something between the store's answer and its return.
type late struct {
	gate.Ledger
	meanwhile func()
}

func (l *late) Open(ctx context.Context) (bool, error) {
	open, err := l.Ledger.Open(ctx)
	l.meanwhile()
	return open, err
}

func TestALookThatBeganBeforeANoteDoesNotCloseTheLedger(t *testing.T) {
	t.Parallel()
	behind := &late{Ledger: gatetest.NewStore()}
	l := newOpenLedger(behind)
	behind.meanwhile = func() { note(t, l) }
	l.wantOpen(t, "noted meanwhile", true)
}

func TestTheLedgerIsLookedAtUntilTheEnd(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	l := newOpenLedger(store)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { l.run(ctx, time.Millisecond); close(ended) }()
	gatetest.Eventually(t, "it is closed", func() bool { return !l.partlyDelivered() })
	note(t, store)
	gatetest.Eventually(t, "it is open", l.partlyDelivered)
	stop()
	<-ended
}
