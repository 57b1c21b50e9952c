package smtpproxy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy"
)

func TestASignInThatWaitsEndsWithTheDrain(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- smtpproxy.SignIn(ctx, "crm", "secret") }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a sign-in that waited ended with %v", err)
	}
}
