//go:build linux

// Package load is the client side of every measurement. Throughput comes from Postfix's smtp-source, which others know
// and can run themselves; a message at a time, idle sessions and mixed envelopes come from a client of our own that
// blocks in the kernel, so that the Go scheduler's wake-ups are not part of what it times.
//
// It refuses to send anywhere but to loopback. Only bench imports it.
package load
