// Command consentgate is an SMTP relay that lets a message through only to people whose consent allows it, and the
// tools around it.
//
// main is thin: each command has a file of its own, turns flags into values, calls a package and prints. What commands
// share is in root.go and program.go; exit codes are in exit.go. Nothing imports this package.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	p := &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env: os.Getenv, root: os.Geteuid() == 0, now: time.Now, signals: signals, calm: calm,
	}
	os.Exit(p.execute(context.Background(), p.rootCommand(), os.Args[1:]))
}

// signals ends the context at Ctrl-C or SIGTERM; from then on another one kills.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
