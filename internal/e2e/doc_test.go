// Package e2e tests the whole program among its real neighbours: swaks and Python's smtplib as clients, a real Redis,
// a real Postfix as upstream, all on loopback and gone with the test.
//
// It holds tests only. postfix_test.go starts Postfix, clients_test.go sends through other people's clients.
package e2e_test

import (
	"testing"
	"time"
)

// waitFor asks until done says yes, and fails the test when timeout has passed. what completes "waited for …".
func waitFor(t *testing.T, timeout time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.After(timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v for %s", timeout, what)
		}
	}
}
