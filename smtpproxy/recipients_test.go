package smtpproxy_test

import (
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
)

// TestAMessageToAsManyAsTheSettingsAllowIsPlannedAtOnce: it takes minutes where each recipient is compared with all
// others, and a tenth of a second where not.
func TestAMessageToAsManyAsTheSettingsAllowIsPlannedAtOnce(t *testing.T) {
	t.Parallel()
	const most = 100_000 // limits.recipients
	began := time.Now()
	first, retry := smtpproxy.Copies(most)
	if first != most || retry != most/2 {
		t.Errorf("%d copies, and %d for the retry", first, retry)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
