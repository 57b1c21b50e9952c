package sink_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/sink"
)

var received = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// start runs a sink for as long as the test runs.
func start(t *testing.T, o sink.Options) *sink.Sink {
	t.Helper()
	o.Now = func() time.Time { return received }
	s, err := sink.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve ended with %v", err)
		}
	})
	return s
}

func send(t *testing.T, s *sink.Sink, from, data string, to ...string) {
	t.Helper()
	if err := smtp.SendMail(s.Addr(), nil, from, to, []byte(data)); err != nil {
		t.Fatalf("send to the sink: %v", err)
	}
}

// wait returns what is held after n messages arrived.
func wait(t *testing.T, s *sink.Sink, n int) []sink.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	held, err := s.Wait(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestAMessageIsCapturedByteForByte(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	data := "Subject: hello\r\nX-Odd:\ttab \xe9\r\n\r\n.dot\r\n..\r\nFrom me\r\n" + strings.Repeat("long ", 1000) + "\r\n"

	send(t, s, "news@example.com", data, "ann@example.com", "bob@example.org")

	want := []sink.Message{{
		ID: 1, From: "news@example.com", To: []string{"ann@example.com", "bob@example.org"},
		Received: received, Data: []byte(data),
	}}
	if diff := cmp.Diff(want, wait(t, s, 1)); diff != "" {
		t.Errorf("captured (-want +got):\n%s", diff)
	}
}

func TestTheNullReversePathIsEmpty(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	send(t, s, "", "Subject: report\r\n\r\n", "ann@example.com")
	if got := wait(t, s, 1)[0].From; got != "" {
		t.Errorf("From = %q, want it empty", got)
	}
}

func TestOnlyTheNewestAreKept(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{Keep: 2})
	for i := range 4 {
		send(t, s, "news@example.com", fmt.Sprintf("Subject: %d\r\n\r\n", i+1), "ann@example.com")
	}
	var ids []int
	for _, m := range wait(t, s, 4) {
		ids = append(ids, m.ID)
	}
	if diff := cmp.Diff([]int{3, 4}, ids); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}

func TestWaitEndsWithItsContextAndSaysHowManyCame(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	send(t, s, "news@example.com", "Subject: one\r\n\r\n", "ann@example.com")
	wait(t, s, 1)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	held, err := s.Wait(ctx, 2)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 of 2 messages") || len(held) != 1 {
		t.Errorf("Wait = %d messages, %v; want the one that came and why no more did", len(held), err)
	}
}

func TestWaitHearsOfAMessageThatComesLater(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	got := make(chan int, 1)
	go func() {
		held, _ := s.Wait(t.Context(), 1)
		got <- len(held)
	}()
	send(t, s, "news@example.com", "Subject: one\r\n\r\n", "ann@example.com")
	select {
	case n := <-got:
		if n != 1 {
			t.Errorf("Wait returned %d messages, want 1", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("Wait did not return")
	}
}

func TestAMessageCutShortIsNotCaptured(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	c := dial(t, s)
	defer c.Close()
	for _, line := range []string{"EHLO client", "MAIL FROM:<news@example.com>", "RCPT TO:<ann@example.com>"} {
		say(t, c, 250, line)
	}
	say(t, c, 354, "DATA")
	if err := c.PrintfLine("Subject: half"); err != nil {
		t.Fatal(err)
	}
	c.Close()

	send(t, s, "news@example.com", "Subject: whole\r\n\r\n", "ann@example.com")
	if held := wait(t, s, 1); len(held) != 1 || !strings.HasPrefix(string(held[0].Data), "Subject: whole") {
		t.Errorf("held %v, want the whole message only", held)
	}
}

func TestWhatTheGateNeedsIsOffered(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	c := dial(t, s)
	defer c.Close()
	if err := c.PrintfLine("EHLO client"); err != nil {
		t.Fatal(err)
	}
	_, offered, err := c.ReadResponse(250)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 33554432"} {
		if !strings.Contains(offered, want) {
			t.Errorf("EHLO offers no %s:\n%s", want, offered)
		}
	}
}

func TestClosingEndsServeAndItsConnections(t *testing.T) {
	t.Parallel()
	s, err := sink.New(t.Context(), sink.Options{HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context()) }()
	c := dial(t, s)
	defer c.Close()

	s.Close()
	s.Close()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if line, err := c.ReadLine(); err == nil {
		t.Errorf("the connection still says %q", line)
	}
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("the listener still accepts")
	}
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Options{})
	for name, o := range map[string]sink.Options{
		"SMTP": {Listen: s.Addr()},
		"HTTP": {HTTP: s.Addr()},
	} {
		err := sink.Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "listen for "+name) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("%s on %s: %v; want an error that names both", name, s.Addr(), err)
		}
	}
}

func dial(t *testing.T, s *sink.Sink) *textproto.Conn {
	t.Helper()
	c, err := textproto.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c *textproto.Conn, code int, line string) {
	t.Helper()
	if err := c.PrintfLine("%s", line); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadResponse(code); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}
