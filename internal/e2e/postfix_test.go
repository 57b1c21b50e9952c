package e2e_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

const (
	// startTimeout and deliveryTimeout bound what is waited for on a busy machine.
	startTimeout    = 30 * time.Second
	deliveryTimeout = 60 * time.Second

	// lifetime ends an instance whose test could not: longer than any test may run.
	lifetime = 15 * time.Minute
)

// postfix is a private instance of Debian's Postfix: own configuration, queue and data, one port of loopback. It takes
// mail for every domain and delivers all of it into one Maildir; nothing leaves the machine.
type postfix struct {
	addr string // host:port, SMTP without TLS

	t        *testing.T
	dir      string
	settings []string
}

// startPostfix starts an instance that ends with the test. settings are further lines of its main.cf, such as
// "message_size_limit = 2000"; they come last and win.
func startPostfix(t *testing.T, settings ...string) *postfix {
	t.Helper()
	p := &postfix{t: t, dir: t.TempDir(), settings: settings}
	// Postfix drops its rights and must still reach its folders.
	t.Cleanup(func() { p.asRoot("rm", "-rf", p.path("queue"), p.path("data"), p.path("mail")) })
	for dir := p.dir; dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	p.install()
	// Somebody may take the free port before Postfix does.
	for range 3 {
		if p.run() {
			return p
		}
	}
	log, _ := os.ReadFile(p.path("log"))
	t.Fatalf("Postfix does not start:\n%s", log)
	return nil
}

// install lays out the instance's folders.
func (p *postfix) install() {
	p.t.Helper()
	if _, err := lookPath("postfix"); err != nil {
		p.t.Fatal("postfix is not installed: run script/bootstrap")
	}
	p.must(os.Mkdir(p.path("etc"), 0o755))
	p.must(os.WriteFile(p.path("log"), nil, 0o600))
	p.makeDirs("root", "root", "755", "queue", "queue/pid")
	p.makeDirs("postfix", "root", "700", "queue/active", "queue/bounce", "queue/corrupt", "queue/defer", "queue/deferred",
		"queue/flush", "queue/hold", "queue/incoming", "queue/private", "queue/saved", "queue/trace", "data")
	p.makeDirs("postfix", "postdrop", "730", "queue/maildrop", "queue/public")
	p.makeDirs(p.mailOwner().Username, "root", "700", "mail")
}

// makeDirs does what "postfix check" would, which takes seconds on a busy machine.
func (p *postfix) makeDirs(owner, group, mode string, names ...string) {
	p.t.Helper()
	args := []string{"-d", "-o", owner, "-g", group, "-m", mode}
	for _, name := range names {
		args = append(args, p.path(name))
	}
	p.asRoot("install", args...)
}

// mailOwner owns what is delivered: the account of the test, so that it can read it. Postfix never delivers as root,
// who can read anybody's.
func (p *postfix) mailOwner() *user.User {
	p.t.Helper()
	owner, err := user.Current()
	if err == nil && owner.Uid == "0" {
		owner, err = user.Lookup("postfix")
	}
	p.must(err)
	return owner
}

// run starts the daemons on a port that was free a moment ago, and reports whether they answer there.
func (p *postfix) run() bool {
	p.t.Helper()
	p.addr = freeAddr(p.t)
	p.configure()
	master := p.rootCommand(filepath.Join(p.daemonDirectory(), "master"),
		"-c", p.path("etc"), "-d", "-e", strconv.Itoa(int(lifetime.Seconds())))
	// It ends its whole process group, which must not be the test's.
	master.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.must(master.Start())

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = master.Wait() // it ends by a signal, or says in its log why
	}()
	if !p.answers(ended) {
		<-ended
		return false
	}
	p.t.Cleanup(func() {
		p.asRoot("sh", "-c", `kill $(cat "$0")`, p.path("queue/pid/master.pid"))
		<-ended
		if p.t.Failed() {
			log, _ := os.ReadFile(p.path("log"))
			p.t.Logf("Postfix's log:\n%s", log)
		}
	})
	return true
}

// daemonDirectory is where this system's Postfix keeps its daemons.
func (p *postfix) daemonDirectory() string {
	p.t.Helper()
	postconf, err := lookPath("postconf")
	p.must(err)
	out, err := exec.CommandContext(p.t.Context(), postconf, "-dhx", "daemon_directory").Output()
	p.must(err)
	return strings.TrimSpace(string(out))
}

// answers waits for the banner, or for the end of the daemon.
func (p *postfix) answers(ended <-chan struct{}) bool {
	p.t.Helper()
	banner := ""
	waitFor(p.t, startTimeout, "Postfix to answer on "+p.addr, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		banner = greeting(p.addr)
		return banner != ""
	})
	return strings.HasPrefix(banner, "220 mx.example.com ")
}

