//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/internal/seal"
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

// gateConfig is completed with data_dir, store and upstream. All else is as shipped.
const gateConfig = `data_dir: %s
store: %s
hostname: gate.bench.test
default_stream: newsletter
listeners:
  - address: 127.0.0.1:0
upstreams:
  - address: %s
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
`

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
	*procs.Process        // nil: not running
	Addr           string // of its listener, once it runs
	Dir            string
	StoreURL       string
	Data           string // its data_dir
	Config         string // path
	Keys           *seal.Keys

	command []string // that serves the config
}

// NewGate writes a config and makes the store. command is a program and arguments that, followed by --config FILE, run
// the gate; binary is consentgate.
func NewGate(ctx context.Context, dir, storeURL, upstream, binary string, command ...string) (*Gate, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	g := &Gate{Dir: dir, StoreURL: storeURL, Data: filepath.Join(dir, "data"), Config: filepath.Join(dir, "config.yaml"), command: command}
	text := fmt.Appendf(nil, gateConfig, g.Data, storeURL, upstream)
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		return nil, err
	}
	init := exec.CommandContext(ctx, binary, "store", "init", "--config", g.Config)
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("consentgate store init: %w\n%s", err, out)
	}
	var err error
	g.Keys, err = seal.Open(g.Data, seal.Options{})
	return g, err
}

// Start starts it and waits for its word ready.
func (g *Gate) Start(ctx context.Context) error {
	args := append(append([]string(nil), g.command[1:]...), "--config", g.Config)
	p, err := procs.Start("consentgate", filepath.Join(g.Dir, "log"), procs.Command(ctx, g.command[0], args...))
	if err != nil {
		return err
	}
	g.Process = p
	listening := regexp.MustCompile(`msg=listening listener=smtp address=(\S+)[\s\S]*msg=ready`)
	return p.Await(startTime, func() bool {
		m := listening.FindStringSubmatch(p.Log())
		if m == nil {
			return false
		}
		g.Addr = m[1]
		return true
	})
}

// Restart gives a fresh process.
func (g *Gate) Restart(ctx context.Context) error {
	if err := g.Stop(); err != nil {
		return err
	}
	return g.Start(ctx)
}
