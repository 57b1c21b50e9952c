package wire_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// certificate makes a server's and a client's side of TLS that trust each other.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.com"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return server, &tls.Config{RootCAs: roots, ServerName: "mx.example.com"}
}

// upgrade is the server's side of STARTTLS.
func upgrade(c *wire.Conn, config *tls.Config) error {
	if _, err := c.Next(); err != nil {
		return err
	}
	c.Reply(&smtp.SMTPError{Code: 220, Message: "Go ahead"})
	return c.StartTLS(config)
}

func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	serverSide, clientSide := certificate(t)
	nc, server := pair(t, wire.Options{})
	if _, ok := server.TLS(); ok {
		t.Error("encrypted before STARTTLS")
	}
	upgraded := make(chan error, 1)
	go func() { upgraded <- upgrade(server, serverSide) }()
	send(t, nc, "STARTTLS\r\n")
	if line, err := bufio.NewReader(nc).ReadString('\n'); line != "220 2.0.0 Go ahead\r\n" {
		t.Fatal(line, err)
	}
	client := tls.Client(nc, clientSide)
	go func() { _, _ = client.Write([]byte("EHLO me\r\n")) }()
	if err := <-upgraded; err != nil {
		t.Fatal(err)
	}
	if cmd, err := server.Next(); err != nil || cmd.Verb != wire.EHLO {
		t.Errorf("%v, %v", cmd, err)
	}
	if state, ok := server.TLS(); !ok || state.Version < tls.VersionTLS12 {
		t.Errorf("TLS() = %x, %v", state.Version, ok)
	}
}

func TestTLSFromTheStart(t *testing.T) {
	t.Parallel()
	serverSide, clientSide := certificate(t)
	nc, server := pair(t, wire.Options{})
	go func() {
		if server.StartTLS(serverSide) == nil {
			server.ReplyLines(220, []string{"mx.example.com ESMTP"})
			_ = server.Flush()
		}
	}()
	line, err := bufio.NewReader(tls.Client(nc, clientSide)).ReadString('\n')
	if line != "220 mx.example.com ESMTP\r\n" {
		t.Error(line, err)
	}
}

func TestPlaintextBehindSTARTTLSIsNeverExecuted(t *testing.T) {
	t.Parallel()
	serverSide, _ := certificate(t)
	tp := newTape("STARTTLS\r\nMAIL FROM:<attacker@evil.example>\r\n")
	c := tp.conn(wire.Options{})
	if err := upgrade(c, serverSide); !errors.Is(err, wire.ErrPlaintext) {
		t.Fatalf("err = %v, want ErrPlaintext", err)
	}
	if err := c.Flush(); err != nil || tp.out.Len() > 0 {
		t.Errorf("220 left all the same: %q, %v", tp.out.String(), err)
	}
	if cmd, err := c.Next(); !errors.Is(err, wire.ErrPlaintext) {
		t.Errorf("then %v, %v, want ErrPlaintext", cmd, err)
	}
}

func TestFailedHandshakeDoesNotGoOnInPlaintext(t *testing.T) {
	t.Parallel()
	serverSide, _ := certificate(t)
	nc, server := pair(t, wire.Options{})
	upgraded := make(chan error, 1)
	go func() { upgraded <- upgrade(server, serverSide) }()
	send(t, nc, "STARTTLS\r\n")
	reader := bufio.NewReader(nc)
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	send(t, nc, "MAIL FROM:<a@b>\r\nQUIT\r\n")
	if err := <-upgraded; err == nil {
		t.Fatal("plaintext passes for a handshake")
	}
	server.Reply(&smtp.SMTPError{Code: 550, Message: "in the clear"})
	if err := server.Flush(); err == nil {
		t.Error("a reply left in plaintext")
	}
	if cmd, err := server.Next(); err == nil {
		t.Errorf("then %v", cmd)
	}
	_ = server.Close()
	if rest, _ := reader.ReadString('!'); strings.Contains(rest, "clear") {
		t.Errorf("client got %q", rest)
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	t.Parallel()
	serverSide, _ := certificate(t)
	_, server := pair(t, wire.Options{Handshake: 20 * time.Millisecond})
	var timeout net.Error
	if err := server.StartTLS(serverSide); err == nil || errors.As(err, &timeout) && !timeout.Timeout() {
		t.Errorf("StartTLS = %v", err)
	}
}

func TestInterruptUnderTLS(t *testing.T) {
	t.Parallel()
	serverSide, clientSide := certificate(t)
	nc, server := pair(t, wire.Options{})
	client := tls.Client(nc, clientSide)
	go func() { _ = client.Handshake() }()
	if err := server.StartTLS(serverSide); err != nil {
		t.Fatal(err)
	}
	server.Interrupt()
	if _, err := server.Next(); !errors.Is(err, wire.ErrInterrupted) {
		t.Fatalf("err = %v, want ErrInterrupted", err)
	}
	send(t, client, "QUIT\r\n")
	if cmd, err := server.Next(); err != nil || cmd.Verb != wire.QUIT {
		t.Errorf("after an interruption: %v, %v", cmd, err)
	}
}
