package upstream_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]upstream.Target{
		"127.0.0.1:1025":                       {Address: "127.0.0.1:1025", TLS: upstream.None},
		"localhost:25":                         {Address: "localhost:25", TLS: upstream.None},
		"[::1]:25":                             {Address: "[::1]:25", TLS: upstream.None},
		"mx.example.com:25":                    {Address: "mx.example.com:25", TLS: upstream.Opportunistic},
		"smtp://mx.example.com":                {Address: "mx.example.com:25", TLS: upstream.None},
		"smtp+starttls://gate@mx.example.com":  {Address: "mx.example.com:587", TLS: upstream.StartTLS, Username: "gate"},
		"smtp+starttls://mx.example.com:2587/": {Address: "mx.example.com:2587", TLS: upstream.StartTLS},
		"smtps://gate@mx.example.com":          {Address: "mx.example.com:465", TLS: upstream.Implicit, Username: "gate"},
		"smtps://a%40b.example@mx.example.com": {Address: "mx.example.com:465", TLS: upstream.Implicit, Username: "a@b.example"},
		"smtps://a@b.example@mx.example.com":   {Address: "mx.example.com:465", TLS: upstream.Implicit, Username: "a@b.example"},
		"smtp://gate@127.0.0.1:2525":           {Address: "127.0.0.1:2525", TLS: upstream.None, Username: "gate"},
		"smtps://[2001:db8::1]:465":            {Address: "[2001:db8::1]:465", TLS: upstream.Implicit},
	} {
		got, err := upstream.ParseURL(text)
		if err != nil {
			t.Errorf("ParseURL(%q): %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseURL(%q) (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseURLSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "host:port",
		"mx.example.com":                   "host:port",
		":25":                              "no host",
		"mx.example.com:smtp":              "1 to 65535",
		"mx.example.com:0":                 "1 to 65535",
		"mx.example.com:65536":             "1 to 65535",
		"gate@mx.example.com:587":          "smtp+starttls://",
		"http://mx.example.com":            "smtp, smtp+starttls or smtps",
		"smtps://":                         "no host",
		"smtps://mx.example.com/inbox":     "remove the path",
		"smtps://mx.example.com?tls=no":    "remove the path, query",
		"smtps://gate:hunter2@mx.example":  "CONSENTGATE_UPSTREAM_PASSWORD",
		"smtps://gate:hunter2@mx:x":        "cannot be read",
		"smtps://gate:hun/ter2@mx.example": "cannot be read",
		"smtp://gate@mx.example.com":       "in the clear",
		"mx.exa mple.com:25":               "blanks",
	} {
		_, err := upstream.ParseURL(text)
		if err == nil {
			t.Errorf("ParseURL(%q) succeeded, want an error with %q", text, want)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, want) || strings.Contains(msg, "ter2") || strings.Contains(msg, "\n") {
			t.Errorf("ParseURL(%q): %q, want one sentence with %q and without the password", text, msg, want)
		}
	}
}
