package smtpproxy_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// TestTheSameMessageToOtherRecipientsWhileItIsPartlyDelivered: the table of docs/decisions/0005. The first try named r1,
// r2 and r3, and r1 was put off.
func TestTheSameMessageToOtherRecipientsWhileItIsPartlyDelivered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second, served string // who gets it by the second try
		open           bool   // notes stand beyond it
	}{
		"those of the first try":       {"r1 r2 r3", "r1", false},
		"fewer, and one of the served": {"r1 r2", "r1", true},
		"more":                         {"r1 r2 r3 r4", "r1 r4", false},
		"others beside one of them":    {"r2 r4", "r4", true},
		"others alone":                 {"r4 r5", "r4 r5", true},
		"only such as have it":         {"r2 r3", "", false},
		"one who has it":               {"r2", "r2", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.upstream.OnRcpt("r1@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
			w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 2 of 3", "r1", "r2", "r3"))
			w.upstream.Forget()
			w.play(message("order@shop.example.com", "250", strings.Fields(tt.second)...))
			for _, who := range []string{"r1", "r2", "r3", "r4", "r5"} {
				want := strings.Count(tt.served, who)
				if n := w.served(who); n != want {
					t.Errorf("%s was served %d times, want %d", who, n, want)
				}
			}
			if open := w.partlyDelivered(); open != tt.open {
				t.Errorf("notes stand: %v, want %v", open, tt.open)
			}
		})
	}
}
