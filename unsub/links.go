package unsub

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// The header stays on one line of 120 octets, because folding breaks signatures in the field; maxPublicURL is what
// that leaves.
const (
	maxHeaderLine = 120
	maxPublicURL  = maxHeaderLine - len("List-Unsubscribe: <") - len("/u/") - urlLength - len(">,")
)

// Links writes the unsubscribe links of one gate.
type Links struct {
	tokens Tokens
	public string // where the handler is reached, without a slash at its end; empty: nowhere
	base   string // of the URLs in a header, with "/u/"; empty: none
	domain string // of the mailtos; empty: none
}

// NewLinks checks where links lead. publicURL is where this package's handler is reached: https, or http on a loopback
// host, at most 46 octets. mailtoDomain is the domain of the inbound listener. Either may be empty, and then links of
// that kind are not written.
func NewLinks(t Tokens, publicURL, mailtoDomain string) (*Links, error) {
	l := &Links{tokens: t}
	if publicURL != "" {
		base := strings.TrimRight(publicURL, "/")
		if err := checkPublicURL(base); err != nil {
			return nil, fmt.Errorf("unsubscribe.public_url %q: %w", publicURL, err)
		}
		l.public, l.base = base, base+"/u/"
	}
	if mailtoDomain != "" {
		a, err := gate.ParseAddress("u@" + mailtoDomain)
		if err != nil {
			return nil, fmt.Errorf("unsubscribe mailto domain %q: %w", mailtoDomain, err)
		}
		l.domain = a.Domain()
	}
	return l, nil
}

func checkPublicURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want https://host with at most a path behind it")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("want https, since mail clients take one-click from nothing else (http only on a loopback host)")
	case strings.ContainsFunc(base, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>",`, r) }):
		return errors.New("want ASCII; write the host as A-labels (xn--…)")
	case len(base) > maxPublicURL:
		return fmt.Errorf("want at most %d octets, so that the header stays on one line", maxPublicURL)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// URL returns the one-click and page address of a recipient for a stream.
func (l *Links) URL(id gate.ID, stream string) string {
	return l.base + l.tokens.Make(id, stream, TokenUnsubscribe)
}

// Preferences returns the address of a recipient's preference page.
func (l *Links) Preferences(id gate.ID) string {
	return l.public + "/p/" + l.tokens.Make(id, "", TokenPreferences)
}

// Confirmation returns the address of the page where a recipient confirms the purpose of a stream.
func (l *Links) Confirmation(id gate.ID, stream string) string {
	return l.public + "/c/" + l.tokens.Make(id, stream, TokenConfirmation)
}

// Mailto returns the mailto URI of a recipient for a stream. The token is in the local part, since some clients send an
// empty subject; the subject is for people who look at what they send.
func (l *Links) Mailto(id gate.ID, stream string) string {
	return "mailto:" + l.tokens.MakeLocalPart(id, stream, TokenUnsubscribe) + "@" + l.domain + "?subject=unsubscribe"
}

// Find returns the token of the first URI in a List-Unsubscribe value that is ours: for unsubscribing, below the public
// URL or at the mailto domain. Its only error is ErrBadToken.
func (l *Links) Find(value string) (text string, t Token, err error) {
	for _, part := range strings.Split(value, "<")[1:] {
		uri, _, closed := strings.Cut(part, ">")
		if !closed {
			continue
		}
		text := l.tokenOf(strings.Join(strings.Fields(uri), "")) // blanks are not part of it (RFC 2369 section 2)
		if t, err := l.tokens.Parse(text); err == nil && t.Kind == TokenUnsubscribe {
			return text, t, nil
		}
	}
	return "", Token{}, ErrBadToken
}

// tokenOf is what stands in the place of a token in a URI of ours, empty for others.
func (l *Links) tokenOf(uri string) string {
	if rest, ok := cutPrefixFold(uri, l.base); ok && l.base != "" {
		return rest
	}
	rest, ok := cutPrefixFold(uri, "mailto:")
	local, domain, _ := strings.Cut(rest, "@")
	domain, _, _ = strings.Cut(domain, "?")
	if !ok || l.domain == "" || !strings.EqualFold(domain, l.domain) {
		return ""
	}
	return local
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// AppendHeader appends the header lines that the stream asks for, each ended by CRLF, and nothing where it asks for
// none that can be written: List-Unsubscribe (RFC 2369) with the https URI first and a mailto on a folded line of its
// own, and List-Unsubscribe-Post (RFC 8058) where there is an https URI.
func (l *Links) AppendHeader(b []byte, id gate.ID, s *gate.Stream) []byte {
	web := l.base != "" && slices.Contains(s.Unsubscribe, "https")
	mail := l.domain != "" && slices.Contains(s.Unsubscribe, "mailto")
	if !web && !mail {
		return b
	}
	b = append(b, "List-Unsubscribe: "...)
	if web {
		b = append(append(b, '<'), l.base...)
		b = append(l.tokens.append(b, id, s.Name, TokenUnsubscribe), '>')
	}
	if web && mail {
		b = append(b, ",\r\n "...)
	}
	if mail {
		b = append(append(append(b, '<'), l.Mailto(id, s.Name)...), '>')
	}
	b = append(b, "\r\n"...)
	if web {
		b = append(b, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
	}
	return b
}
