package bulk_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// stores opens a new store of each kind, initialised.
func stores(t *testing.T) map[string]gate.Store {
	t.Helper()
	server, cluster := testredis.Start(t), testredis.Cluster(t)
	return map[string]gate.Store{
		"sqlite":  sqliteStore(t),
		"redis":   redisStore(t, redisstore.Options{Addrs: []string{server.Addr}}),
		"cluster": redisStore(t, redisstore.Options{Addrs: cluster.Addrs, Cluster: true}),
	}
}

func sqliteStore(t *testing.T) gate.Store {
	t.Helper()
	s, err := sqlitestore.Open(sqlitestore.Options{Path: filepath.Join(t.TempDir(), "consent.db")})
	return initialised(t, s, err)
}

func redisStore(t *testing.T, o redisstore.Options) gate.Store {
	t.Helper()
	s, err := redisstore.Open(o)
	return initialised(t, s, err)
}

func initialised(t *testing.T, s gate.Store, err error) gate.Store {
	t.Helper()
	if err == nil {
		err = s.Init(t.Context(), gate.Meta{Fingerprint: "0123456789abcdef", Created: now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill records n people, each with a grant, and every third with a withdrawal.
func fill(t *testing.T, s gate.Store, keys *seal.Keys, n int) {
	t.Helper()
	var events []gate.Event
	for i := range n {
		e := gate.Event{
			ID: fmt.Sprint("g", i), Recipient: fmt.Sprintf("person%d@example.com", i), Type: gate.Granted, Method: gate.MethodPassive,
			Purpose: "newsletter", Time: now().AddDate(0, 0, -9), Source: gate.Source{Kind: "contest", ID: "quiz"},
		}
		if events = append(events, e); i%3 == 0 {
			e.ID, e.Type, e.Method, e.Source, e.Time = fmt.Sprint("w", i), gate.Withdrawn, "", gate.Source{}, now().AddDate(0, 0, -1)
			events = append(events, e)
		}
	}
	for i, o := range (gate.Intake{Store: s, Keys: keys}).Apply(t.Context(), now(), events, false) {
		if o.Err != nil {
			t.Fatalf("event %d: %v", i, o.Err)
		}
	}
}

func TestResealingGoesOnWhereItWasStoppedAndReachesEverybody(t *testing.T) {
	t.Parallel()
	const people = 300
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			keys, err := seal.Open(dir, seal.Options{MayCreate: true})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, s, keys, people)
			if _, err := seal.Rotate(dir, seal.EncryptionKey, rand.Reader, time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := keys.Refresh(); err != nil {
				t.Fatal(err)
			}
			ctx, kill := context.WithCancel(t.Context())
			first := bulk.Resealer{Store: s, Keys: keys, Progress: func(r bulk.Resealed) {
				if r.Recipients == people/2 {
					kill()
				}
			}}
			half, err := first.Run(ctx)
			if !errors.Is(err, context.Canceled) || half.Resealed == 0 || half.Resealed >= people {
				t.Fatalf("stopped half-way: %+v, %v", half, err)
			}
			rest, err := (&bulk.Resealer{Store: s, Keys: keys}).Run(t.Context())
			if err != nil || half.Resealed+rest.Resealed != people || rest.Recipients != people || rest.Unreadable != 0 {
				t.Errorf("half %+v and then %+v of %d, %v", half, rest, people, err)
			}
			wantSealed(t, s, keys, people)
		})
	}
}

// wantSealed looks whether everybody's address is sealed with the key in use, beside an unchanged history.
func wantSealed(t *testing.T, s gate.Store, keys *seal.Keys, people int) {
	t.Helper()
	met := 0
	for p, err := range s.Persons(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		met++
		if again, err := keys.Reseal(p.Sealed); err != nil || again != p.Sealed {
			t.Fatalf("the address of %s is sealed with another key: %v", p.ID, err)
		}
		text, err := keys.Unseal(p.Sealed)
		a, err2 := gate.ParseAddress(text)
		if err != nil || err2 != nil || keys.ID(a) != p.ID {
			t.Fatalf("%s holds the address of another: %v, %v", p.ID, err, err2)
		}
		if want := gate.Fold(p.Events); want.For("newsletter") != p.Record.For("newsletter") || len(p.Events) == 0 {
			t.Fatalf("record of %s: %+v, want %+v", p.ID, p.Record, want)
		}
	}
	if met != people {
		t.Errorf("%d people, want %d", met, people)
	}
}

// emptyStore was never initialised.
func emptyStore(t *testing.T) gate.Store {
	t.Helper()
	s, err := sqlitestore.Open(sqlitestore.Options{Path: filepath.Join(t.TempDir(), "consent.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
