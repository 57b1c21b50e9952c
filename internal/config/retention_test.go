package config_test

import (
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/config"
)

func TestRetentionIsWrittenInTheUnitsOfPacks(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "3y": 3*365*day + 18*time.Hour, "6m": 182*day + 15*time.Hour, "100y": 100 * (365*day + 6*time.Hour),
		"730h30m": 730*time.Hour + 30*time.Minute, "forever": 0,
	} {
		c, err := config.Parse("x.yaml", []byte("data_dir: /tmp/x\nretention: {inactive: "+text+"}\n"), config.Options{Env: func(string) string { return "" }})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if c.Retention.Inactive != want {
			t.Errorf("%s is %v, want %v", text, c.Retention.Inactive, want)
		}
	}
	for _, text := range []string{"0m", "1.5y", "-1y", "101y", "60m0s", "y"} {
		if c, err := config.Parse("x.yaml", []byte("data_dir: /tmp/x\nretention: {inactive: "+text+"}\n"), config.Options{Env: func(string) string { return "" }}); err == nil {
			t.Errorf("%s is %v, want an error", text, c.Retention.Inactive)
		}
	}
}
