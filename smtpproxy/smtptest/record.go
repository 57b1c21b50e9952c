package smtptest

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// Message is one transaction that got as far as content.
type Message struct {
	Conn     int      // number of the connection, from 1
	TLS      bool     // it came encrypted
	Username string   // of AUTH
	MailArg  string   // behind "MAIL FROM:"
	RcptArgs []string // behind "RCPT TO:", the accepted ones
	Data     []byte   // content as it stood on the wire, dot-stuffed, without the final dot
	Complete bool     // the final dot came
	Accepted bool     // and was answered with 2xx
}

// event is what came in one piece: a command line, or content.
type event struct {
	line    string
	content []byte
	ended   bool // content had its dot
}

// record is what an upstream remembers.
type record struct {
	messages []Message
	events   []event
	reads    []string
}

// Messages returns the transactions so far, in the order in which they ended.
func (u *Upstream) Messages() []Message {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.record.messages)
}

// Lines returns every line that came, of all connections, without CRLF: commands, content and the final dots.
func (u *Upstream) Lines() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var lines []string
	for _, e := range u.record.events {
		if e.content == nil && !e.ended {
			lines = append(lines, e.line)
			continue
		}
		for line := range bytes.Lines(e.content) {
			lines = append(lines, string(bytes.TrimRight(line, "\r\n")))
		}
		if e.ended {
			lines = append(lines, ".")
		}
	}
	return lines
}

// Reads returns what each read from a socket brought: a client's single write shows as one, if it is not too long.
func (u *Upstream) Reads() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.record.reads)
}

// Open is how many connections are open, Total how many were ever accepted.
func (u *Upstream) Open() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

// Total is how many connections were ever accepted.
func (u *Upstream) Total() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}

// Forget drops what was recorded so far; the count of connections goes on.
func (u *Upstream) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.record = record{}
}

// note changes the record, where one is kept.
func (u *Upstream) note(change func(*record)) {
	if u.unrecorded {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.record)
}

// Eventually waits until condition holds and fails the test where it does not come about.
func Eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v in vain: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}
