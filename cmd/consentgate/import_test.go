package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestAnInterruptedImportSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, scriptConfig)
	s.run("store", "init")
	in, feed := io.Pipe()
	defer feed.Close()
	var out, errs output
	p := s.program(&out, &errs)
	p.in = in
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	p.signals = func(context.Context) (context.Context, context.CancelFunc) { return ctx, interrupt }
	ended := make(chan int)
	go func() {
		ended <- p.execute(t.Context(), p.rootCommand(), []string{"import", "-", "--purpose", "newsletter"})
	}()

	var rows strings.Builder
	rows.WriteString("email\n")
	for i := range 1000 {
		fmt.Fprintf(&rows, "person%d@example.com\n", i)
	}
	for _, text := range []string{rows.String(), "half@exam"} { // the second is taken once the first was read
		if _, err := io.WriteString(feed, text); err != nil {
			t.Fatal(err)
		}
	}
	interrupt() // while the import waits for more
	if code := <-ended; code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	errs.wait(t, `stopped after line 1001: start the same import again to go on; what is recorded is left alone`)
	out.wait(t, `^1000 rows: 1000 imported, 0 unchanged, 0 rejected\n`)
}

func TestAnInterruptedStoreCopySaysHowToGoOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, scriptConfig)
	s.run("store", "init")
	var out, errs output
	p := s.program(&out, &errs)
	ctx, interrupt := context.WithCancel(t.Context())
	p.signals = func(context.Context) (context.Context, context.CancelFunc) { return ctx, interrupt }
	interrupt()
	from, to := "sqlite:"+t.TempDir()+"/a.db", "sqlite:"+t.TempDir()+"/b.db"
	if code := p.execute(t.Context(), p.rootCommand(), []string{"store", "copy", from, to}); code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	errs.wait(t, `stopped: 0 recipients were looked at, 0 written: run the same command with --update to go on`)
}
