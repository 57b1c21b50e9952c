package gate_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/consentgate/consentgate/gate"
)

func TestParseAddressCanonicalForm(t *testing.T) {
	t.Parallel()
	for sentence, tc := range map[string]struct{ in, canonical, domain, masked string }{
		"a plain address is its own canonical form":    {"ann@example.com", "ann@example.com", "example.com", "a***@example.com"},
		"ASCII letters are lower-cased on both sides":  {"Ann.B@EXAMPLE.Com", "ann.b@example.com", "example.com", "a***@example.com"},
		"dots and plus tags stay":                      {"a.n.n+shop@example.com", "a.n.n+shop@example.com", "example.com", "a***@example.com"},
		"every atext character is accepted":            {"!#$%&'*+-/=?^_`{|}~0@example.com", "!#$%&'*+-/=?^_`{|}~0@example.com", "example.com", "!***@example.com"},
		"quotes that quote nothing are dropped":        {`"Ann"@example.com`, "ann@example.com", "example.com", "a***@example.com"},
		"quotes that are needed stay":                  {`"Ann..x"@docomo.ne.jp`, `"ann..x"@docomo.ne.jp`, "docomo.ne.jp", "a***@docomo.ne.jp"},
		"a trailing dot may be quoted":                 {`"ann."@docomo.ne.jp`, `"ann."@docomo.ne.jp`, "docomo.ne.jp", "a***@docomo.ne.jp"},
		"a leading dot may be quoted":                  {`".ann"@docomo.ne.jp`, `".ann"@docomo.ne.jp`, "docomo.ne.jp", ".***@docomo.ne.jp"},
		"non-ASCII letters are not folded":             {"ÄNN@example.com", "Änn@example.com", "example.com", "Ä***@example.com"},
		"a Kelvin-like letter is no k":                 {"ſam@example.com", "ſam@example.com", "example.com", "ſ***@example.com"},
		"a U-label becomes an A-label":                 {"ann@bücher.example", "ann@xn--bcher-kva.example", "xn--bcher-kva.example", "a***@xn--bcher-kva.example"},
		"an A-label in capitals is the same":           {"ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example", "xn--bcher-kva.example", "a***@xn--bcher-kva.example"},
		"capital U-labels are mapped":                  {"ann@BÜCHER.example", "ann@xn--bcher-kva.example", "xn--bcher-kva.example", "a***@xn--bcher-kva.example"},
		"sharp s is not transitional":                  {"ann@straße.example", "ann@xn--strae-oqa.example", "xn--strae-oqa.example", "a***@xn--strae-oqa.example"},
		"a full-width dot separates labels":            {"ann@example。com", "ann@example.com", "example.com", "a***@example.com"},
		"two hyphens inside a label stand":             {"ann@r3---x.example.com", "ann@r3---x.example.com", "r3---x.example.com", "a***@r3---x.example.com"},
		"a host name of one label is a domain":         {"ann@localhost", "ann@localhost", "localhost", "a***@localhost"},
		"an IPv4 literal is accepted":                  {"ann@[192.0.2.1]", "ann@[192.0.2.1]", "[192.0.2.1]", "a***@[192.0.2.1]"},
		"an IPv6 literal is written one way":           {"ann@[ipv6:2001:DB8:0::1]", "ann@[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", "a***@[IPv6:2001:db8::1]"},
		"a local part of 64 octets is accepted":        {strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com", "example.com", "a***@example.com"},
		"one that is quoted is measured with quotes":   {`"` + strings.Repeat("A", 62) + `"@example.com`, strings.Repeat("a", 62) + "@example.com", "example.com", "a***@example.com"},
		"a label of 63 octets is accepted":             {"a@" + strings.Repeat("b", 63) + ".com", "a@" + strings.Repeat("b", 63) + ".com", strings.Repeat("b", 63) + ".com", "a***@" + strings.Repeat("b", 63) + ".com"},
		"a domain may be digits (RFC 5321 sub-domain)": {"a@1.2", "a@1.2", "1.2", "a***@1.2"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			a, err := gate.ParseAddress(tc.in)
			if err != nil {
				t.Fatalf("ParseAddress(%q): %v", tc.in, err)
			}
			if a.Canonical() != tc.canonical || a.Domain() != tc.domain || a.Masked() != tc.masked || a.String() != tc.in {
				t.Errorf("ParseAddress(%q) = canonical %q domain %q masked %q verbatim %q; want %q %q %q",
					tc.in, a.Canonical(), a.Domain(), a.Masked(), a.String(), tc.canonical, tc.domain, tc.masked)
			}
			if a.IsZero() {
				t.Error("a parsed address is zero")
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	for sentence, in := range map[string]string{
		"nothing":                                "",
		"no @":                                   "ann",
		"no local part":                          "@example.com",
		"no domain":                              "ann@",
		"two unquoted @":                         "ann@y@example.com",
		"a list":                                 "ann@x.example,bob@y.example",
		"a blank":                                "ann b@example.com",
		"a quoted blank":                         `"ann b"@example.com`,
		"a quoted >":                             `"victim@y> NOTIFY=NEVER"@evil.example`,
		"a quoted > without blanks":              `"victim>"@evil.example`,
		"a quoted @":                             `"ann@y"@example.com`,
		"a quoted backslash":                     `"a\nn"@example.com`,
		"a quoted quote":                         `"a\"n"@example.com`,
		"a quoted comma":                         `"a,n"@example.com`,
		"quotes that never close":                `"ann@example.com`,
		"a lone quote":                           `"`,
		"quotes around nothing":                  `""@example.com`,
		"quotes that close early":                `"a"nn@example.com`,
		"quotes and no domain":                   `"ann"`,
		"quotes and an empty domain":             `"ann"@`,
		"a source route":                         "@r.example:ann@example.com",
		"angle brackets":                         "<ann@example.com>",
		"a parenthesis":                          "ann(x)@example.com",
		"a leading dot":                          ".ann@example.com",
		"a trailing dot":                         "ann.@example.com",
		"two dots":                               "a..b@example.com",
		"NUL":                                    "an\x00n@example.com",
		"CR LF":                                  "ann@example.com\r\n",
		"DEL":                                    "ann\x7f@example.com",
		"a C1 control":                           "ann\u0085@example.com",
		"a no-break space":                       "ann\u00a0b@example.com",
		"a zero-width space":                     "ann\u200b@example.com",
		"a text direction override":              "ann\u202eb@example.com",
		"a soft hyphen in the domain":            "ann@exam\u00adple.com",
		"invalid UTF-8":                          "ann\xff@example.com",
		"a local part not in NFC":                "a\u0308nn@example.com",
		"one that lower-casing takes out of NFC": "H\u0331@example.com",
		"one that only lower-casing puts in NFC": "I\u0307@example.com",
		"a Kelvin sign":                          "\u212aate@example.com",
		"a local part of 65 octets":              strings.Repeat("a", 65) + "@example.com",
		"a path of 255 octets":                   strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 95) + "comx",
		"254 octets that grow as A-labels":       strings.Repeat("a", 64) + "@" + strings.Repeat("üx.", 45) + "example",
		"an empty label":                         "ann@example..com",
		"a domain that ends in a dot":            "ann@example.com.",
		"a label that begins with a hyphen":      "ann@-example.com",
		"a label that ends with a hyphen":        "ann@example-.com",
		"a label of 64 octets":                   "ann@" + strings.Repeat("b", 64) + ".com",
		"an underscore in the domain":            "ann@my_host.example",
		"an A-label that decodes to nothing":     "ann@xn--.example",
		"an A-label that is not one":             "ann@xn--a.example",
		"a right-to-left mix":                    "ann@aא.example",
		"a literal that does not close":          "ann@[192.0.2.1",
		"a literal that is no address":           "ann@[192.0.2]",
		"an IPv6 literal without its tag":        "ann@[2001:db8::1]",
		"an IPv4 literal with an IPv6 tag":       "ann@[IPv6:192.0.2.1]",
		"a literal with a zone":                  "ann@[IPv6:fe80::1%eth0]",
		"a literal with leading zeros":           "ann@[192.000.2.1]",
		"text behind a literal":                  "ann@[192.0.2.1]x",
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			a, err := gate.ParseAddress(in)
			if !errors.Is(err, gate.ErrInvalidAddress) {
				t.Fatalf("ParseAddress(%q) = %q, %v; want ErrInvalidAddress", in, a.Canonical(), err)
			}
			if !a.IsZero() || a.Domain() != "" || a.Masked() != "" || a.String() != "" {
				t.Errorf("ParseAddress(%q) left %+v beside its error", in, a)
			}
		})
	}
}

func TestAddressNeedsUTF8OnTheWireWhereverNonASCIIStands(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"ann@example.com": false, "änn@example.com": true, "ann@bücher.example": true, "ann@xn--bcher-kva.example": false,
	} {
		if got := address(t, in).NeedsUTF8(); got != want {
			t.Errorf("%s: NeedsUTF8 = %v, want %v", in, got, want)
		}
	}
}

