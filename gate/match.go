package gate

import (
	"fmt"
	"slices"
	"strings"
)

// CheckPattern reports what is wrong with a reverse-path pattern. There are three forms: an address, *@domain, and
// prefix+*@domain for return paths that carry a tag (VERP).
func CheckPattern(pattern string) error {
	local, _, _ := strings.Cut(pattern, "@")
	probe := pattern
	if head, ok := strings.CutSuffix(local, "*"); ok && (head == "" || strings.HasSuffix(head, "+")) {
		probe = head + "x" + pattern[len(local):]
	}
	if _, err := ParseAddress(probe); err != nil {
		return fmt.Errorf("sender pattern %q: use address, *@domain or prefix+*@domain: %w", pattern, err)
	}
	return nil
}

// MatchSender reports whether a reverse-path fits one of the patterns. Both sides are compared in canonical form; the
// null reverse-path (the zero Address) fits none.
func MatchSender(patterns []string, sender Address) bool {
	return !sender.IsZero() && slices.ContainsFunc(patterns, func(p string) bool { return matches(p, sender) })
}

func matches(pattern string, sender Address) bool {
	at := strings.LastIndexByte(pattern, '@')
	if at < 0 {
		return false
	}
	local, want := sender.canonical[:sender.at], lowerASCII(pattern[:at])
	head, wild := strings.CutSuffix(want, "*")
	if wild && (head == "" || strings.HasSuffix(head, "+")) {
		domain, err := canonicalDomain(pattern[at+1:])
		return err == nil && domain == sender.Domain() && len(local) > len(head) && strings.HasPrefix(local, head)
	}
	exact, err := ParseAddress(pattern)
	return err == nil && exact.canonical == sender.canonical
}

// PickStream chooses the stream of a transaction: the first candidate with a pattern that the reverse-path fits, else
// the candidate named fallback, else none with ReasonStreamNotAllowed.
func PickStream(candidates []*Stream, sender Address, fallback string) (*Stream, Reason) {
	for _, s := range candidates {
		if MatchSender(s.Match, sender) {
			return s, ""
		}
	}
	for _, s := range candidates {
		if s.Name == fallback {
			return s, ""
		}
	}
	return nil, ReasonStreamNotAllowed
}
