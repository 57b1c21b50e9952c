//go:build !linux

package main

// calm has nothing to do: only Linux has a slack of timers.
func calm() {}
