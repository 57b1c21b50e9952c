//go:build linux

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Posts is one-click POSTs at a fixed rate over connections that are kept, as a mail provider sends them after a large
// mailing. Each has its time: one that has to wait, because those before it are not answered yet, is late, and how late
// is part of what it took.
type Posts struct {
	Addr  string
	Paths []string // one POST each, in order
	Rate  int      // a second
	Conns int
}

// Answered is what became of them. Took is from the time that a POST was due until its answer was read.
type Answered struct {
	Took    []time.Duration
	Codes   map[int]int
	Elapsed time.Duration
}

// Run sends them all. An error is a connection that failed; any status is an answer.
func (p Posts) Run(ctx context.Context) (Answered, error) {
	if err := loopback(p.Addr); err != nil {
		return Answered{}, err
	}
	a := Answered{Took: make([]time.Duration, len(p.Paths)), Codes: make(map[int]int)}
	codes := make([]int, len(p.Paths))
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for first := range p.Conns {
		g.Go(func() error {
			c, err := dialHTTP(ctx, p.Addr)
			if err != nil {
				return err
			}
			defer c.Close()
			for i := first; i < len(p.Paths) && ctx.Err() == nil; i += p.Conns {
				due := start.Add(time.Duration(i) * time.Second / time.Duration(p.Rate))
				time.Sleep(time.Until(due))
				if codes[i], err = c.post(p.Paths[i]); err != nil {
					return fmt.Errorf("POST %d: %w", i+1, err)
				}
				a.Took[i] = time.Since(due)
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	a.Elapsed = time.Since(start)
	for _, code := range codes {
		a.Codes[code]++
	}
	return a, err
}

// httpConn is a connection for one request after another.
type httpConn struct {
	net.Conn
	in   *bufio.Reader
	host string
}

func dialHTTP(ctx context.Context, addr string) (*httpConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httpConn{Conn: c, in: bufio.NewReader(c), host: addr}, nil
}

const oneClick = "List-Unsubscribe=One-Click"

func (c *httpConn) post(path string) (code int, err error) {
	if err := c.SetDeadline(time.Now().Add(ioTime)); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		path, c.host, len(oneClick), oneClick)
	if err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, errors.Join(err, r.Body.Close())
}
