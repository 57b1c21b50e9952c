package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// envelope is a message and whom it goes to.
type envelope struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Data    []byte   `json:"data"`    // lines end in CRLF
	Options []string `json:"options"` // of MAIL, such as SMTPUTF8
}

// replied is what a server said.
type replied struct {
	Code int    `json:"code"`
	Text string `json:"text"` // with the enhanced code
}

// outcome is what smtplib made of the replies: the recipients that were refused, and the reply to the message; 554 of
// its own where all recipients were refused.
type outcome struct {
	replied
	Refused map[string]replied `json:"refused"`
}

// smtplib sends through Python's standard client.
func smtplib(t *testing.T, addr string, e envelope) outcome {
	t.Helper()
	job, err := json.Marshal(struct {
		Addr string `json:"addr"`
		envelope
	}{addr, e})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t, "python3"), "testdata/send.py")
	cmd.Stdin = bytes.NewReader(job)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("smtplib: %v\n%s", err, stderr.String())
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("smtplib said %q: %v", out, err)
	}
	return o
}

// swaks sends with the arguments of its manual and returns the dialogue and its exit code: 0 where all went well, 24
// where no recipient was accepted, 26 where the message was refused.
func swaks(t *testing.T, addr string, args ...string) (dialogue string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "swaks"),
		append([]string{"--server", addr, "--helo", "client.example.com", "--timeout", "60"}, args...)...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("swaks: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// program is the path of a command; the test fails without it.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := lookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run script/bootstrap", name)
	}
	return path
}
