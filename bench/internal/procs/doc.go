//go:build linux

// Package procs starts the programs that a benchmark measures and reads from /proc what they used: CPU time, memory,
// and what the rest of the machine did meanwhile.
//
// It knows nothing of mail. A process that it starts is ended by its Stop, or by the kernel where the benchmark itself
// is killed. Only bench and its packages import it.
package procs