var mainCF = template.Must(template.New("main.cf").Parse(`compatibility_level = 3.6
queue_directory = {{.Dir}}/queue
data_directory = {{.Dir}}/data
maillog_file_prefixes = {{.Dir}}
maillog_file = {{.Dir}}/log
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtputf8_enable = yes
# What arrives is delivered as it came: no header is completed or rewritten.
local_header_rewrite_clients =
remote_header_rewrite_domain =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:5.1.1 there is no local mail
default_transport = error:5.1.1 no mail leaves this machine
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {{.Dir}}/mail
virtual_uid_maps = static:{{.Owner.Uid}}
virtual_gid_maps = static:{{.Owner.Gid}}
virtual_minimum_uid = 1
{{range .Settings}}{{.}}
{{end}}`))

var masterCF = template.Must(template.New("master.cf").Parse(`{{.Addr}} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
verify unix - - n - 1 verify
virtual unix - n n - - virtual
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`))

func (p *postfix) configure() {
	p.t.Helper()
	values := struct {
		Dir, Addr string
		Owner     *user.User
		Settings  []string
	}{p.dir, p.addr, p.mailOwner(), p.settings}
	for _, file := range []*template.Template{mainCF, masterCF} {
		var text bytes.Buffer
		p.must(file.Execute(&text, values))
		p.must(os.WriteFile(p.path("etc/"+file.Name()), []byte(lastWins(text.String())), 0o644))
	}
}

// lastWins leaves the last of the lines that set the same parameter. Postfix does as much, but warns of each; more
// warnings than its log socket holds, and its log daemon waits for itself forever.
func lastWins(conf string) string {
	lines := slices.Collect(strings.Lines(conf))
	last := map[string]int{}
	for i, line := range lines {
		if name, _, ok := strings.Cut(line, " ="); ok {
			last[name] = i
		}
	}
	var b strings.Builder
	for i, line := range lines {
		if name, _, ok := strings.Cut(line, " ="); !ok || last[name] == i {
			b.WriteString(line)
		}
	}
	return b.String()
}

// delivered is one recipient's copy of a message.
type delivered struct {
	from, to string // envelope as Postfix writes it

	// data is what Postfix took over SMTP: lines end in CRLF again, and the four fields that it puts on top
	// (Return-Path, X-Original-To, Delivered-To, Received) are off.
	data []byte
}

// wait returns all copies once n have been delivered, sorted by recipient. More than n fail the test.
func (p *postfix) wait(n int) []delivered {
	p.t.Helper()
	var files []string
	waitFor(p.t, deliveryTimeout, fmt.Sprintf("%d copies in the mailbox", n), func() bool {
		files = p.inbox()
		return len(files) >= n
	})
	if len(files) > n {
		p.t.Fatalf("%d copies delivered, want %d", len(files), n)
	}
	copies := make([]delivered, len(files))
	for i, name := range files {
		raw, err := os.ReadFile(name)
		p.must(err)
		copies[i] = p.parse(raw)
	}
	slices.SortStableFunc(copies, func(a, b delivered) int { return cmp.Compare(a.to, b.to) })
	return copies
}

// inbox lists the Maildir's files. A file appears there when it is complete.
func (p *postfix) inbox() []string {
	p.t.Helper()
	files, err := filepath.Glob(p.path("mail/inbox/new/*"))
	p.must(err)
	return files
}

// parse takes Postfix's own fields off a delivered message.
func (p *postfix) parse(raw []byte) delivered {
	p.t.Helper()
	rest := bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	field := func(name string) string {
		end := fieldEnd(rest)
		value, ok := strings.CutPrefix(string(rest[:end]), name+": ")
		if !ok {
			p.t.Fatalf("no %s field in Postfix's place:\n%s", name, raw)
		}
		rest = rest[end:]
		return strings.TrimSuffix(value, "\r\n")
	}
	d := delivered{from: strings.Trim(field("Return-Path"), "<>"), to: field("X-Original-To")}
	field("Delivered-To")
	field("Received")
	d.data = rest
	return d
}

// fieldEnd is where the first header field ends, with its folded lines.
func fieldEnd(header []byte) int {
	for i := 0; i < len(header); {
		n := bytes.IndexByte(header[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		if i < len(header) && header[i] != ' ' && header[i] != '\t' {
			return i
		}
	}
	return len(header)
}

func (p *postfix) path(name string) string { return filepath.Join(p.dir, name) }

func (p *postfix) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// asRoot runs a command as root and fails the test if it fails.
func (p *postfix) asRoot(name string, args ...string) {
	p.t.Helper()
	if out, err := p.rootCommand(name, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s %s: %v (Postfix needs root, or sudo without a password)\n%s", name, strings.Join(args, " "), err, out)
	}
}

// rootCommand goes through sudo where the test does not run as root. It is not bound to the test's context: cleaning
// up comes after its end.
func (p *postfix) rootCommand(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	argv := append([]string{name}, args...)
	if os.Geteuid() != 0 {
		argv = append([]string{"sudo", "-n"}, argv...)
	}
	path, err := lookPath(argv[0])
	p.must(err)
	return exec.CommandContext(context.Background(), path, argv[1:]...)
}

// lookPath also looks where Debian puts daemons, which is not on every account's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// greeting is the first line that a server says; empty where nobody answers.
func greeting(addr string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return ""
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return line
}

// freeAddr returns an address of loopback that nobody listens on now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
