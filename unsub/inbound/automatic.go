package inbound

import (
	"slices"
	"strings"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// message is what a message says that matters here.
type message struct {
	automatic bool   // no person sent it
	report    report // of a message to the address of the feedback loops
}

// automatic reports whether a machine sent the message: a vacation notice or a bounce is nobody's wish to unsubscribe.
// X-Auto-Response-Suppress does not count: it says that no answer is wanted, which may well be a person's mail.
func automatic(h wire.Header) bool {
	if v, ok := h.First("Auto-Submitted"); ok && word(v) != "no" { // RFC 3834 section 5
		return true
	}
	if v, _ := h.First("Precedence"); in(word(v), "bulk", "junk", "list", "auto_reply") {
		return true
	}
	if v, _ := h.First("Content-Type"); word(v) == "multipart/report" { // RFC 6522: bounces, read receipts
		return true
	}
	return h.Count("X-Autoreply")+h.Count("X-Autorespond") > 0
}

// word is the first word of a field, in lower case, without parameters and comments.
func word(value string) string {
	value, _, _ = strings.Cut(value, ";")
	value, _, _ = strings.Cut(value, "(")
	return strings.ToLower(strings.TrimSpace(value))
}

func in(s string, set ...string) bool { return slices.Contains(set, s) }
