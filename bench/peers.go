//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/consentgate/consentgate/bench/internal/peers"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

// startPeers starts those that were asked for, on the records that the gate has.
func (b *benchmark) startPeers(ctx context.Context) error {
	for _, name := range b.o.Peers {
		start, ok := map[string]func(context.Context, peers.Neighbours) (*peers.Peer, error){
			results.Postfix: b.startPostfix, results.Haraka: b.startHaraka,
		}[name]
		if !ok {
			return fmt.Errorf("no peer is called %q; there are %s and %s", name, results.Postfix, results.Haraka)
		}
		addr, err := rig.FreeAddr(ctx)
		if err != nil {
			return err
		}
		b.say("starting %s", name)
		p, err := start(ctx, peers.Neighbours{
			Addr: addr, Upstream: b.upstreamAddr, Redis: b.redis.URL, IDKey: filepath.Join(b.gate.Data, "id.key"),
		})
		if p != nil {
			b.peers = append(b.peers, p.Process)
		}
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{
			name: name, decides: true, queues: name == results.Postfix,
			where: func() (string, int) { return p.Addr, p.PID },
		})
	}
	return nil
}

func (b *benchmark) startPostfix(ctx context.Context, n peers.Neighbours) (*peers.Peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	policy, err := procs.Start("policy", b.path("policy.log"), procs.Command(ctx, self, "policy", b.gate.Config))
	if err != nil {
		return nil, err
	}
	b.peers = append(b.peers, policy)
	listening := regexp.MustCompile(`msg=listening address=(\S+)`)
	err = policy.Await(10*time.Second, func() bool { return listening.MatchString(policy.Log()) })
	if err != nil {
		return nil, err
	}
	n.Policy = listening.FindStringSubmatch(policy.Log())[1]
	// Postfix's processes are not root, and have to reach their folder.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	return peers.StartPostfix(ctx, b.path("postfix"), n)
}

func (b *benchmark) startHaraka(ctx context.Context, n peers.Neighbours) (*peers.Peer, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	return peers.StartHaraka(ctx, b.path("haraka"), filepath.Join(cache, "consentgate-bench"), n)
}

// policy is the process that Postfix asks, with the gate's config.
func policy(ctx context.Context, path string, log io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(log, nil))
	cfg, err := config.Load(config.Options{Path: path, Env: func(string) string { return "" }})
	if err != nil {
		return err
	}
	s, keys, err := app.OpenStore(ctx, cfg, logger, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	logger.Info("listening", "address", l.Addr().String())
	return peers.Policy{Records: gate.Reader(s), Keys: keys, Purpose: rig.PerRecipient}.Serve(ctx, l)
}
