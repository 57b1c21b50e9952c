package smtpproxy

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// BreaksSignature reports whether the gate holds that a DKIM signature of h fails when the fields of that name leave,
// and one is added on top.
func BreaksSignature(h wire.Header, name string, removes, adds bool) bool {
	return anyBreaks(signaturesOf(h), h, change{name: name, removes: removes, adds: adds})
}

// Splice is what stands above the body of a copy: our lines, and below them the message's header.
func Splice(h wire.Header, st *gate.Stream, o Options) (lines []byte, below wire.Header, err error) {
	d := &delivery{
		ses: &session{srv: &Server{opt: o}, set: compile(o.Settings), log: o.Log},
		tx:  &transaction{stream: st, rcpts: []*recipient{{}}}, copies: gate.Plan(st, []int{0}, 0), header: h,
	}
	if err := d.editHeader(); err != nil {
		return nil, wire.Header{}, err
	}
	lines, err = d.lines(d.copies[0])
	return lines, d.edit.header, err
}

// Converse serves a connection that came to none of the listeners.
func (s *Server) Converse(ctx context.Context, conn net.Conn) { s.start(ctx, ctx, 0, conn) }

// Refusals counts by credential.
type Refusals struct{ r refusals }

// Spend counts n more and returns how many there were before.
func (r *Refusals) Spend(now time.Time, credential string, n, budget int) int {
	was, _, _ := r.r.spend(now, payer{credential: credential}, n, budget)
	return was
}

// Len is how many clients something is remembered of.
func (r *Refusals) Len() int { return len(r.r.young) + len(r.r.old) }

// Guesses counts by network.
type Guesses struct{ g guesses }

// Fail counts a failed sign-in.
func (g *Guesses) Fail(now time.Time, network netip.Prefix, hourly int) {
	g.g.fail(now, payer{network: network}, hourly)
}

// Turn is how long the next sign-in waits.
func (g *Guesses) Turn(now time.Time, network netip.Prefix, hourly int) (time.Duration, bool) {
	return g.g.turn(now, payer{network: network}, hourly)
}

// Len is how many networks something is remembered of.
func (g *Guesses) Len() int { return len(g.g.young) + len(g.g.old) }

// SignIn checks a password while all who could are at work.
func SignIn(ctx context.Context, name, password string) error {
	c := newCredentials([]Credential{{Username: name}}, 1, func([]string) []*gate.Stream { return nil })
	for range bcryptWorkers {
		c.workers <- struct{}{}
	}
	_, _, err := c.check(ctx, name, password)
	return err
}

// OwnReplies are those to every problem that the gate itself finds.
func OwnReplies() (all []*smtp.SMTPError) {
	for p := unknownCommand; p <= withdrawnMeanwhile; p++ {
		all = append(all, p.reply())
	}
	return all
}

// Copies plans the copies of a message to n people and, where an earlier try delivered to half of them, of its retry.
func Copies(n int) (first, retry int) {
	d := &delivery{tx: &transaction{stream: &gate.Stream{}}, results: make([]result, n)}
	for i := range n {
		mailbox := strconv.Itoa(i) + "@example.net"
		a, err := gate.ParseAddress(mailbox)
		if err != nil {
			panic(err)
		}
		r := &recipient{path: wire.Path{Mailbox: mailbox}, addr: a, forward: true}
		binary.BigEndian.PutUint64(r.id[8:], uint64(i))
		d.tx.rcpts = append(d.tx.rcpts, r)
	}
	d.owed, d.twin = d.tx.forwarded()
	d.copies = gate.Plan(d.tx.stream, d.owed, 1)
	first = len(d.copies)
	d.leaveOut(d.members(d.owed[:n/2]))
	return first, len(d.copies)
}
