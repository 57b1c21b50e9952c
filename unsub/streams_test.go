package unsub_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

func streams(t *testing.T, k unsub.StreamKeeper, configured ...*gate.Stream) *unsub.Streams {
	t.Helper()
	s, err := unsub.NewStreams(k, configured)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func weekly() *gate.Stream { return &gate.Stream{Name: "weekly", Purpose: "newsletter"} }

func TestStreamIsFoundByItsCode(t *testing.T) {
	t.Parallel()
	earlier := gatetest.NewStore()
	if err := streams(t, earlier, &gate.Stream{Name: "monthly", Purpose: "newsletter"}).Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := streams(t, earlier, weekly())
	for name, want := range map[string]unsub.Flow{
		"weekly":  {Name: "weekly", Purpose: "newsletter"}, // configured
		"monthly": {Purpose: "newsletter"},                 // removed, remembered by the store
		"ancient": {Purpose: gate.AllPurposes},             // removed before anything was remembered
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := s.Find(t.Context(), unsub.StreamCode(name))
			if err != nil || got != want {
				t.Errorf("Find = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestConfiguredStreamIsFoundWithoutTheStoreAndAnotherIsNotGuessed(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	store.Fail(errDown)
	s := streams(t, store, weekly())
	if _, err := s.Find(t.Context(), unsub.StreamCode("weekly")); err != nil {
		t.Error(err)
	}
	if f, err := s.Find(t.Context(), unsub.StreamCode("monthly")); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("Find = %+v, %v, want ErrUnavailable", f, err)
	}
}

func TestStreamsAreRememberedOnceTheStoreIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := gatetest.NewStore()
		store.Fail(errDown)
		time.AfterFunc(5*time.Second, func() { store.Fail(nil) })
		streams(t, store, weekly()).Remember(t.Context(), slog.New(slog.DiscardHandler))
		got, err := store.Streams(t.Context())
		if err != nil || got[unsub.StreamCode("weekly")] != "newsletter" {
			t.Errorf("remembered %v, %v", got, err)
		}
	})
}

func TestRememberEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	store.Fail(errDown)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	streams(t, store, weekly()).Remember(ctx, slog.New(slog.DiscardHandler)) // returns
}

func TestStreamsOfOneCodeAndTwoPurposesAreRefused(t *testing.T) {
	t.Parallel()
	const one, two = "stream-54270", "stream-88945"
	if unsub.StreamCode(one) != unsub.StreamCode(two) {
		t.Fatal("the two names have two codes")
	}
	_, err := unsub.NewStreams(gatetest.NewStore(), []*gate.Stream{
		{Name: one, Purpose: "newsletter"}, {Name: two, Purpose: "offers"},
	})
	if err == nil || !strings.Contains(err.Error(), one) || !strings.Contains(err.Error(), two) {
		t.Errorf("NewStreams: %v, want an error that names %s and %s", err, one, two)
	}
}
