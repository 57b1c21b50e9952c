package smtpproxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// receive is the connection as the listener takes it: those of proxies that it knows begin with a PROXY header
// (haproxy.org, proxy-protocol.txt) and nobody else's may.
func (l *rules) receive(nc net.Conn, from netip.Addr) net.Conn {
	if contains(l.Proxies, from) {
		return &announced{Conn: nc, ahead: bufio.NewReaderSize(nc, headerAhead)}
	}
	return &unannounced{Conn: nc}
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// headerAhead is how much is read at a time while a header is awaited: a version 1 header, 107 octets, at once.
const headerAhead = 256

// announced is a connection of a proxy that is trusted to say who the client is.
type announced struct {
	net.Conn
	ahead *bufio.Reader // what arrived with the header; nil once it is read
}

// errSilent: the connection ended before its first octet, as those of health checks do.
var errSilent = errors.New("no PROXY header, no octet at all")

// client reads the header, until the deadline. The address is zero where the proxy speaks for itself (LOCAL) or does
// not know its client (UNKNOWN): the connection's own address counts then.
func (c *announced) client(deadline time.Time) (netip.Addr, error) {
	if err := c.SetReadDeadline(deadline); err != nil {
		return netip.Addr{}, err
	}
	if _, err := c.ahead.Peek(1); err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", errSilent, err)
	}
	h, err := proxyproto.Read(c.ahead)
	switch {
	case err != nil:
		return netip.Addr{}, err
	case h.Command.IsLocal():
		return netip.Addr{}, nil
	}
	source, _, ok := h.TCPAddrs()
	if !ok {
		return netip.Addr{}, errors.New("PROXY header of another transport than TCP")
	}
	return source.AddrPort().Addr().Unmap(), nil
}

func (c *announced) Read(p []byte) (int, error) {
	if c.ahead != nil && c.ahead.Buffered() > 0 {
		return c.ahead.Read(p)
	}
	c.ahead = nil
	return c.Conn.Read(p)
}

// Through implements [wire.Passing].
func (c *announced) Through() net.Conn {
	if c.ahead != nil {
		return nil
	}
	return c.Conn
}

// unannounced is a connection from elsewhere. It ends where it begins with a PROXY header all the same: the gate has
// greeted by then, so the first octets are looked at as they pass.
type unannounced struct {
	net.Conn
	begin  []byte
	proven bool // that it does not begin so
}

// errForged: a PROXY header came from an address that the listener's proxy_protocol does not list.
var errForged = errors.New("PROXY header from an address that proxy_protocol does not list")

func (c *unannounced) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.proven || n == 0 {
		return n, err
	}
	c.begin = append(c.begin, p[:min(n, len(proxyproto.SIGV2))]...)
	c.proven = true
	for _, signature := range [][]byte{proxyproto.SIGV1, proxyproto.SIGV2} {
		switch {
		case bytes.HasPrefix(c.begin, signature):
			return 0, errForged
		case bytes.HasPrefix(signature, c.begin):
			c.proven = false
		}
	}
	if c.proven {
		c.begin = nil
	}
	return n, err
}

// Through implements [wire.Passing].
func (c *unannounced) Through() net.Conn {
	if !c.proven {
		return nil
	}
	return c.Conn
}

// meet learns from a proxy who its client is. It is false where the proxy does not say.
func (s *session) meet() bool {
	proxy, ok := s.conn.NetConn().(*announced)
	if !ok {
		return true
	}
	ip, err := proxy.client(time.Now().Add(s.set.Limits.ProxyHeader))
	switch {
	case errors.Is(err, errSilent) && !errors.Is(err, os.ErrDeadlineExceeded):
		s.log.Debug("proxy left", "proxy", s.client, "err", err)
	case err != nil:
		s.log.Info("no PROXY header that counts", "proxy", s.client, "err", err)
	case ip.IsValid():
		s.ip, s.client = ip, ip.String()
	}
	return err == nil
}
