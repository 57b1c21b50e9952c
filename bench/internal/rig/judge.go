//go:build linux

package rig

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// Judge looks at whole messages: whether the gate's lines are on them, and whether their bodies are the client's.
type Judge struct {
	Keys *seal.Keys // of the gate they went through; nil: they went through none
	// Bodies are the bodies that clients sent.
	Bodies []string
}

// judge wants at least one sample, and no fault in any. A nil Judge asks for nothing.
func (j *Judge) judge(samples []countsink.Sample, copies bool) error {
	if j == nil {
		return nil
	}
	if len(samples) == 0 {
		return errors.New("the upstream kept no sample")
	}
	for i, s := range samples {
		if err := j.one(s, copies); err != nil {
			return fmt.Errorf("sample %d, to %s: %w", i+1, strings.Join(s.Recipients, " "), err)
		}
	}
	return nil
}

func (j *Judge) one(s countsink.Sample, copies bool) error {
	head, body, ok := bytes.Cut(s.Content, []byte("\r\n\r\n"))
	if !ok {
		return errors.New("a header without an end")
	}
	if !s.Cut && !j.sent(string(body)) {
		return fmt.Errorf("a body of %d octets that nobody sent", len(body))
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(head, "\r\n\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if j.Keys == nil {
		return nil
	}
	return j.lines(s, header, copies)
}

// sent reports whether body is one that was sent.
func (j *Judge) sent(body string) bool { return slices.Contains(j.Bodies, body) }

// lines are what the gate must have put on top.
func (j *Judge) lines(s countsink.Sample, header textproto.MIMEHeader, copies bool) error {
	if !bytes.HasPrefix(s.Content, []byte("Received: by gate.bench.test (consentgate) ")) {
		return errors.New("the gate's Received does not come first")
	}
	if n := len(header["List-Id"]); n != 1 {
		return fmt.Errorf("%d fields List-Id, want 1", n)
	}
	if s.From == FromToAll {
		if n := len(header["List-Unsubscribe"]); n != 0 {
			return fmt.Errorf("%d fields List-Unsubscribe on a copy that recipients share", n)
		}
		return nil
	}
	if copies && len(s.Recipients) != 1 {
		return fmt.Errorf("%d recipients share a copy", len(s.Recipients))
	}
	return j.unsubscribe(s, header)
}

// unsubscribe wants one-click fields (RFC 8058) whose token is this recipient's.
func (j *Judge) unsubscribe(s countsink.Sample, header textproto.MIMEHeader) error {
	if got := header["List-Unsubscribe-Post"]; len(got) != 1 || got[0] != "List-Unsubscribe=One-Click" {
		return fmt.Errorf("List-Unsubscribe-Post is %q", got)
	}
	fields := header["List-Unsubscribe"]
	if len(fields) != 1 {
		return fmt.Errorf("%d fields List-Unsubscribe, want 1", len(fields))
	}
	link := strings.TrimSuffix(strings.TrimPrefix(fields[0], "<"+publicURL+"/u/"), ">")
	token, err := unsub.Tokens{Keys: j.Keys}.Parse(link)
	if err != nil {
		return fmt.Errorf("List-Unsubscribe %q: %w", fields[0], err)
	}
	address, err := gate.ParseAddress(s.Recipients[0])
	if err != nil {
		return err
	}
	if token.ID != j.Keys.ID(address) || token.Stream != unsub.StreamCode(PerRecipient) {
		return errors.New("the token in List-Unsubscribe is another's")
	}
	return nil
}
