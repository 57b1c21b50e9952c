package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// deadline is how long a test waits for what must happen.
const deadline = 15 * time.Second

// output is a buffer that a command writes and a test reads meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// wait returns the groups of the first match of a pattern in what was written.
func (o *output) wait(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m
		}
	}
	t.Fatalf("never wrote %q, but:\n%s", pattern, o.String())
	return nil
}

// site is a data directory with a config file that all commands of a test share.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T, config string) site {
	s := site{t, t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s site) env(name string) string {
	return map[string]string{
		"CONSENTGATE_CONFIG":   filepath.Join(s.dir, "config.yaml"),
		"CONSENTGATE_DATA_DIR": filepath.Join(s.dir, "data"),
	}[name]
}

func (s site) program(out, err io.Writer) *program {
	return &program{in: strings.NewReader(""), out: out, err: err, env: s.env, now: time.Now}
}

// run runs a command to its end.
func (s site) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, err bytes.Buffer
	p := s.program(&out, &err)
	code = p.execute(s.t.Context(), p.rootCommand(), args)
	return code, out.String(), err.String()
}

// start runs a command until stop, which wants exit code 0.
func (s site) start(args ...string) (stdout, stderr *output, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	stdout, stderr = new(output), new(output)
	ended := make(chan int, 1)
	go func() {
		p := s.program(stdout, stderr)
		ended <- p.execute(ctx, p.rootCommand(), args)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case code := <-ended:
			if code != 0 {
				s.t.Errorf("%s: exit code %d\n%s", args[0], code, stderr)
			}
		case <-time.After(deadline):
			s.t.Errorf("%s: does not end", args[0])
		}
	})
	s.t.Cleanup(stop)
	return stdout, stderr, stop
}

const gateConfig = `default_stream: newsletter
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "127.0.0.1:1"}]
streams:
  newsletter: {kind: marketing, purpose: newsletter}
`

// refused sends a recipient and returns the reply that refuses it.
func refused(t *testing.T, gateAddr, from, to string) string {
	t.Helper()
	c, err := smtp.Dial(gateAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	err = c.Rcpt(to)
	reply, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		t.Fatalf("RCPT TO:<%s> = %v, want a refusal", to, err)
	}
	return reply.Error()
}

func TestServeRefusesARecipientAndBlockedShowsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, gateConfig)
	_, logs, stop := s.start("serve", "--json")
	addr := logs.wait(t, `"msg":"listening".*"address":"([^"]+)"`)[1]
	logs.wait(t, `"msg":"ready"`)

	reply := refused(t, addr, "=cmd@example.com", "ann@example.com")
	if !strings.Contains(reply, "5.7.1 ") || !strings.Contains(reply, "no_consent") {
		t.Errorf("reply = %s", reply)
	}
	follow, _, stopFollow := s.start("blocked", "--follow", "--format", "json")
	follow.wait(t, `"recipient":"a\*\*\*@example.com"`)
	refused(t, addr, "news@example.com", "bob@example.com")
	follow.wait(t, `"recipient":"b\*\*\*@example.com"`)
	if n := strings.Count(follow.String(), "a***@example.com"); n != 1 {
		t.Errorf("the first entry was shown %d times", n)
	}
	stopFollow()

	s.checkFilters()
	s.checkFormats()
	stop()
}

// checkFilters: two entries stand, of ann and bob.
func (s site) checkFilters() {
	s.t.Helper()
	for want, args := range map[int][][]string{
		2: {{}, {"--since", "1h"}, {"--reason", "no_consent"}, {"--stream", "newsletter"}, {"--since", "2026-01-01T00:00:00Z"}},
		1: {{"--recipient", "ann@example.com"}, {"--recipient", "ANN@EXAMPLE.COM"}},
		0: {{"--reason", "withdrawn"}, {"--stream", "receipts"}, {"--recipient", "eve@example.com"}},
	} {
		for _, filter := range args {
			code, out, errText := s.run(append([]string{"blocked", "--json"}, filter...)...)
			if n := strings.Count(out, "\n"); code != 0 || n != want {
				s.t.Errorf("blocked %v: %d entries, exit code %d, want %d\n%s", filter, n, code, want, errText)
			}
		}
	}
}

