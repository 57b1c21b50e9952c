package config_test

import (
	"errors"
	"os"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
)

// FuzzConfig: no file makes the loader panic, and whatever it refuses it refuses with a line or a field.
func FuzzConfig(f *testing.F) {
	f.Add(config.Sample())
	for _, path := range []string{"testdata/good/full.yaml", "testdata/bad/types.yaml", "testdata/bad/syntax.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"", "-", "a: &x\nb: *x", "? {a: b}\n: c", "<<: {a: b}", "streams: {? : }", "!!map {}", "---\n---\na: b", "\x00", "tls: [", "listeners: {a: - b}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("config.yaml", data, config.Options{Env: environ()})
		if err == nil {
			if c.DataDir == "" || len(c.Streams()) == 0 {
				t.Errorf("accepted, but incomplete: %+v", c)
			}
			return
		}
		wrong, ok := errors.AsType[*config.Error](err)
		if !ok {
			t.Fatalf("not a config.Error: %v", err)
		}
		for _, p := range wrong.Problems {
			if p.Text == "" || (p.Line == 0 && p.Field == "") {
				t.Errorf("neither line nor field: %+v", p)
			}
		}
	})
}
