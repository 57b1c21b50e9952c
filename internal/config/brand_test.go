package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/unsub"
)

func TestLogoIsReadFromItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, says string }{
		"logo.svg":   {`<svg xmlns="http://www.w3.org/2000/svg"/>`, ""},
		"page.html":  {"<html></html>", "neither PNG nor SVG"},
		"large.svg":  {strings.Repeat(" ", unsub.MaxLogo+1), "larger than 256 KiB"},
		"absent.svg": {"", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, name)
			if c.content != "" {
				if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b, err := config.Brand{Name: "Example", LogoFile: path}.Public()
			switch {
			case c.says == "" && (err != nil || b.Name != "Example" || b.Logo.Type != "image/svg+xml"):
				t.Errorf("brand %+v, %v", b, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("error %v, want it to say %q", err, c.says)
			}
		})
	}
}
