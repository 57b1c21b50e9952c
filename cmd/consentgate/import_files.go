package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/consentgate/consentgate/internal/bulk"
)

// input is the file that is imported. It counts what was read of it.
type input struct {
	io.Reader
	close func()
	size  int64 // 0: unknown
	read  atomic.Int64
}

// Read implements io.Reader.
func (in *input) Read(b []byte) (int, error) {
	n, err := in.Reader.Read(b)
	in.read.Add(int64(n))
	return n, err
}

func (p *program) openInput(ctx context.Context, path string) (*input, error) {
	if path == "-" {
		return &input{Reader: &interruptible{in: p.in, done: ctx.Done()}, close: func() {}}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	in := &input{Reader: f, close: func() { _ = f.Close() }}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		in.size = info.Size()
	}
	return in, nil
}

// interruptible is an input that may have nothing to read for long, as a pipe or a terminal. A read that still hangs
// when done is closed ends with the process.
type interruptible struct {
	in   io.Reader
	done <-chan struct{}
	buf  []byte // of the read under way
}

// Read implements io.Reader.
func (r *interruptible) Read(b []byte) (int, error) {
	if len(r.buf) < len(b) {
		r.buf = make([]byte, len(b))
	}
	type result struct {
		n   int
		err error
	}
	got := make(chan result, 1)
	go func() {
		n, err := r.in.Read(r.buf[:len(b)])
		got <- result{n, err}
	}()
	select {
	case res := <-got:
		return copy(b, r.buf[:res.n]), res.err
	case <-r.done:
		return 0, context.Canceled
	}
}

// rejected shows refused rows or writes them to a file.
type rejected struct {
	add   func(bulk.Reject) error
	close func() error
}

// maxAllWrong is how many causes are shown while no row of the file was right: they tend to be one.
const maxAllWrong = 5

// openRejects returns what shows the first rejects on stderr where no file is named. soFar is what became of the rows up
// to those that are rejected.
func (p *program) openRejects(path, input string, soFar *bulk.Counts) (rejected, error) {
	if path == "" {
		shown := 0
		return rejected{func(r bulk.Reject) error {
			limit := maxShown
			if soFar.Rejected == soFar.Rows {
				limit = maxAllWrong
			}
			if shown++; shown <= limit {
				p.say("line %d: %s", r.Line, printable(r.Cause))
			}
			return nil
		}, func() error { return nil }}, nil
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(input); err == nil && os.SameFile(a, b) {
			return rejected{}, usage("--rejects %s is the file that is imported: name another", path)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return rejected{}, fmt.Errorf("rejects: %w", err)
	}
	w, err := bulk.NewRejectsFile(f)
	if err != nil {
		return rejected{}, errors.Join(err, f.Close())
	}
	return rejected{w.Add, func() error { return errors.Join(w.Flush(), f.Close()) }}, nil
}
