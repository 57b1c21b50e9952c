//go:build linux

// Package rig sets up what a benchmark needs around the gate, all on loopback and in one folder: a real Redis, haproxy
// in TCP mode, consent records written through the store's own code, and the gate itself, built and configured as one
// would. It also judges what the upstream received: a run that lost, doubled or leaked mail gives no figure.
//
// It times nothing. Only bench imports it.
package rig
