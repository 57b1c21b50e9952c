package hooks_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/unsub/hooks"
)

func TestATopicIsAnARNOfSNSWithANameOf256AtMost(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:sns:eu-west-3:123456789012:"
	for s, want := range map[string]bool{
		arn + "bounces": true,
		"arn:aws-cn:sns:cn-north-1:123456789012:b":   true,
		arn + strings.Repeat("n", 256):               true,
		arn + strings.Repeat("n", 257):               false,
		arn:                                          false,
		arn + "two words":                            false,
		"arn:aws:sqs:eu-west-3:123456789012:bounces": false,
		"arn:aws:sns:eu-west-3:12345:bounces":        false,
		"x" + arn + "bounces":                        false,
	} {
		if got := hooks.IsTopic(s); got != want {
			t.Errorf("IsTopic(%q) = %t, want %t", s, got, want)
		}
	}
}
