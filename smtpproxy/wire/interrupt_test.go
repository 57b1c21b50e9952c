package wire_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

func TestInterruptWakesWhoWaitsForACommand(t *testing.T) {
	t.Parallel()
	client, server := pair(t, wire.Options{})
	woken := make(chan error, 1)
	go func() {
		_, err := server.Next()
		woken <- err
	}()
	server.Interrupt()
	if err := <-woken; !errors.Is(err, wire.ErrInterrupted) {
		t.Fatalf("err = %v, want ErrInterrupted", err)
	}
	send(t, client, "QUIT\r\n")
	if cmd, err := server.Next(); err != nil || cmd.Verb != wire.QUIT {
		t.Errorf("afterwards: %v, %v", cmd, err)
	}
}

func TestInterruptLeavesAMessageAlone(t *testing.T) {
	t.Parallel()
	client, server := pair(t, wire.Options{})
	content := server.Content()
	read := make(chan error, 1)
	go func() { read <- content.Drain() }()
	server.Interrupt()
	send(t, client, "text\r\n.\r\n")
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if _, err := server.Next(); !errors.Is(err, wire.ErrInterrupted) {
		t.Errorf("then %v, want ErrInterrupted", err)
	}
}

// belated is a connection whose deadline somebody set into the past once, and who told of that already.
type belated struct {
	*tape
	due bool
}

func (b *belated) Read(p []byte) (int, error) {
	if b.due {
		b.due = false
		return 0, os.ErrDeadlineExceeded
	}
	return b.tape.Read(p)
}

// TestADeadlineThatComesBehindItsInterruptIsNone: Interrupt marks and then wakes, and a reader may see the mark first.
func TestADeadlineThatComesBehindItsInterruptIsNone(t *testing.T) {
	t.Parallel()
	tp := newTape("text\r\n.\r\n", "QUIT\r\n")
	late := &belated{tp, true}
	c := wire.NewConn(late, wire.Options{Now: func() time.Time { return tp.now }})
	if err := c.Content().Drain(); err != nil {
		t.Fatalf("the message ended with %v", err)
	}
	late.due = true
	if cmd, err := c.Next(); err != nil || cmd.Verb != wire.QUIT {
		t.Errorf("then %v, %v", cmd, err)
	}
}
