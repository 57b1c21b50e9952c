package app_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/testredis"
)

// settings are those of an embedded store in dir.
func settings(t *testing.T, dir string) *config.Config {
	t.Helper()
	c, err := config.Parse("", nil, config.Options{
		Env: func(string) string { return "" }, Flags: config.Overlay{DataDir: dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens the store, closes it, and returns what was logged.
func open(t *testing.T, c *config.Config, create bool) (logged string, err error) {
	t.Helper()
	var b bytes.Buffer
	s, keys, err := app.OpenStore(t.Context(), c, slog.New(slog.NewTextHandler(&b, nil)), create)
	if err != nil {
		return b.String(), err
	}
	if keys == nil {
		t.Error("a store without keys")
	}
	return b.String(), s.Close()
}

func TestAStoreThatWasNeverSeenIsMadeByServeOnly(t *testing.T) {
	t.Parallel()
	c := settings(t, t.TempDir())
	if _, err := open(t, c, false); !errors.Is(err, gate.ErrUninitialised) || !strings.Contains(err.Error(), "consentgate store init") {
		t.Errorf("a command: %v", err)
	}
	if entries, _ := os.ReadDir(c.DataDir); len(entries) > 0 {
		t.Errorf("a command made %v", entries)
	}
	if logged, err := open(t, c, true); err != nil || !strings.Contains(logged, "initialising an empty store") {
		t.Errorf("serve: %v, %s", err, logged)
	}
	if _, err := open(t, c, false); err != nil {
		t.Errorf("a command, afterwards: %v", err)
	}
}

func TestAStoreThatWasSeenAndIsEmptyNowIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	c := settings(t, t.TempDir())
	if _, err := open(t, c, true); err != nil {
		t.Fatal(err)
	}
	lose(t, c)
	s, keys, err := app.OpenStore(t.Context(), c, slog.New(slog.DiscardHandler), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ann, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Records(t.Context(), []gate.ID{keys.ID(ann)})[0]; !errors.Is(got.Err, gate.ErrUnavailable) {
		t.Errorf("lookup in a lost store = %v, want ErrUnavailable", got.Err)
	}
	if _, err := open(t, c, false); !errors.Is(err, gate.ErrUnavailable) || !errors.Is(err, gate.ErrUninitialised) {
		t.Errorf("a command on a lost store: %v, want both ErrUnavailable and ErrUninitialised", err)
	}
	if logged, err := open(t, c, true); err != nil || !strings.Contains(logged, "store init") {
		t.Errorf("serve must name store init: %v, %s", err, logged)
	}
	if _, err := app.InitStore(t.Context(), c, slog.New(slog.DiscardHandler), false); !errors.Is(err, app.ErrLost) {
		t.Errorf("store init: %v, want ErrLost", err)
	}
	done, err := app.InitStore(t.Context(), c, slog.New(slog.DiscardHandler), true)
	if want := (app.Initialised{Fresh: true, Lost: true}); err != nil || done != want {
		t.Errorf("store init --lost: %+v, %v", done, err)
	}
	done, err = app.InitStore(t.Context(), c, slog.New(slog.DiscardHandler), false)
	if want := (app.Initialised{}); err != nil || done != want {
		t.Errorf("store init of one that stands: %+v, %v", done, err)
	}
	if logged, err := open(t, c, true); err != nil || logged != "" {
		t.Errorf("serve, afterwards: %v, %s", err, logged)
	}
}

func TestAStoreThatLostAPartIsNotRepairedInSilence(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	c := settings(t, t.TempDir())
	c.Store = server.URL
	initStore := func(lost bool) (app.Initialised, error) {
		return app.InitStore(t.Context(), c, slog.New(slog.DiscardHandler), lost)
	}
	if done, err := initStore(false); err != nil || done != (app.Initialised{Fresh: true}) {
		t.Fatalf("store init: %+v, %v", done, err)
	}
	for _, key := range []string{"cg:meta", "cg:{AA}"} {
		server.MustDo("DEL", key)
		if _, err := initStore(false); !errors.Is(err, app.ErrLost) {
			t.Errorf("without %s: %v, want ErrLost", key, err)
		}
		if done, err := initStore(true); err != nil || done != (app.Initialised{Lost: true}) {
			t.Errorf("without %s, --lost: %+v, %v", key, done, err)
		}
	}
}

// lose removes the embedded store's files.
func lose(t *testing.T, c *config.Config) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.DataDir, "consent.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no store in %s: %v", c.DataDir, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStoreOfAnotherIDKeyIsRefused(t *testing.T) {
	t.Parallel()
	ours, theirs := settings(t, t.TempDir()), settings(t, t.TempDir())
	for _, c := range []*config.Config{ours, theirs} {
		if _, err := open(t, c, true); err != nil {
			t.Fatal(err)
		}
	}
	ours.Store = theirs.Store
	for _, create := range []bool{false, true} {
		if _, err := open(t, ours, create); err == nil || !strings.Contains(err.Error(), "another id key") {
			t.Errorf("create %v: %v", create, err)
		}
	}
}

func TestAStoreThatIsAwayStopsCommandsAndNotServe(t *testing.T) {
	t.Parallel()
	c := settings(t, t.TempDir())
	if _, err := open(t, c, true); err != nil {
		t.Fatal(err) // makes the keys
	}
	c.Store = "redis://127.0.0.1:1/0"
	if _, err := open(t, c, false); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("a command: %v", err)
	}
	if logged, err := open(t, c, true); err != nil || !strings.Contains(logged, "deferred") {
		t.Errorf("serve: %v, %s", err, logged)
	}
}

func TestAWrongStoreURLIsOneSentenceWithoutItsPassword(t *testing.T) {
	t.Parallel()
	c := settings(t, t.TempDir())
	c.Store = "redis://gate:hunter2@127.0.0.1:port/0"
	_, err := open(t, c, false)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
}
