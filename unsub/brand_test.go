package unsub_test

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/unsub"
)

const svg = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><script>alert(1)</script></svg>`

func branded(t *testing.T, b unsub.Brand) *site {
	t.Helper()
	return newSite(t, func(o *unsub.Options) { o.Brand = b })
}

func TestPagesCarryTheBrand(t *testing.T) {
	t.Parallel()
	logo, err := unsub.ParseLogo([]byte(svg))
	if err != nil {
		t.Fatal(err)
	}
	s := branded(t, unsub.Brand{
		Name: "Ex & Co", Address: "1 Main Street", Contact: "privacy@example.com", PrivacyURL: "https://example.com/p", Logo: logo,
	})
	for _, path := range []string{s.path("weekly"), s.preferences(), "/u/bad"} {
		w := s.do("GET", path, "", "")
		has(t, w, w.Code, "Ex &amp; Co", "1 Main Street", `href="mailto:privacy@example.com"`, `href="https://example.com/p"`, `src="../logo"`)
	}
	has(t, s.do("GET", s.preferences(), "", ""), 200, "What Ex &amp; Co may send you")
}

func TestPagesWithoutABrandNameNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	has(t, s.do("GET", s.preferences(), "", ""), 200, "What the sender may send you", "!<header", "!<address", "!logo")
	if w := s.do("GET", "/logo", "", ""); w.Code != 404 {
		t.Errorf("a logo from nowhere: %d", w.Code)
	}
}

func TestPurposesAreCalledAsConfigured(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *unsub.Options) {
		o.Purposes = unsub.PurposeNames{"newsletter": {"fr": "Nos nouvelles"}}
	})
	for _, path := range []string{s.path("weekly"), s.preferences()} {
		has(t, s.do("GET", path+"?lang=fr", "", ""), 200, "Nos nouvelles", "!Newsletter")
		has(t, s.do("GET", path+"?lang=en", "", ""), 200, "!Nos nouvelles", "Newsletter")
	}
	has(t, s.do("POST", s.preferences()+"?lang=fr", urlencoded, "stop=newsletter"), 200, "Arrêté\u00a0: Nos nouvelles.")
}

func TestLogoIsAPictureAndCannotRunScripts(t *testing.T) {
	t.Parallel()
	logo, err := unsub.ParseLogo([]byte(svg))
	if err != nil {
		t.Fatal(err)
	}
	w := branded(t, unsub.Brand{Logo: logo}).do("GET", "/logo", "", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || w.Body.String() != svg {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none';") || !strings.HasSuffix(policy, "; sandbox") || strings.Contains(policy, "script") {
		t.Errorf("policy %q", policy)
	}
}

func TestLogoIsPNGOrSVGOfAModestSize(t *testing.T) {
	t.Parallel()
	picture := func(side int) string {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, 1))); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ data, want string }{
		"PNG":                       {picture(10), "image/png"},
		"SVG":                       {svg, "image/svg+xml"},
		"SVG behind a comment":      {"<!-- ours -->" + svg, "image/svg+xml"},
		"PNG that is too wide":      {picture(2049), ""},
		"PNG that is cut":           {picture(10)[:20], ""},
		"SVG without its namespace": {"<svg></svg>", ""},
		"SVG that is cut":           {svg[:len(svg)-3], ""},
		"HTML":                      {"<html xmlns='http://www.w3.org/1999/xhtml'></html>", ""},
		"JPEG":                      {"\xff\xd8\xff\xe0", ""},
		"nothing":                   {"", ""},
		"too large":                 {svg + strings.Repeat(" ", unsub.MaxLogo), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := unsub.ParseLogo([]byte(c.data))
			if got.Type != c.want || (err == nil) != (c.want != "") {
				t.Errorf("type %q, %v; want %q", got.Type, err, c.want)
			}
		})
	}
}

func TestTextOnAnyColourCanBeRead(t *testing.T) {
	t.Parallel()
	for _, colour := range []string{"#000000", "#ffffff", "#1f5fbf", "#ffcc00", "#777777", "#767676", "#ff0000", "#00ff00", "#0000FF"} {
		c, err := unsub.ParseColour(colour)
		if err != nil {
			t.Fatal(err)
		}
		css := branded(t, unsub.Brand{Colour: c}).do("GET", "/brand.css", "", "").Body.String()
		found := regexp.MustCompile(`#[0-9a-f]{6}`).FindAllString(css, -1)
		if len(found) != 2 || found[0] != strings.ToLower(colour) {
			t.Fatalf("style %q", css)
		}
		if got := contrast(t, found[0], found[1]); got < 4.5 {
			t.Errorf("%s on %s: contrast %.2f, want 4.5 (WCAG 2.2, 1.4.3)", found[1], found[0], got)
		}
	}
}

// The colours of style.css must be readable where they meet, light and dark.
func TestTextOfThePagesCanBeRead(t *testing.T) {
	t.Parallel()
	css := newSite(t).do("GET", "/style.css", "", "").Body.String()
	roots := regexp.MustCompile(`(?s):root \{.*?\}`).FindAllString(css, -1)
	if len(roots) != 2 {
		t.Fatalf("%d palettes, want light and dark", len(roots))
	}
	for _, root := range roots {
		palette := make(map[string]string)
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(root, -1) {
			palette[m[1]] = m[2]
		}
		for _, pair := range []string{"ink card", "soft card", "ink page", "soft page", "ink tint", "ink warn", "act-ink act"} {
			text, ground, _ := strings.Cut(pair, " ")
			if got := contrast(t, palette[text], palette[ground]); got < 4.5 {
				t.Errorf("%s: contrast %.2f, want 4.5", pair, got)
			}
		}
	}
}

// contrast is that of WCAG 2.2 between two #rrggbb, 1 to 21.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	light := func(colour string) float64 {
		sum := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			v := float64(n) / 255
			if v <= 0.04045 {
				sum += weight * v / 12.92
			} else {
				sum += weight * math.Pow((v+0.055)/1.055, 2.4)
			}
		}
		return sum
	}
	x, y := light(a), light(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestBrandTextsThatCannotStandAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "1f5fbf", "#1f5fb", "#1f5fbg", "#1f5fbf0", "#+f5fbf", "blue", "#fff;}"} {
		if _, err := unsub.ParseColour(s); err == nil {
			t.Errorf("colour %q accepted", s)
		}
	}
	for _, s := range []string{"", "ann", "javascript://x", "http://example.com", "https://", "https://a@example.com"} {
		if _, err := unsub.ParseContact(s); err == nil {
			t.Errorf("contact %q accepted", s)
		}
	}
}
