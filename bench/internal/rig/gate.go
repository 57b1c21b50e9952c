//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// Streams of the gate, and the reverse-paths that choose them.
const (
	PerRecipient     = "newsletter"    // each recipient's copy has its own List-Unsubscribe
	ToAll            = "announcements" // recipients share a copy
	FromPerRecipient = "news@bench.test"
	FromToAll        = "all@bench.test"

	purpose   = "newsletter" // of both
	publicURL = "https://u.bench.test"
)

// gateConfig is completed with data_dir, store, listeners, upstream and what else a gate has of its own. All else is as
// shipped.
const gateConfig = `data_dir: %s
store: %s
hostname: gate.bench.test
default_stream: newsletter
listeners:
  - %s
upstreams:
  - %s
streams:
  newsletter:
    purpose: newsletter
    match: {mail_from: ["news@bench.test"]}
    unsubscribe: [https]
    list_id: Bench news <news.bench.test>
    feedback_id: november:news:bench
  announcements:
    purpose: newsletter
    match: {mail_from: ["all@bench.test"]}
    list_id: Bench announcements <all.bench.test>
unsubscribe:
  listen: 127.0.0.1:0
  public_url: https://u.bench.test
  self_test: "off"
%s`

// Plain is a listener as it is without TLS or a proxy.
const Plain = "{address: 127.0.0.1:0}"

// Settings are what gates of a benchmark differ in.
type Settings struct {
	Dir       string   // of all that is its own
	Store     string   // URL
	Upstream  string   // host:port
	Binary    string   // consentgate
	Command   []string // program and arguments that, followed by --config FILE, run the gate; none: it is not run
	Listeners []string // in YAML; none: one that is Plain
	Sections  string   // of the config, beside ours
	// TLS makes it speak STARTTLS to the upstream, and lets listeners do so.
	TLS   *Authority
	Plain bool // the upstream is spoken to in the clear all the same
	// Sibling is a gate that has made the store; nil: this one makes it.
	Sibling *Gate
}

func (s Settings) config(data string) []byte {
	listeners, upstream, sections := s.Listeners, "{address: "+s.Upstream+"}", s.Sections
	if len(listeners) == 0 {
		listeners = []string{Plain}
	}
	if s.TLS != nil {
		sections += fmt.Sprintf("tls: {certificate: %s, key: %s}\n", s.TLS.Certificate, s.TLS.Key)
		if !s.Plain {
			upstream = "{address: " + s.Upstream + ", tls: starttls}"
		}
	}
	if s.Sibling != nil {
		sections += "id_key_file: " + s.Sibling.idKey() + "\n"
	}
	return fmt.Appendf(nil, gateConfig, data, s.Store, strings.Join(listeners, "\n  - "), upstream, sections)
}

// Build builds a package of this module the way make build does.
func Build(ctx context.Context, pkg, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Gate is consentgate with a folder, a config and a store of its own.
type Gate struct {
	*procs.Process          // nil: not running
	Addr           string   // of its first listener, once it runs
	Addrs          []string // of all of them
	Web            string   // of its listener for unsubscribing
	Private        string   // of its private listener; "": it has none
	Dir            string
	StoreURL       string
	Data           string // its data_dir
	Config         string // path
	Keys           *seal.Keys

	settings Settings
}

// NewGate writes a config and makes the store. command is a program and arguments that, followed by --config FILE, run
// the gate; binary is consentgate.
func NewGate(ctx context.Context, dir, storeURL, upstream, binary string, command ...string) (*Gate, error) {
	return Make(ctx, Settings{Dir: dir, Store: storeURL, Upstream: upstream, Binary: binary, Command: command})
}

// Make is NewGate for a gate with settings of its own. The store is made unless a sibling has.
func Make(ctx context.Context, s Settings) (*Gate, error) {
	g := &Gate{Dir: s.Dir, StoreURL: s.Store, Data: filepath.Join(s.Dir, "data"), Config: filepath.Join(s.Dir, "config.yaml"), settings: s}
	if err := os.MkdirAll(g.Data, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(g.Config, s.config(g.Data), 0o600); err != nil {
		return nil, err
	}
	if err := g.makeStore(ctx); err != nil {
		return nil, err
	}
	var err error
	g.Keys, err = seal.Open(g.Data, g.sealing())
	return g, err
}

func (g *Gate) makeStore(ctx context.Context) error {
	if g.settings.Sibling != nil {
		return nil
	}
	init := exec.CommandContext(ctx, g.settings.Binary, "store", "init", "--config", g.Config)
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("consentgate store init: %w\n%s", err, out)
	}
	return nil
}

// sealing are the options of its keys; all but the id key are its own.
func (g *Gate) sealing() seal.Options {
	if g.settings.Sibling == nil {
		return seal.Options{}
	}
	return seal.Options{IDKeyFile: g.settings.Sibling.idKey(), MayCreate: true}
}

func (g *Gate) idKey() string { return filepath.Join(g.Data, "id.key") }

// Start starts it and waits for its word ready.
func (g *Gate) Start(ctx context.Context) error {
	command := g.settings.Command
	cmd := procs.Command(ctx, command[0], append(slices.Clone(command[1:]), "--config", g.Config)...)
	if g.settings.TLS != nil {
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+g.settings.TLS.Certificate)
	}
	p, err := procs.Start("consentgate", filepath.Join(g.Dir, "log"), cmd)
	if err != nil {
		return err
	}
	g.Process = p
	if err := p.Await(startTime, func() bool { return strings.Contains(p.Log(), "msg=ready") }); err != nil {
		return err
	}
	g.Addrs = nil
	for _, m := range regexp.MustCompile(`msg=listening listener=(\S+) address=(\S+)`).FindAllStringSubmatch(p.Log(), -1) {
		switch m[1] {
		case "smtp":
			g.Addrs = append(g.Addrs, m[2])
		case "unsubscribe":
			g.Web = m[2]
		case "admin":
			g.Private = m[2]
		}
	}
	g.Addr = g.Addrs[0]
	return nil
}

// Kill ends the process by SIGKILL; it does not run then.
func (g *Gate) Kill() {
	g.Process.Kill()
	g.Process = nil
}

// Restart gives a fresh process.
func (g *Gate) Restart(ctx context.Context) error {
	if err := g.Stop(); err != nil {
		return err
	}
	return g.Start(ctx)
}

// OneClick is the path on Web where a POST withdraws the consent of somebody (RFC 8058).
func (g *Gate) OneClick(address string) (string, error) {
	a, err := gate.ParseAddress(address)
	if err != nil {
		return "", err
	}
	return "/u/" + unsub.Tokens{Keys: g.Keys}.Make(g.Keys.ID(a), PerRecipient, unsub.TokenUnsubscribe), nil
}
