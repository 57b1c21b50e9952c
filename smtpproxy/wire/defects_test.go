package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// The tests of this file are named after what go-smtp 0.25.1's server does otherwise, and why the listener is not
// built on it: docs/decisions. Those that take a whole session are smtpproxy's; those of TLS stand in tls_test.go.

func TestNoCommandsFromMessageTextAfterDataTimeout(t *testing.T) {
	t.Parallel()
	client, server := pair(t, wire.Options{Progress: 20 * time.Millisecond})
	send(t, client, "Subject: x\r\n\r\nbody\r\n")
	if _, err := receive(server); !errors.Is(err, wire.ErrBroken) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("err = %v", err)
	}
	send(t, client, "MAIL FROM:<attacker@evil.example>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n.\r\n")
	if cmd, err := server.Next(); !errors.Is(err, wire.ErrBroken) {
		t.Errorf("message text was read as %v, %v", cmd, err)
	}
	if rcpts := server.PipelinedRcpts(10); len(rcpts) > 0 {
		t.Errorf("message text was read as %v", rcpts)
	}
	if _, err := server.AuthLine(); !errors.Is(err, wire.ErrBroken) {
		t.Errorf("message text was read as an AUTH line: %v", err)
	}
	if err := server.Content().Drain(); !errors.Is(err, wire.ErrBroken) {
		t.Errorf("message text was read as a second message: %v", err)
	}
}

func TestNoCommandsFromAMessageLeftUnread(t *testing.T) {
	t.Parallel()
	c := newTape("body\r\n", "RCPT TO:<victim@example.com>\r\n.\r\n").conn(wire.Options{})
	content := c.Content()
	if _, err := content.Next(); err != nil {
		t.Fatal(err)
	}
	if rcpts := c.PipelinedRcpts(10); len(rcpts) > 0 {
		t.Errorf("message text was read as %v", rcpts)
	}
	if cmd, err := c.Next(); !errors.Is(err, wire.ErrBroken) {
		t.Errorf("message text was read as %v, %v", cmd, err)
	}
}

func TestMessageCutShortIsNoMessage(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"", "body", "body\r", "body\r\n", "body\r\n.", "body\r\n.\r", "."} {
		if text, err := receive(newTape(sent).conn(wire.Options{})); !errors.Is(err, wire.ErrBroken) || errors.Is(err, io.EOF) {
			t.Errorf("%q cut short: %q, %v, want ErrBroken", sent, text, err)
		}
	}
}

func TestQuotedLocalPartKeepsItsQuotes(t *testing.T) {
	t.Parallel()
	p, err := wire.ParseRcpt(`TO:<"victim@y> NOTIFY=NEVER"@evil.example>`)
	if want := `"victim@y> NOTIFY=NEVER"@evil.example`; err != nil || p.Mailbox != want || len(p.Params) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestCRCRLFBeforeDotEndsData(t *testing.T) {
	t.Parallel()
	for _, policy := range []wire.BarePolicy{wire.Reject, wire.Normalise} {
		c := newTape("foo\r\r\n.\r\nQUIT\r\n").conn(wire.Options{BareLines: policy})
		if err := c.Content().Drain(); errors.Is(err, wire.ErrBroken) {
			t.Error("the end was not seen:", err)
		}
		if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
			t.Errorf("the next command was swallowed: %v, %v", cmd, err)
		}
	}
}

func TestDotCRKeepsBytes(t *testing.T) {
	t.Parallel()
	c := newTape("a\r\n.\rX\r\n.\r\n").conn(wire.Options{})
	if got, err := receive(c); !errors.Is(err, wire.ErrBareLine) || got != "" {
		t.Errorf("%q, %v: a message with a stray CR was handed on", got, err)
	}
}

func TestLongLinesOfAMessagePass(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 300<<10) + "\r\n"
	if got, err := receive(newTape(text + ".\r\n").conn(wire.Options{})); got != text || !errors.Is(err, io.EOF) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

func TestSizeBeyond32Bits(t *testing.T) {
	t.Parallel()
	p, err := wire.ParseMail("FROM:<a@b> SIZE=5000000000")
	if n, sizeErr := p.Size(); err != nil || sizeErr != nil || n <= math.MaxUint32 {
		t.Errorf("%d, %v, %v", n, err, sizeErr)
	}
}

func TestParametersNobodyKnowsAreKept(t *testing.T) {
	t.Parallel()
	p, err := wire.ParseMail("FROM:<a@b> XVERP HOLDFOR=60 MT-PRIORITY=-3 ENVID=a+2b")
	want := []wire.Param{
		{Key: "XVERP"},
		{Key: "HOLDFOR", Value: "60", HasValue: true},
		{Key: "MT-PRIORITY", Value: "-3", HasValue: true},
		{Key: "ENVID", Value: "a+2b", HasValue: true},
	}
	if diff := cmp.Diff(want, p.Params); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestPostmasterNeedsNoDomain(t *testing.T) {
	t.Parallel()
	if p, err := wire.ParseRcpt("TO:<Postmaster>"); err != nil || p.Mailbox != "Postmaster" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSTARTTLSIsAWholeWord(t *testing.T) {
	t.Parallel()
	if cmd, err := newTape("STARTTLSNOW\r\n").conn(wire.Options{}).Next(); err != nil || cmd.Verb != wire.Unknown {
		t.Errorf("%v, %v", cmd, err)
	}
}

func TestPipelinedCommandsBehindTheEndOfDataAreKept(t *testing.T) {
	t.Parallel()
	behind := strings.Repeat("RCPT TO:<ann@example.com>\r\n", 1000)
	c := newTape("DATA\r\n", body(100<<10)+".\r\n"+behind).conn(wire.Options{})
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if err := c.Content().Drain(); err != nil {
		t.Fatal(err)
	}
	if got, err := commands(c); len(got) != 1000 || !errors.Is(err, io.EOF) {
		t.Errorf("%d commands, %v", len(got), err)
	}
}

// TestSlicesAreValidUntilTheNextCall reads ahead as a relay does: what was handed out is not overwritten by anything
// but the next call for more.
func TestSlicesAreValidUntilTheNextCall(t *testing.T) {
	t.Parallel()
	text := body(200 << 10)
	content := newTape(text + ".\r\nNOOP\r\n").conn(wire.Options{}).Content()
	at := 0
	for {
		chunk, err := content.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(chunk, []byte(text[at:at+len(chunk)])) {
			t.Fatalf("octets %d to %d differ", at, at+len(chunk))
		}
		at += len(chunk)
	}
	if at != len(text) {
		t.Errorf("%d octets of %d", at, len(text))
	}
}
