//go:build !linux

package testredis

import "os/exec"

// endWithParent does nothing where the system has no such signal.
func endWithParent(*exec.Cmd) {}