func (s site) checkFormats() {
	s.t.Helper()
	_, table, _ := s.run("blocked")
	if !regexp.MustCompile(`(?m)^20.*b\*\*\*@example.com +newsletter +block +no_consent +news@example.com`).MatchString(table) {
		s.t.Errorf("table:\n%s", table)
	}
	_, revealed, said := s.run("blocked", "--reveal")
	if !strings.Contains(revealed, "ann@example.com") || !strings.Contains(said, "showing full addresses") {
		s.t.Errorf("revealed:\n%s%s", said, revealed)
	}
	_, text, _ := s.run("blocked", "--format", "csv", "--recipient", "ann@example.com")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][6] != "mail_from" {
		s.t.Fatalf("csv: %v\n%s", err, text)
	}
	if rows[1][6] != "'=cmd@example.com" {
		s.t.Errorf("a spreadsheet would run %s", rows[1][6])
	}
	_, one, _ := s.run("blocked", "--format", "json", "--recipient", "ann@example.com")
	var fields map[string]any
	if err := json.Unmarshal([]byte(one), &fields); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range csvColumns() {
		if _, ok := fields[name]; !ok && name != "would_block" {
			s.t.Errorf("the entry lacks %s: %s", name, one)
		}
	}
	if _, leaked := fields["address"]; leaked {
		s.t.Error("the entry shows the sealed address")
	}
}

func TestWrongFlagsOfServeAndBlockedAreNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, gateConfig)
	for want, args := range map[string][]string{
		`--mode: "obsrve" is not known here: did you mean observe?`:         {"serve", "--mode", "obsrve"},
		`--upstream: upstream "smtp" is not host:port`:                      {"serve", "--upstream", "smtp"},
		`listeners[0]: 0.0.0.0:0 is open to other machines`:                 {"serve", "--listen", "0.0.0.0:0"},
		`--store: "redsi://h" has a scheme that is not known: did you mean`: {"serve", "--store", "redsi://h"},
		`--reason "spam" is not known: use one of no_consent`:               {"blocked", "--reason", "spam"},
		`--since "soon" is no time span: write it as 24h, 7d`:               {"blocked", "--since", "soon"},
		`--format "xml" is not known: use one of table, json, csv`:          {"blocked", "--format", "xml"},
		`--listen "2525" is not host:port`:                                  {"sink", "--listen", "2525"},
		`--recipient "ann": invalid address`:                                {"blocked", "--recipient", "ann"},
		"is empty (store is not initialised): run `consentgate store init`": {"blocked"},
	} {
		code, _, errText := s.run(args...)
		wantCode := exitError
		if strings.HasPrefix(want, "--") {
			wantCode = exitUsage
		}
		if code != wantCode || !strings.Contains(errText, want) {
			t.Errorf("%v: exit code %d, want %d\n%swant %s", args, code, wantCode, errText, want)
		}
	}
}

func TestSinkTakesMail(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	_, logs, stop := s.start("sink", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json")
	addr := logs.wait(t, `"address":"([^"]+)"`)[1]
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.com"}, []byte("Subject: x\r\n\r\nhello\r\n")); err != nil {
		t.Error(err)
	}
	stop()
}

func TestCellsThatASpreadsheetWouldRunAreInert(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "plain": "plain", "": "",
	} {
		if got := csvRow(gate.BlockEntry{MessageID: in})[9]; got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestTextFromStrangersCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb\tc\u202ed\u009be"); got != "a?[2Jb?c?d?e" {
		t.Errorf("printable = %q", got)
	}
}
