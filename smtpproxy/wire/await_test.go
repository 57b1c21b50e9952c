package wire_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// overTCP is both ends of a connection of real sockets, the server's wrapped by wrap.
func overTCP(t *testing.T, o wire.Options, wrap func(net.Conn) net.Conn) (client net.Conn, server *wire.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server = wire.NewConn(wrap(nc), o)
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client, server
}

func asItIs(nc net.Conn) net.Conn { return nc }

// curious looks at the first octets, then only passes on.
type curious struct {
	net.Conn
	seen int
}

func (c *curious) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.seen += n
	return n, err
}

func (c *curious) Through() net.Conn {
	if c.seen == 0 {
		return nil
	}
	return c.Conn
}

func write(t *testing.T, nc net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, server *wire.Conn, want wire.Verb) {
	t.Helper()
	if cmd, err := server.Next(); err != nil || cmd.Verb != want {
		t.Fatalf("got %v, error %v; want %s", cmd, err, want)
	}
}

func TestASocketIsReadLikeAnyConnection(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"the socket itself": asItIs,
		"one that looked":   func(nc net.Conn) net.Conn { return &curious{Conn: nc} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := overTCP(t, wire.Options{}, wrap)
			group := strings.Repeat("RCPT TO:<somebody@example.com>\r\n", 500) // more than any small buffer
			go func() { _, _ = io.WriteString(client, "EHLO a\r\nNO"); _, _ = io.WriteString(client, "OP\r\n"+group) }()
			await(t, server, wire.EHLO)
			await(t, server, wire.NOOP)
			for n := 0; n < 500; n += 1 + len(server.PipelinedRcpts(500)) {
				await(t, server, wire.RCPT)
			}
			write(t, client, "DATA\r\n")
			await(t, server, wire.DATA)
			go func() {
				_, _ = io.WriteString(client, "Subject: x\r\n\r\n"+strings.Repeat("y\r\n", 50_000)+".\r\nQUIT\r\n")
			}()
			content := server.Content()
			if err := content.Drain(); err != nil || content.Size() != int64(len("Subject: x\r\n\r\n")+3*50_000) {
				t.Fatalf("%d octets, error %v", content.Size(), err)
			}
			await(t, server, wire.QUIT)
			_ = client.Close()
			if _, err := server.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want io.EOF", err)
			}
		})
	}
}

func TestASocketThatIsSilentRunsIntoItsDeadline(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{Idle: 50 * time.Millisecond}, asItIs)
	write(t, client, "NOO") // a line that never ends is silence, too
	if _, err := server.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want os.ErrDeadlineExceeded", err)
	}
}

func TestASessionThatWaitsAtASocketIsInterrupted(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{}, asItIs)
	done := make(chan error, 1)
	go func() {
		_, err := server.Next()
		done <- err
	}()
	server.Interrupt()
	if err := <-done; !errors.Is(err, wire.ErrInterrupted) {
		t.Fatalf("got %v, want ErrInterrupted", err)
	}
	write(t, client, "NOOP\r\n")
	await(t, server, wire.NOOP)
}

func TestASocketThatIsClosedHereEndsTheWait(t *testing.T) {
	t.Parallel()
	_, server := overTCP(t, wire.Options{}, asItIs)
	done := make(chan error, 1)
	go func() {
		_, err := server.Next()
		done <- err
	}()
	_ = server.NetConn().Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// rest lets the connection rest, awaits what comes and returns what Next makes of it.
func rest(t *testing.T, server *wire.Conn) (wire.Command, error) {
	t.Helper()
	if !server.Rest() {
		t.Fatal("a socket with nothing unread cannot be awaited")
	}
	server.Await()
	return server.Next()
}

func TestWhatIsAwaitedIsReadByNext(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{}, asItIs)
	for _, line := range []string{"NOOP\r\n", "EHLO a.example\r\n"} {
		server.ReplyLines(250, []string{"said before the wait"})
		go func() {
			buf := make([]byte, 100)
			_, _ = client.Read(buf) // Rest has sent the reply
			_, _ = io.WriteString(client, line)
		}()
		if cmd, err := rest(t, server); err != nil || !strings.HasPrefix(line, string(cmd.Verb)) {
			t.Errorf("got %v, error %v; want %q", cmd, err, line)
		}
	}
	_ = client.Close()
	if _, err := rest(t, server); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want io.EOF", err)
	}
}

func TestTheTimeOfACommandBeginsWithTheRest(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{Idle: 50 * time.Millisecond}, asItIs)
	if !server.Rest() {
		t.Fatal("a socket with nothing unread cannot be awaited")
	}
	server.Await()
	write(t, client, "NOOP\r\n") // too late: Next does not begin anew
	if _, err := server.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want os.ErrDeadlineExceeded", err)
	}
}

func TestAnInterruptBeforeTheWaitEndsIt(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{}, asItIs)
	if !server.Rest() {
		t.Fatal("a socket with nothing unread cannot be awaited")
	}
	server.Interrupt()
	server.Await()
	if _, err := server.Next(); !errors.Is(err, wire.ErrInterrupted) {
		t.Errorf("got %v, want ErrInterrupted", err)
	}
	write(t, client, "NOOP\r\n")
	if cmd, err := rest(t, server); err != nil || cmd.Verb != wire.NOOP {
		t.Errorf("got %v, error %v; want NOOP", cmd, err)
	}
}

func TestNoRestWhileInputWaitsOrTheSocketHidesIt(t *testing.T) {
	t.Parallel()
	client, server := overTCP(t, wire.Options{}, asItIs)
	write(t, client, "NOOP\r\nRSET\r\n")
	await(t, server, wire.NOOP)
	if server.Rest() {
		t.Error("RSET has arrived and would be waited for")
	}
	_, hidden := overTCP(t, wire.Options{}, func(nc net.Conn) net.Conn { return struct{ net.Conn }{nc} })
	if hidden.Rest() {
		t.Error("a connection that is no socket cannot be awaited")
	}
}
