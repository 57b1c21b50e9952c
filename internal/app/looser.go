package app

import (
	"context"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

// roleConfig is the role of what the config file asks for.
const roleConfig = "config"

// auditLooser writes down at each start which packs give more than those that come with the program
// (policies.allow_looser). A store that does not answer keeps no gate from starting: its mail is deferred anyway, and
// the program log has the line too.
func (a *App) auditLooser(ctx context.Context, t gate.Trail) {
	for _, p := range a.cfg.Packs() {
		if len(p.Looser) == 0 {
			continue
		}
		act := gate.Act{Time: time.Now(), Actor: "gate:" + a.cfg.Hostname, Role: roleConfig, Name: "policy.looser", Detail: looserDetail(p)}
		if _, err := t.AppendAct(ctx, act); err != nil {
			a.log.Error("audit log does not take that a looser pack is in force", "jurisdiction", p.Jurisdiction, "err", err)
		}
	}
}

// maxLooser bounds what an entry of the audit log says of a pack, in octets; policy show has the rest.
const maxLooser = 1000

// looserDetail names the pack, and where it gives more.
func looserDetail(p policies.Entry) string {
	cells := make([]string, len(p.Looser))
	for i, l := range p.Looser {
		cells[i] = l.Field + " " + l.Text
	}
	text := "pack " + p.Jurisdiction + ": " + strings.Join(cells, "; ")
	if len(text) > maxLooser {
		text = text[:maxLooser] + " …"
	}
	return text
}