func TestPlainAddressIsParsedWithoutAllocation(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := gate.ParseAddress("ann.miller+news@mail.example.com"); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"ann@example.com", `"Ann..x"@docomo.ne.jp`, "ü@straße.example", "a@[IPv6:2001:DB8::1]", "H\u0331@x.example",
		`"victim@y> NOTIFY=NEVER"@evil.example`, "a@xn--bcher-kva.example", "a@b@c", "a\x00@x", "a@example。com", `""@x`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := gate.ParseAddress(s)
		if err != nil {
			if !errors.Is(err, gate.ErrInvalidAddress) {
				t.Fatalf("ParseAddress(%q): %v does not wrap ErrInvalidAddress", s, err)
			}
			return
		}
		again, err := gate.ParseAddress(a.Canonical())
		if err != nil || again.Canonical() != a.Canonical() {
			t.Fatalf("canonical of %q is %q, and its own canonical %q, %v", s, a.Canonical(), again.Canonical(), err)
		}
		for _, form := range []string{a.String(), a.Canonical(), a.Masked()} {
			if strings.ContainsFunc(form, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) || strings.ContainsAny(form, "<>") {
				t.Fatalf("%q passed with %q", s, form)
			}
		}
		if !strings.HasSuffix(a.Canonical(), "@"+a.Domain()) {
			t.Fatalf("%q: domain %q is not that of %q", s, a.Domain(), a.Canonical())
		}
	})
}

func BenchmarkParseAddress(b *testing.B) {
	for name, s := range map[string]string{
		"plain": "ann.miller+news@mail.example.com", "capitals": "Ann.Miller@Example.COM", "u-label": "ann@bücher.example",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := gate.ParseAddress(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func address(t testing.TB, s string) gate.Address {
	t.Helper()
	a, err := gate.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
