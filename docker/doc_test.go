// Package docker checks Dockerfile and docker-compose.yml where no Docker engine runs. It reads both, builds the
// program as the image does, lays out a root tree with what the image holds, and runs the services in it as the compose
// file says: user, entrypoint, command, environment, mounts, read-only root. Only the network is another: loopback.
//
// It holds tests only. dockerfile_test.go and compose_test.go read the files, sandbox_test.go stands in for the engine.
package docker_test

import (
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// waitFor asks until done says yes. what completes "waited for …".
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
