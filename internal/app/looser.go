package app

import (
	"context"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// auditLooser writes down at each start which packs give more than those that come with the program
// (policies.allow_looser). A store that does not answer keeps no gate from starting: its mail is deferred anyway, and
// the program log has the line too.
func (a *App) auditLooser(ctx context.Context, t gate.Trail) {
	for _, p := range a.cfg.Packs() {
		if len(p.Looser) == 0 {
			continue
		}
		act := gate.Act{Time: time.Now(), Actor: "gate:" + a.cfg.Hostname, Name: "policy.looser", Detail: "pack " + p.Jurisdiction}
		if _, err := t.AppendAct(ctx, act); err != nil {
			a.log.Error("audit log does not take that a looser pack is in force", "jurisdiction", p.Jurisdiction, "err", err)
		}
	}
}
