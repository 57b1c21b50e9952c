package upstream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/emersion/go-sasl"
)

// open dials the target and brings the connection to where MAIL can be sent, all within opt.Dial.
func (t *peer) open(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.opt.Dial)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	c := newConn(t, nc)
	c.bind(ctx)
	err = c.greet(ctx)
	if !c.free() {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	caps := c.Caps
	t.caps.Store(&caps)
	return c, nil
}

// greet leads a new connection through greeting, EHLO, TLS and AUTH.
func (c *conn) greet(ctx context.Context) error {
	if c.peer.TLS == Implicit {
		if err := c.secure(ctx); err != nil {
			return err
		}
	}
	r, err := c.reply(c.peer.opt.Reply)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if !r.Positive() {
		return fmt.Errorf("greeting: %s", r)
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.startTLSIfDue(ctx); err != nil {
		return err
	}
	return c.login()
}

// hello sends EHLO, and HELO to a server that knows no EHLO (RFC 5321 section 3.2).
func (c *conn) hello() error {
	r, err := c.command("EHLO " + c.peer.opt.Hello)
	if err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if r.Positive() {
		c.features = parseFeatures(r.Text)
		return nil
	}
	if !r.Permanent() {
		return fmt.Errorf("EHLO: %s", r)
	}
	if r, err = c.command("HELO " + c.peer.opt.Hello); err != nil {
		return fmt.Errorf("HELO: %w", err)
	}
	if !r.Positive() {
		return fmt.Errorf("HELO: %s", r)
	}
	c.features = features{Caps: Caps{Known: true}}
	return nil
}

// startTLSIfDue upgrades the connection where the mode asks for it. A refused or broken upgrade is an error in
// every mode: going on in plain text is what an attacker wants.
func (c *conn) startTLSIfDue(ctx context.Context) error {
	switch {
	case c.peer.TLS != StartTLS && c.peer.TLS != Opportunistic:
		return nil
	case !c.startTLS && c.peer.TLS == StartTLS:
		return errors.New("STARTTLS is required and not offered")
	case !c.startTLS:
		c.peer.warnPlain()
		return nil
	}
	r, err := c.command("STARTTLS")
	if err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if r.Code != 220 {
		return fmt.Errorf("STARTTLS: %s", r)
	}
	if err := c.secure(ctx); err != nil {
		return err
	}
	return c.hello()
}

// login authenticates (RFC 4954). Both mechanisms send the password itself, so never in the clear off loopback.
func (c *conn) login() error {
	t := c.peer
	if t.Username == "" {
		return nil
	}
	if !c.isSecure() {
		return errors.New("AUTH: not without TLS")
	}
	switch {
	case slices.Contains(c.mechanisms, sasl.Plain):
		return c.authenticate(sasl.NewPlainClient("", t.Username, t.Password))
	case slices.Contains(c.mechanisms, sasl.Login):
		return c.authenticate(sasl.NewLoginClient(t.Username, t.Password))
	}
	return errors.New("AUTH: neither PLAIN nor LOGIN is offered")
}

func (c *conn) authenticate(client sasl.Client) error {
	mechanism, initial, err := client.Start()
	if err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	r, err := c.command("AUTH " + mechanism + " " + base64.StdEncoding.EncodeToString(initial))
	for err == nil && r.Code == 334 {
		r, err = c.respond(client, r.Text)
	}
	if err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	if !r.Positive() {
		return fmt.Errorf("AUTH: %s", r)
	}
	return nil
}

// respond answers one challenge; one that the mechanism does not know cancels the exchange.
func (c *conn) respond(client sasl.Client, challenge string) (Reply, error) {
	text, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return Reply{}, errMalformed
	}
	response, err := client.Next(text)
	if err != nil {
		return Reply{}, err
	}
	return c.command(base64.StdEncoding.EncodeToString(response))
}
