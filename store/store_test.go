package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store"
)

func TestEachKindOfURLReachesAStoreThatServes(t *testing.T) {
	t.Parallel()
	server, cluster := testredis.Start(t), testredis.Cluster(t)
	sentinel, _, _ := testredis.Sentinel(t)
	for _, url := range []string{
		server.URL,
		"unix:" + server.Socket + "?db=1",
		cluster.URL,
		sentinel,
		"sqlite:" + filepath.Join(t.TempDir(), "consent.db"),
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s, err := store.Open(ctx, url, store.Options{})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer s.Close()
		if err := s.Init(ctx, gate.Meta{Fingerprint: "f", Created: time.Unix(1, 0)}); err != nil {
			t.Errorf("%s: Init: %v", url, err)
		}
		if l := s.Records(ctx, make([]gate.ID, 1))[0]; l.Err != nil {
			t.Errorf("%s: Records: %v", url, l.Err)
		}
	}
}

func TestAReadingCommandOnAMissingFileIsToldThePath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nowhere.db")
	s, err := store.Open(context.Background(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Meta(context.Background())
	if !errors.Is(err, gate.ErrUninitialised) || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want ErrUninitialised with the path", err)
	}
	if found, _ := filepath.Glob(path + "*"); len(found) > 0 {
		t.Errorf("reading created %v", found)
	}
}
