package admin_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

// An auditor follows the chain page by page, and finds it as CheckTrail would.
func TestTheAuditLogIsReadInPagesThatChain(t *testing.T) {
	t.Parallel()
	problemOf(t, newSite(t, nil).ask(t, admin.RoleViewer, "/api/v1/audit", ""), http.StatusNotFound, "nothing here")
	log := newSite(t, func(o *admin.Options) {
		trail, ok := o.Store.(gate.Trail)
		if !ok {
			t.Fatal("the store keeps no audit log")
		}
		o.Acts = trail.Acts
		for i := range 5 {
			if _, err := trail.AppendAct(t.Context(), gate.Act{Time: now(), Actor: "cli:anna", Name: "export", Detail: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	})
	var seen []gate.AuditEntry
	for from, pages := uint64(1), 0; from != 0; pages++ {
		var page struct {
			Entries []gate.AuditEntry
			Next    uint64
		}
		a := log.ask(t, admin.RoleViewer, fmt.Sprintf("/api/v1/audit?from=%d&limit=2", from), "")
		if a.into(t, &page); a.status != http.StatusOK || pages > 3 {
			t.Fatalf("page %d: %d %s", pages, a.status, a.body)
		}
		seen, from = append(seen, page.Entries...), page.Next
	}
	var head gate.AuditEntry
	for _, e := range seen {
		if head.Next(e.Act).Hash != e.Hash {
			t.Errorf("entry %d does not follow on %d", e.Seq, head.Seq)
		}
		head = e
	}
	if head.Seq != 5 {
		t.Errorf("the log ends at entry %d, want 5", head.Seq)
	}
	problemOf(t, log.ask(t, admin.RoleViewer, "/api/v1/audit?from=0", ""), http.StatusUnprocessableEntity, "from")
}
