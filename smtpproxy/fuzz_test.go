package smtpproxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// FuzzSession: whatever a client sends, in whatever pieces, it hears well-formed replies and the connection ends; the
// upstream sees the end of no message that the client did not end, none of its text as a command, and no marketing
// for anybody without consent.
func FuzzSession(f *testing.F) {
	const begin = "EHLO c.example\r\nMAIL FROM:<news@example.com>\r\nRCPT TO:<active@example.net>\r\n"
	for _, in := range []string{
		"", "QUIT\r\n", "\x16\x03\x01", "EHLO\r\nHELO c\r\nLHLO c\r\nNOOP\r\nHELP\r\nVRFY a\r\nEXPN a\r\nRSET\r\nSTARTTLS\r\nAUTH PLAIN =\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n",
		begin + "RCPT TO:<none@example.net>\r\nDATA\r\n.\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\ntext\r\nMAIL FROM:<order@shop.example.com>\r\nRCPT TO:<none@example.net>\r\nDATA\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\ntext\n.\nMAIL FROM:<order@shop.example.com>\n.\r\nx\r\n.\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\ntext\r.\rMAIL FROM:<a@b>\r.\r\nx\r\n.\r\nNOOP\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\ntext\r\r\n.\r\nNOOP\r\n",
		begin + "DATA\r\nSubject: x\r\n\r\n..\r\n...\r\n.x\r\n.\rx\r\n\x00\xff\r\n.\r\n",
		begin + "DATA\r\n no header\r\n.\r\n" + begin + "BDAT 5 LAST\r\nhello",
		"EHLO c\r\nMAIL FROM:<order@shop.example.com> SIZE=5000000000 BODY=8BITMIME\r\nRCPT TO:<\"a@b> c\"@example.net> NOTIFY=NEVER\r\nDATA\r\nA: b\r\n.\r\n",
		"EHLO c\r\nMAIL FROM:<deals@example.com>\r\nRCPT TO:<none@example.net>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n",
		"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nAuto-Submitted: auto-replied\r\n\r\nx\r\n.\r\n",
		"EHLO c\r\nMAIL FROM:<news@example.com>\r\nMAIL FROM:<order@shop.example.com>\r\nRCPT TO:<@a,@b:active@example.net>\r\nRCPT TO:<none@example.net>\r\nDATA\r\nA: b\r\n\r\n.\r\n",
		strings.Repeat("x", 5000) + "\r\nNOOP\r\n",
	} {
		f.Add([]byte(in), byte(0))
		f.Add([]byte(in), byte(7))
	}
	w := start(f, func(_ *world, o *smtpproxy.Options) { o.Streams, o.Keys = withoutLinks(), hashed{} })
	f.Fuzz(func(t *testing.T, in []byte, piece byte) {
		w.upstream.Forget()
		replies := exchange(t, w.server, in, int(piece))
		checkReplies(t, replies)
		checkMessages(t, w.upstream.Messages(), in)
	})
}

// hashed makes ids as seal does, of the whole address.
type hashed struct{ keys }

func (hashed) ID(a gate.Address) (id gate.ID) {
	sum := sha256.Sum256([]byte(a.Canonical()))
	copy(id[:], sum[:])
	return id
}

// withoutLinks are streams to whose messages the gate adds one line, Received.
func withoutLinks() []*gate.Stream {
	return slices.DeleteFunc(streams(), func(s *gate.Stream) bool { return len(s.Unsubscribe) > 0 })
}

// duplex is one end of a connection within the process: each piece that was written is read as one, and one end may
// stop writing and go on reading. A real one would use up all ports in a minute.
type duplex struct {
	net.Conn // read from it
	out      net.Conn
}

func (d duplex) Write(p []byte) (int, error)        { return d.out.Write(p) }
func (d duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }
func (d duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.Conn.SetDeadline(t), d.out.SetDeadline(t))
}
func (d duplex) Close() error       { return errors.Join(d.Conn.Close(), d.out.Close()) }
func (duplex) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// exchange sends in by pieces of that size, 0 for all at once, and returns all that was answered until the end.
func exchange(t *testing.T, srv *smtpproxy.Server, in []byte, piece int) []byte {
	t.Helper()
	there, out := net.Pipe()
	answers, back := net.Pipe()
	srv.Converse(context.Background(), duplex{there, back})
	go func() {
		defer out.Close()
		if piece == 0 {
			piece = len(in) + 1
		}
		for p := range slices.Chunk(in, piece) {
			if _, err := out.Write(p); err != nil {
				return // the gate may hang up on nonsense
			}
		}
	}()
	_ = answers.SetReadDeadline(time.Now().Add(10 * time.Second))
	said, err := io.ReadAll(answers)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("no end of the session; so far:\n%s", said)
	}
	_ = answers.Close()
	return said
}

// checkReplies: lines of RFC 5321 section 4.2, none of them cut off or of two minds about its code.
func checkReplies(t *testing.T, out []byte) {
	t.Helper()
	line, last := regexp.MustCompile(`^([2-5][0-5][0-9])([ -])[\t -~]*\r\n$`), ""
	for got := range bytes.Lines(out) {
		m := line.FindSubmatch(got)
		if m == nil || len(got) > 512 || last != "" && last != string(m[1]) {
			t.Fatalf("malformed reply %q in\n%s", got, out)
		}
		last = ""
		if m[2][0] == '-' {
			last = string(m[1])
		}
	}
	if last != "" {
		t.Fatalf("the last reply is cut off:\n%s", out)
	}
}

// checkMessages holds what the upstream got against what the client sent.
func checkMessages(t *testing.T, got []smtptest.Message, in []byte) {
	t.Helper()
	for _, m := range got {
		checkConsent(t, m)
		if !m.Complete {
			continue
		}
		ours, theirs, _ := bytes.Cut(m.Data, []byte("\r\n"))
		sent := slices.Concat([]byte("\r\n"), theirs, []byte(".\r\n"))
		if !bytes.HasPrefix(ours, []byte("Received: by gate.example ")) || !bytes.Contains(in, sent) {
			t.Fatalf("the upstream got a message that the client did not end: %q", m.Data)
		}
		if bytes.Contains(sent[:len(sent)-len(".\r\n")], []byte("\r\n.\r\n")) || bytes.Contains(bytes.ReplaceAll(sent, []byte("\r\n"), nil), []byte("\n")) {
			t.Fatalf("an end of data within the message: %q", m.Data)
		}
	}
}

// checkConsent: what is no receipt and no notice reaches only those who agreed.
func checkConsent(t *testing.T, m smtptest.Message) {
	t.Helper()
	from, _, _ := strings.Cut(strings.TrimPrefix(m.MailArg, "<"), ">")
	if sender, err := gate.ParseAddress(from); from == "" || err == nil && strings.HasSuffix(sender.Canonical(), "@shop.example.com") {
		return
	}
	for _, arg := range m.RcptArgs {
		end := strings.LastIndexByte(arg, '>')
		to, err := gate.ParseAddress(strings.TrimPrefix(arg[:end], "<"))
		if err != nil || !slices.Contains([]string{"active@example.net", "double@example.net", "third@example.net"}, to.Canonical()) {
			t.Fatalf("%s: marketing for %s: %v", m.MailArg, arg, err)
		}
	}
}
