package main

import (
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// The exit codes, which others script against.
const (
	exitOK    = 0 // done; check: permit
	exitError = 1 // it did not work
	exitUsage = 2 // the command line makes no sense
	exitBlock = 3 // check: block
	exitDefer = 4 // check: defer
)

// usageError is a command line that makes no sense: a flag missing, a value that cannot be read.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// verdict ends a command that has printed its answer already.
type verdict gate.Verdict

func (v verdict) Error() string { return string(v) }

func (v verdict) code() int {
	switch gate.Verdict(v) {
	case gate.Permit:
		return exitOK
	case gate.Block:
		return exitBlock
	}
	return exitDefer
}

// explain prints why a command did not work, if it did not, and returns the exit code.
func (p *program) explain(err error) int {
	var v verdict
	var u usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &v):
		return v.code()
	case errors.As(err, &u) || !p.started:
		p.say("%v", err)
		p.say("see consentgate --help, or --help after a command")
		return exitUsage
	}
	p.say("%v", err)
	return exitError
}
