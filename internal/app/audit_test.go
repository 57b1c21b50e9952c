package app

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

// head is the newest entry of the audit log.
func head(t *testing.T, a *App) gate.AuditEntry {
	t.Helper()
	head, err := gate.CheckTrail(a.store.Acts(t.Context(), 1), gate.AuditEntry{})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func lastAct(t *testing.T, a *App) gate.Act { t.Helper(); return head(t, a).Act }

// acts is how many entries the audit log has.
func acts(t *testing.T, a *App) uint64 { t.Helper(); return head(t, a).Seq }

func TestATurnOfRetentionStandsInTheAuditLogOnceSomethingWent(t *testing.T) {
	t.Parallel()
	s := serve(t, "retention: {blocks: 30d}\n")
	old := gate.BlockEntry{ID: "old", Time: time.Now().AddDate(0, -2, 0)}
	if err := s.store.AppendBlocks(t.Context(), []gate.BlockEntry{old}); err != nil {
		t.Fatal(err)
	}
	if err := s.retainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	act := lastAct(t, s.App)
	if act.Name != "retention.done" || act.Role != "config" || act.Detail != "removed: blocks 1, evidence 0, inactive 0; refusals kept 0" {
		t.Errorf("noted %+v", act)
	}
	before := acts(t, s.App)
	if err := s.retainOnce(t.Context()); err != nil || acts(t, s.App) != before {
		t.Errorf("a turn that removed nothing: %d entries after %d, %v", acts(t, s.App), before, err)
	}
}

func TestALooserPackStandsInTheAuditLogWithWhatIsLooser(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "policies", "us.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(text), "\njurisdiction: US", "\njurisdiction: MX", 1)
	if err := os.WriteFile(filepath.Join(folder, "mx.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "policies: {folder: "+folder+", allow_looser: true}\n")
	act := lastAct(t, s.App)
	if act.Name != "policy.looser" || act.Role != "config" ||
		!strings.HasPrefix(act.Detail, "pack MX: model opt_out; EU asks for permission first; states.none.b2b permits") {
		t.Errorf("noted %+v", act)
	}
}

func TestARefusalThatComesThroughTheAPIIsInTheJournal(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	event := `{"id":"by-api-1","recipient":"ann@example.com","purpose":"marketing","type":"withdrawn","time":"2026-11-01T10:00:00Z"}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/events", strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.tokens[admin.RoleIngest])
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	var journal []byte
	files, _ := filepath.Glob(filepath.Join(s.cfg.DataDir, "journal", "withdrawals", "*"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		journal = append(journal, text...)
	}
	if got.StatusCode != http.StatusOK || !bytes.Contains(journal, []byte("by-api-1")) || bytes.Contains(journal, []byte("ann@")) {
		t.Errorf("%s; the journal holds %q", got.Status, journal)
	}
}
