package docker_test

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/testredis"
)

const (
	inside  = "127.0.0.2" // of the network that may send, here
	outside = "127.0.0.3"
)

// swap puts loopback in the place of an address of the compose file. One that is not there fails the test: what is run
// would not be what is shipped.
func swap(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%q stands %d times, want once, in\n%s", pairs[i], strings.Count(text, pairs[i]), text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// site is the compose file's services.
type site struct {
	*engine
	compose compose
	redis   *testredis.Server
	mailbox *container
	gate    *container
}

func startSite(t *testing.T) *site {
	t.Helper()
	s := &site{engine: newEngine(t), compose: readCompose(t)}
	redis := s.compose.service(t, "redis").Command
	if redis[0] != "redis-server" {
		t.Fatalf("the service redis runs %v", redis)
	}
	s.redis = testredis.Start(t, redis[1:]...)

	command := strings.Join(s.compose.service(t, "mailbox").Command, " ")
	command = swap(t, command, "0.0.0.0:1025", "127.0.0.1:0", "0.0.0.0:8080", "127.0.0.1:0")
	s.mailbox = s.start("listener=http", strings.Fields(command)...)

	subnet := s.compose.Networks["mail"].Ipam.Config[0].Subnet
	s.write(configPath, swap(t, readFile(t, "docker/consentgate.yaml"),
		"address: 0.0.0.0:2525", "address: 127.0.0.1:0", "["+subnet+"]", "["+inside+"]",
		"redis://redis:6379/0", s.redis.URL, "address: mailbox:1025", "address: "+s.mailbox.address("smtp")), 0o644)
	s.startGate()
	return s
}

func (s *site) startGate() {
	s.t.Helper()
	s.gate = s.start("msg=ready", s.compose.service(s.t, "gate").Command...)
}

// send sends a message from an address of this machine and returns the reply that ends the attempt.
func (s *site) send(local, from, to, subject string) string {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: patience}
	conn, err := d.Dial("tcp", s.gate.address("smtp"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	c, err := smtp.NewClient(conn, "client.example.com")
	if err == nil {
		err = transaction(c, from, to, "From: "+from+"\r\nTo: "+to+"\r\nSubject: "+subject+"\r\n\r\ntext\r\n")
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return "250"
}

func transaction(c *smtp.Client, from, to, data string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(data)); err != nil {
		return err
	}
	return w.Close()
}

// captured are the subjects on the mailbox's page, newest first.
func (s *site) captured() []string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.mailbox.address("http") + "/messages.json")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var messages []struct{ Subject string }
	if err := json.NewDecoder(resp.Body).Decode(&messages); err != nil {
		s.t.Fatal(err)
	}
	subjects := make([]string, len(messages))
	for i, m := range messages {
		subjects[i] = m.Subject
	}
	return subjects
}

// want runs a command of the program beside the gate.
func (s *site) want(code int, pattern string, args ...string) {
	s.t.Helper()
	got, out, errText := s.exec(args...)
	if got != code || !regexp.MustCompile(pattern).MatchString(out) {
		s.t.Errorf("%v: exit code %d, want %d and %s in\n%s%s", args, got, code, pattern, out, errText)
	}
}

func TestTheComposeFileRuns(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	s.checkConfinement()
	if log := s.gate.log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the gate starts with complaints:\n%s", log)
	}

	if reply := s.send(inside, "news@example.com", "ann@example.com", "observed"); reply != "250" {
		t.Fatalf("a message from the network: %s", reply)
	}
	if got := s.captured(); !slices.Equal(got, []string{"observed"}) {
		t.Errorf("the mailbox holds %q", got)
	}
	waitFor(t, "the log entry", func() bool {
		_, out, _ := s.exec("blocked", "--format", "json")
		return strings.Contains(out, `"reason":"no_consent"`) && strings.Contains(out, `"would_block":true`)
	})
	if reply := s.send(outside, "news@example.com", "ann@example.com", "stranger"); !strings.HasPrefix(reply, "554 ") {
		t.Errorf("a message from elsewhere: %s", reply)
	}

	s.want(0, "", "consent", "withdraw", "ann@example.com", "--all")
	s.restart()
	if reply := s.send(inside, "news@example.com", "ann@example.com", "after"); !strings.HasPrefix(reply, "550 ") {
		t.Errorf("a message to a person who withdrew: %s", reply)
	}
	s.want(3, "withdrawn", "check", "ann@example.com", "--stream", "newsletter")
	if got := s.captured(); len(got) != 1 {
		t.Errorf("the mailbox holds %q", got)
	}
	s.gate.stop()
	s.mailbox.stop()
}

// restart kills Redis and stops the gate; what is left are the volumes.
func (s *site) restart() {
	s.gate.stop()
	s.redis.Stop()
	s.redis.Start()
	s.startGate()
}

// checkConfinement looks at the running gate from outside.
func (s *site) checkConfinement() {
	s.t.Helper()
	status := s.proc("status")
	uid, gid := ids(s.t, s.img.user)
	if os.Geteuid() == 0 && (field(status, "Uid") != repeat(uid) || field(status, "Gid") != repeat(gid)) {
		s.t.Errorf("the gate runs as %s, %s; want %s", field(status, "Uid"), field(status, "Gid"), s.img.user)
	}
	if !s.closed {
		return
	}
	none := strings.Repeat("0", 16)
	if field(status, "CapEff") != none || field(status, "CapPrm") != none || field(status, "NoNewPrivs") != "1" {
		s.t.Errorf("the gate has rights:\n%s", status)
	}
	if !strings.HasSuffix(field(status, "NSpid"), " 1") {
		s.t.Errorf("the gate is process %s, want 1 as in a container", field(status, "NSpid"))
	}
	root := regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S+ / (\S+)`).FindStringSubmatch(s.proc("mountinfo"))
	if root == nil || !slices.Contains(strings.Split(root[1], ","), "ro") {
		s.t.Errorf("the root is not read-only: %v", root)
	}
}

func (s *site) proc(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.gate.cmd.Process.Pid), name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// field is one of /proc/PID/status, its columns parted by a blank.
func field(status, name string) string {
	scan := bufio.NewScanner(strings.NewReader(status))
	for scan.Scan() {
		if key, value, _ := strings.Cut(scan.Text(), ":"); key == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// repeat: real, effective, saved and of the file system.
func repeat(id uint32) string {
	return strings.TrimSpace(strings.Repeat(strconv.Itoa(int(id))+" ", 4))
}

func TestTheImageIsCompleteAndHoldsNothingElse(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	want := []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/local/bin/consentgate"}
	if got := e.files(); !slices.Equal(got, want) {
		t.Errorf("the image holds %q, want %q", got, want)
	}
	checkStatic(t, filepath.Join(e.tree, e.img.entrypoint[0]))
	e.write(configPath, readFile(t, "docker/consentgate.yaml"), 0o644)
	for name, args := range map[string][]string{
		"the demo, whose files are in TMPDIR": {"demo", "--once"},
		"the settings as they are shipped":    {"config", "check"},
		"the version":                         {"version"},
	} {
		if code, out, errText := e.exec(args...); code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", name, code, out, errText)
		}
	}
}

// files are those of the image, in order.
func (e *engine) files() (names []string) {
	e.t.Helper()
	err := filepath.WalkDir(e.tree, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(name, e.tree))
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return names
}

// checkStatic: a program without an interpreter and without libraries runs where there are none.
func checkStatic(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err == nil && len(libraries) > 0 {
		t.Errorf("the program needs %v", libraries)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is linked dynamically: it has %v", p.Type)
		}
	}
}
