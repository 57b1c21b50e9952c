package smtpproxy

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// body is the message behind its header, on its way to one or several copies.
type body interface {
	// writeTo writes the whole body as it stood on the wire, dot-stuffed, without the final dot.
	writeTo(w io.Writer) error
}

// incoming is what the client sends behind the header.
type incoming struct {
	content *wire.Content
	sum     *digest // of all that passes
}

// each passes the content on piece by piece. An error of the client's side is a clientError; the other is next's.
func (in incoming) each(next func(p []byte) error) error {
	for {
		p, err := in.content.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &clientError{err}
		}
		in.sum.add(p)
		if err := next(p); err != nil {
			return err
		}
	}
}

// stream is a body that goes straight from the client to the one copy there is.
type stream struct{ incoming }

func (b *stream) writeTo(w io.Writer) error {
	return b.each(func(p []byte) error {
		_, err := w.Write(p)
		return err
	})
}

// clientError is trouble with the message as the client sends it; the upstream is not to blame.
type clientError struct{ error }

func (e *clientError) Unwrap() error { return e.error }

// spool is a body kept for several copies: in memory up to a bound, beyond it in a file that has no name.
type spool struct {
	mem   []byte
	bound int
	dir   string
	file  *os.File
	size  int64
}

// fill reads the content to its end. Disk trouble is spoolFull.
func (b *spool) fill(in incoming) error {
	return in.each(func(p []byte) error {
		if err := b.add(p); err != nil {
			return errors.Join(spoolFull, err)
		}
		return nil
	})
}

func (b *spool) add(p []byte) error {
	b.size += int64(len(p))
	if b.file == nil && len(b.mem)+len(p) <= b.bound {
		b.mem = append(b.mem, p...)
		return nil
	}
	if b.file == nil {
		if err := b.open(); err != nil {
			return err
		}
	}
	_, err := b.file.Write(p)
	return err
}

// open makes the file and takes its name away, so that no crash leaves a message behind.
func (b *spool) open() error {
	f, err := os.CreateTemp(b.dir, "consentgate-*")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	b.file = f
	return os.Remove(f.Name())
}

func (b *spool) writeTo(w io.Writer) error {
	if _, err := w.Write(b.mem); err != nil {
		return err
	}
	if b.file == nil {
		return nil
	}
	_, err := io.Copy(w, io.NewSectionReader(b.file, 0, b.size-int64(len(b.mem))))
	return err
}

func (b *spool) close() {
	if b.file != nil {
		_ = b.file.Close()
	}
}
