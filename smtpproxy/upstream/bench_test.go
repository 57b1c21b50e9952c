package upstream_test

import (
	"bytes"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// BenchmarkMessage sends messages one after another, each over a lease of its own.
func BenchmarkMessage(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "100KiB": 100 << 10} {
		b.Run(name, func(b *testing.B) {
			p := newPool(b, nil, smtptest.Start(b, smtptest.Unrecorded()))
			content := benchContent(size)
			e := envelope("x")
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				l, err := p.Get(b.Context(), upstream.Need{})
				if err != nil {
					b.Fatal(err)
				}
				await(b, l, e)
				benchWrite(b, l, content)
				l.Dot()
				accepted(b, l)
				l.Release()
			}
		})
	}
}

// BenchmarkCopies sends the copies of one message over one lease, the next envelope behind each dot.
func BenchmarkCopies(b *testing.B) {
	p := newPool(b, nil, smtptest.Start(b, smtptest.Unrecorded()))
	content := benchContent(4 << 10)
	e := envelope("x")
	l, err := p.Get(b.Context(), upstream.Need{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Abort()
	await(b, l, e)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		benchWrite(b, l, content)
		l.Dot()
		l.Envelope(e)
		accepted(b, l)
		if a, err := l.Await(); err != nil || !a.Go() {
			b.Fatalf("Await: %+v, %v", a, err)
		}
	}
}

func benchContent(size int) []byte {
	line := append(bytes.Repeat([]byte{'x'}, 62), "\r\n"...)
	return bytes.Repeat(line, size/len(line))
}

// benchWrite hands content on in pieces of 32 KiB, as a session reads them.
func benchWrite(b *testing.B, l *upstream.Lease, content []byte) {
	for len(content) > 0 {
		n := min(len(content), 32<<10)
		if _, err := l.Write(content[:n]); err != nil {
			b.Fatal(err)
		}
		content = content[n:]
	}
}
