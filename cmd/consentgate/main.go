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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env: os.Getenv, root: os.Geteuid() == 0, now: time.Now,
	}
	code := p.execute(ctx, p.rootCommand(), os.Args[1:])
	stop()
	os.Exit(code)
}
