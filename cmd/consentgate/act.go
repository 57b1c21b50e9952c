package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/store"
)

// roleLocal is the role of whoever may run this program with the store's keys: it may do everything.
const roleLocal = "local"

// act writes into the audit log what is about to be done: what cannot be written there is not done. The subject is the
// recipient it is about, or the zero ID; neither name nor detail may hold an address.
func (p *program) act(ctx context.Context, t gate.Trail, name string, subject gate.ID, detail ...string) error {
	_, err := t.AppendAct(ctx, gate.Act{
		Time: p.now(), Actor: p.actor(), Role: roleLocal, Name: name, Subject: subject, Detail: details(detail),
	})
	if err != nil {
		return fmt.Errorf("nothing is done, since the audit log does not take it: %w", err)
	}
	return nil
}

// actOnKeys is act where the store may have no keys here yet. A store that was never made has no log, and needs none.
func (p *program) actOnKeys(ctx context.Context, cfg *config.Config, name string, detail ...string) error {
	s, err := store.Open(ctx, cfg.Store, store.Options{Logger: p.log(slog.LevelWarn)})
	if err != nil {
		return fmt.Errorf("store %s: %w", config.RedactURL(cfg.Store), err)
	}
	_, err = s.Meta(ctx)
	switch {
	case errors.Is(err, gate.ErrUninitialised):
		err = nil
	case err == nil:
		err = p.act(ctx, s, name, gate.ID{}, detail...)
	default:
		err = fmt.Errorf("nothing is done, since the audit log does not take it: %w", err)
	}
	return errors.Join(err, s.Close())
}

// details joins what is not empty. What looks like an address is left out: file names and reasons may hold one.
func details(parts []string) string {
	var kept []string
	for _, part := range parts {
		if _, value, _ := strings.Cut(part, " "); part == "" || strings.HasSuffix(part, " ") && value == "" {
			continue
		}
		if strings.Contains(part, "@") {
			word, _, _ := strings.Cut(part, " ")
			part = word + " (left out: holds @)"
		}
		kept = append(kept, printable(part))
	}
	return strings.Join(kept, ", ")
}

// maxActor bounds what --actor adds to the account, in octets.
const maxActor = 60

// actor names who gives the command: the account and host, and before them whom --actor names. The account stays in any
// case, since a name is only claimed.
func (p *program) actor() string {
	if p.as == "" {
		return actor()
	}
	return printable(p.as[:min(len(p.as), maxActor)]) + " via " + actor()
}

// actor is the account that runs the program, as cli:anna@mail1.
func actor() string {
	account := "?"
	if u, err := user.Current(); err == nil {
		account = u.Username
	}
	host, _ := os.Hostname() // without a name the account stands alone
	host, _, _ = strings.Cut(host, ".")
	return "cli:" + account + "@" + cmp.Or(host, "localhost")
}
