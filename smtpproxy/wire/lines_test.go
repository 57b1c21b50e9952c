package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

func TestLinesAreFoldedOnlyBetweenParts(t *testing.T) {
	t.Parallel()
	url := "<https://u.example.com/" + strings.Repeat("x", 900) + ">"
	var l wire.Lines
	for _, err := range []error{
		l.Add("List-Id", "News <news.example.com>"),
		l.Add("List-Unsubscribe", url),
		l.AddFolded("X-Both", "<https://u.example.com>,", "<mailto:u@example.com>"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "List-Id: News <news.example.com>\r\nList-Unsubscribe: " + url + "\r\n" +
		"X-Both: <https://u.example.com>,\r\n <mailto:u@example.com>\r\n"
	if got := string(l.Bytes()); got != want {
		t.Errorf("%q", got)
	}
	if l.Reset(); len(l.Bytes()) > 0 {
		t.Error("Reset left lines")
	}
}

func TestFieldsThatCannotStand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name  string
		parts []string
	}{
		"CRLF in the value":    {"X", []string{"a\r\nBcc: b"}},
		"LF in the value":      {"X", []string{"a\nb"}},
		"CR in the value":      {"X", []string{"a\rb"}},
		"NUL in the value":     {"X", []string{"a\x00b"}},
		"tab in the value":     {"X", []string{"a\tb"}},
		"non-ASCII value":      {"X", []string{"é"}},
		"CRLF in a later part": {"X", []string{"a", "b\r\nc"}},
		"blank value":          {"X", []string{" "}},
		"blank part":           {"X", []string{"a", ""}},
		"no part":              {"X", nil},
		"no name":              {"", []string{"a"}},
		"colon in the name":    {"X:", []string{"a"}},
		"blank in the name":    {"X Y", []string{"a"}},
		"CRLF in the name":     {"X\r\nY", []string{"a"}},
		"name with a dot":      {".X", []string{"a"}}, // would need stuffing
		"line of 999":          {"X", []string{strings.Repeat("x", 996)}},
		"part of 998":          {"X", []string{"a", strings.Repeat("x", 998)}},
	}
	for name, tc := range tests {
		var l wire.Lines
		if err := l.AddFolded(tc.name, tc.parts...); !errors.Is(err, wire.ErrBadField) || len(l.Bytes()) > 0 {
			t.Errorf("%s: %v, %q", name, err, l.Bytes())
		}
	}
	var l wire.Lines
	if err := l.AddFolded("X", strings.Repeat("x", 995), strings.Repeat("x", 997)); err != nil {
		t.Errorf("lines of exactly 998: %v", err)
	}
}

func TestStuffing(t *testing.T) {
	t.Parallel()
	for plain, stuffed := range map[string]string{
		"":                          "",
		"a\r\nb\r\n":                "a\r\nb\r\n",
		".\r\n":                     "..\r\n",
		".a\r\n..\r\n.\r\n.b\r\n":   "..a\r\n...\r\n..\r\n..b\r\n",
		"a.\r\n":                    "a.\r\n",
		"a\r\n\r\n.\r\n\r\n.x.\r\n": "a\r\n\r\n..\r\n\r\n..x.\r\n",
	} {
		if got := string(wire.Stuff([]byte(plain))); got != stuffed {
			t.Errorf("Stuff(%q) = %q", plain, got)
		}
		if got := string(wire.Unstuff([]byte(stuffed))); got != plain {
			t.Errorf("Unstuff(%q) = %q", stuffed, got)
		}
	}
}
