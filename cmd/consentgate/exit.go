package main

import (
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
)

// The exit codes, which others script against.
const (
	exitOK    = 0 // done; check: permit
	exitError = 1 // it did not work
	exitUsage = 2 // the command line makes no sense
	exitBlock = 3 // check: block; lint: something was found
	exitDefer = 4 // check: defer
)

// usageError is a command line that makes no sense: a flag missing, a value that cannot be read.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// answered ends a command that has printed its answer already, with this exit code.
type answered int

func (a answered) Error() string { return fmt.Sprintf("exit code %d", int(a)) }

func verdict(v gate.Verdict) error {
	switch v {
	case gate.Permit:
		return nil
	case gate.Block:
		return answered(exitBlock)
	}
	return answered(exitDefer)
}

// isUsage reports whether an error is about the command line: an argument, a flag, or the value of one.
func isUsage(err error) bool {
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return wrong.Flags()
	}
	_, ok := errors.AsType[usageError](err)
	return ok
}

// explain prints why a command did not work, if it did not, and returns the exit code.
func (p *program) explain(err error) int {
	var a answered
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &a):
		return int(a)
	case isUsage(err) || !p.started:
		p.say("%v", err)
		p.say("see consentgate --help, or --help after a command")
		return exitUsage
	}
	p.say("%v", err)
	return exitError
}
