package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Sizes in octets (RFC 5321 section 4.5.3.1): a path is 256 with its angle brackets.
const (
	maxMailbox   = 254
	maxLocalPart = 64
	maxDomain    = 253
	maxLabel     = 63
)

// Address is a mailbox in two forms: verbatim, as the client wrote it and as it goes to the upstream, and canonical,
// which is what consent is looked up by. The zero Address is no mailbox.
type Address struct {
	verbatim  string
	canonical string
	at        int // of the @ before the domain, in canonical
}

// ParseAddress reads a mailbox (RFC 5321 section 4.1.2, RFC 6531 section 3.3): local@domain, without angle brackets.
//
// The canonical form lower-cases the ASCII letters of the local part and folds nothing else there (Unicode case
// mapping would let one person's consent serve another), drops quotes that quote nothing, and turns the domain into
// lower-case A-labels (UTS 46, non-transitional). Dots and plus tags stay.
//
// It refuses more than the grammar does, on purpose: a quoted local part may hold atext and dots only. Blanks, angle
// brackets, @, commas, backslashes and quotes inside quotes are misread by enough mail software that the recipient
// who is looked up here and the one who gets the message could be two people. Local parts that are not in Unicode
// normal form C, and invisible characters anywhere, are refused for the same reason.
//
// Errors wrap ErrInvalidAddress and do not repeat the address.
func ParseAddress(s string) (Address, error) {
	if at := strings.IndexByte(s, '@'); at > 0 && len(s) <= maxMailbox && plainLocal(s[:at]) && plainDomain(s[at+1:]) {
		return Address{verbatim: s, canonical: s, at: at}, nil
	}
	if err := checkText(s); err != nil {
		return Address{}, err
	}
	local, domain, err := splitMailbox(s)
	if err != nil {
		return Address{}, err
	}
	if local, err = canonicalLocal(local); err != nil {
		return Address{}, err
	}
	if domain, err = canonicalDomain(domain); err != nil {
		return Address{}, err
	}
	a := Address{verbatim: s, canonical: local + "@" + domain, at: len(local)}
	if len(a.canonical) > maxMailbox {
		return Address{}, invalidAddress("longer than 254 octets as A-labels")
	}
	return a, nil
}

// String returns the address as it was written.
func (a Address) String() string { return a.verbatim }

// Canonical returns the form that consent is looked up by.
func (a Address) Canonical() string { return a.canonical }

// Domain returns the canonical domain: A-labels, or an address literal in brackets.
func (a Address) Domain() string {
	if a.IsZero() {
		return ""
	}
	return a.canonical[a.at+1:]
}

// Masked returns the form for logs and pages that must not show an address: a***@example.com.
func (a Address) Masked() string {
	if a.IsZero() {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimPrefix(a.canonical, `"`))
	return string(first) + "***@" + a.Domain()
}

// NeedsUTF8 reports whether the verbatim form needs SMTPUTF8 on the wire (RFC 6531).
func (a Address) NeedsUTF8() bool { return !isASCII(a.verbatim) }

// IsZero reports whether a is no address at all.
func (a Address) IsZero() bool { return a.canonical == "" }

func invalidAddress(why string) error { return fmt.Errorf("%w: %s", ErrInvalidAddress, why) }

// checkText refuses what no mailbox may hold wherever it stands.
func checkText(s string) error {
	if len(s) > maxMailbox {
		return invalidAddress("longer than 254 octets")
	}
	if !utf8.ValidString(s) {
		return invalidAddress("not UTF-8")
	}
	for _, r := range s {
		if r == ' ' || !unicode.IsPrint(r) {
			return invalidAddress("blank, control or invisible character")
		}
	}
	return nil
}

// splitMailbox cuts at the @ that ends the local part; quotes stay on the local part.
func splitMailbox(s string) (local, domain string, err error) {
	end := strings.IndexByte(s, '@')
	if strings.HasPrefix(s, `"`) {
		if end = strings.IndexByte(s[1:], '"') + 2; end < 2 || end >= len(s) || s[end] != '@' {
			return "", "", invalidAddress("quoted local part is not closed before the @")
		}
	}
	if end < 0 {
		return "", "", invalidAddress("no @")
	}
	return s[:end], s[end+1:], nil
}

func canonicalLocal(s string) (string, error) {
	if len(s) > maxLocalPart {
		return "", invalidAddress("local part longer than 64 octets")
	}
	content, quoted := s, strings.HasPrefix(s, `"`)
	if quoted {
		content = s[1 : len(s)-1]
	}
	if content == "" {
		return "", invalidAddress("local part is empty")
	}
	if i := strings.IndexFunc(content, func(r rune) bool { return r != '.' && !isAtext(r) }); i >= 0 {
		return "", invalidAddress("character in the local part that is not atext")
	}
	dots := misplacedDots(content)
	if dots && !quoted {
		return "", invalidAddress("dot at an end of the local part, or two in a row")
	}
	lower := lowerASCII(content)
	// Both, since lower-casing can make a letter compose with the mark behind it (H + U+0331), or stop doing so.
	if !norm.NFC.IsNormalString(content) || !norm.NFC.IsNormalString(lower) {
		return "", invalidAddress("local part is not in Unicode normal form C")
	}
	if dots {
		return `"` + lower + `"`, nil
	}
	return lower, nil
}

func misplacedDots(s string) bool {
	return s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..")
}

// canonicalDomain returns lower-case A-labels, or an address literal (RFC 5321 section 4.1.3) as netip writes it.
func canonicalDomain(s string) (string, error) {
	if plainDomain(s) {
		return s, nil
	}
	if strings.HasPrefix(s, "[") {
		return canonicalLiteral(s)
	}
	if lower := lowerASCII(s); plainDomain(lower) {
		return lower, nil
	}
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true))
	domain, err := profile.ToASCII(s)
	if err != nil || !hostname(domain) {
		return "", invalidAddress("domain is no host name")
	}
	// A mapping that maps its own result again would give one domain two names.
	if again, err := profile.ToASCII(domain); err != nil || again != domain {
		return "", invalidAddress("domain has no stable A-label form")
	}
	return domain, nil
}

func canonicalLiteral(s string) (string, error) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	tag := len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:")
	if tag {
		inner = inner[5:]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || !closed || ip.Is6() != tag || ip.Zone() != "" {
		return "", invalidAddress("address literal is neither [IPv4] nor [IPv6:…]")
	}
	if tag {
		return "[IPv6:" + ip.String() + "]", nil
	}
	return "[" + ip.String() + "]", nil
}

// plainLocal reports whether s is a dot-atom of ASCII without upper-case letters: its own canonical form.
func plainLocal(s string) bool {
	if len(s) > maxLocalPart || misplacedDots(s) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' || c != '.' && !isAtext(rune(c)) {
			return false
		}
	}
	return true
}

// plainDomain reports whether s is a host name without A-labels: nothing to map and nothing to validate.
func plainDomain(s string) bool {
	return hostname(s) && !strings.HasPrefix(s, "xn--") && !strings.Contains(s, ".xn--")
}

// hostname reports whether s is dot-separated labels of lower-case letters, digits and inner hyphens.
func hostname(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if !isLabel(s[start:i]) {
				return false
			}
			start = i + 1
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// isAtext: RFC 5322 section 3.2.3, with the non-ASCII characters of RFC 6531 section 3.3.
func isAtext(r rune) bool {
	switch r {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r >= utf8.RuneSelf
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lowerASCII lower-cases the ASCII letters and shares s where there are none.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
