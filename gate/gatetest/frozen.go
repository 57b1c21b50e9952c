package gatetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Freeze fills an initialised store with one of each thing that stores keep. What it wrote at schema 1 is committed
// beside the stores; CheckFrozen reads it as long as there are programs.
func Freeze(t *testing.T, s gate.Store) {
	t.Helper()
	ctx := testContext(t)
	apply(t, s, grant(1, "e1", day(1)), withdrawal(1, "e2", day(2)), gate.Change{ID: testID(2), Sealed: "sealed:2", Event: fullEvent()})
	wording, err := gate.NewWording(gate.Wording{ID: "nl", Version: "1", Language: "en"}, "Yes, write to me.", day(1))
	noError(t, "NewWording", err)
	noError(t, "AddWording", s.AddWording(ctx, wording))
	noError(t, "Mark", s.Mark(ctx, gate.Mark{ID: "m1", Source: "broker:x", Time: day(3), Why: "bought"}))
	noError(t, "RememberStreams", s.RememberStreams(ctx, map[string]string{"code": "newsletter"}))
	noError(t, "AddCounts", s.AddCounts(ctx, day(4), map[string]int64{"blocked": 7}))
	noError(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{entry(1, day(5))}))
	_, err = s.AppendAct(ctx, gate.Act{Time: day(6), Actor: "cli:ann", Name: "consent.erase", Subject: testID(1)})
	noError(t, "AppendAct", err)
}

// frozenPerson1 is what Freeze's first person looked like in schema 1.
const frozenPerson1 = `{"sealed":"sealed:1","version":2,"fields":[["p:newsletter","withdrawn 1793620800 m=active s=form:footer unproven"]],` +
	`"events":[{"id":"e1","purpose":"newsletter","type":"granted","method":"active","time":"2026-11-01T12:00:00Z",` +
	`"source":{"kind":"form","id":"footer"},"default_state":"unticked"},` +
	`{"id":"e2","purpose":"newsletter","type":"withdrawn","time":"2026-11-02T12:00:00Z","source":{"kind":"unsubscribe"}}]}`

// frozenPerson is a person as text.
func frozenPerson(t *testing.T, s gate.Store, n int) string {
	t.Helper()
	p := person(t, s, n)
	text, err := json.Marshal(struct {
		Sealed  string       `json:"sealed"`
		Version uint64       `json:"version"`
		Fields  [][2]string  `json:"fields"`
		Events  []gate.Event `json:"events"`
	}{p.Sealed, p.Record.Version, p.Record.Fields(), p.Events})
	noError(t, "Marshal", err)
	return string(text)
}

// CheckFrozen reads what Freeze wrote, perhaps years ago, and sees that the store works on.
func CheckFrozen(t *testing.T, s gate.Store) {
	t.Helper()
	ctx := testContext(t)
	meta, err := s.Meta(ctx)
	noError(t, "Meta", err)
	same(t, "fingerprint", meta.Fingerprint, testMeta().Fingerprint)
	same(t, "created", meta.Created, testMeta().Created)
	same(t, "person", frozenPerson(t, s, 1), frozenPerson1)
	same(t, "every field of an event", len(person(t, s, 2).Events), 1)
	full := fullEvent()
	full.Recipient = ""
	same(t, "every field of an event", person(t, s, 2).Events[0], full)
	same(t, "record", record(t, s, 1).For("newsletter").State, gate.StateWithdrawn)
	same(t, "somebody unknown", record(t, s, 3), gate.Record{})
	checkFrozenRest(t, s)
	apply(t, s, withdrawal(2, "later", day(20)), grant(3, "new", day(20)))
	same(t, "state", record(t, s, 2).For("newsletter").State, gate.StateWithdrawn)
}

func checkFrozenRest(t *testing.T, s gate.Store) {
	t.Helper()
	ctx := testContext(t)
	wordings, err := s.WordingTexts(ctx, "nl")
	noError(t, "WordingTexts", err)
	same(t, "wordings", len(wordings), 1)
	same(t, "wording", wordings[0].Text, "Yes, write to me.")
	marks, err := s.Marks(ctx)
	noError(t, "Marks", err)
	same(t, "marks", marks, []gate.Mark{{ID: "m1", Source: "broker:x", Time: day(3), Why: "bought"}})
	streams, err := s.Streams(ctx)
	noError(t, "Streams", err)
	same(t, "streams", streams, map[string]string{"code": "newsletter"})
	counts, err := s.Counts(ctx, day(4), day(4))
	noError(t, "Counts", err)
	same(t, "counts", counts, map[string]map[string]int64{"2026-11-04": {"blocked": 7}})
	same(t, "blocks", blocks(t, s, gate.BlockQuery{}), []gate.BlockEntry{entry(1, day(5))})
	head, err := gate.CheckTrail(s.Acts(ctx, 1), gate.AuditEntry{})
	noError(t, "the audit log's chain", err)
	same(t, "audit log", head.Name, "consent.erase")
	_, free, err := s.Enter(ctx, "key", "owner", time.Minute)
	noError(t, "Enter", err)
	same(t, "lease", free, true)
}
