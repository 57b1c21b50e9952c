package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

// events is the answer of POST /api/v1/events.
type events struct {
	Applied, Duplicates, Rejected int
	Events                        []struct {
		Line                      int
		ID, Result, State, Reason string
		RecipientID               string `json:"recipient_id"`
	}
}

// grant is an event that an application sends.
func grant(id, recipient string) string {
	return fmt.Sprintf(`{"id":%q,"recipient":%q,"purpose":"newsletter","type":"granted","method":"active",`+
		`"default_state":"unticked","time":"2026-11-01T10:00:00Z"}`, id, recipient)
}

func (s *site) person(t *testing.T, recipient string) gate.Person {
	t.Helper()
	a, err := gate.ParseAddress(recipient)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.store.Person(t.Context(), keys{}.ID(a))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnEventIsRecordedOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for i, want := range []string{"applied", "duplicate", "duplicate"} {
		var got events
		a := s.ask(t, admin.RoleIngest, "/api/v1/events", grant("ev-1", "ann@example.com"))
		if a.into(t, &got); a.status != http.StatusOK || len(got.Events) != 1 || got.Events[0].Result != want {
			t.Fatalf("time %d: %d %s", i, a.status, a.body)
		}
		if e := got.Events[0]; e.State != "active_single" || e.ID != "ev-1" || e.Line != 1 || e.RecipientID == "" {
			t.Errorf("got %+v", e)
		}
	}
	p := s.person(t, "ann@example.com")
	if len(p.Events) != 1 || p.Events[0].Actor != "api:ingest-1" || p.Sealed != "sealed:ann@example.com" {
		t.Errorf("recorded %+v", p)
	}
}

func TestABatchAnswersForEachLine(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	body := strings.Join([]string{
		grant("a", "ann@example.com"),
		"",
		`{"id":"b","recipient":"bob@example.com","purpos":"x"}`,
		grant("c", "no address"),
		grant("a", "ann@example.com"),
		strings.Replace(grant("d", "dan@example.com"), "unticked", "ticked", 1) + "\r",
		"nonsense",
		`{"id":"e","recipient":"eve@example.com","type":"confirmed","via":"mailbox","purpose":"newsletter","time":"2026-11-01T10:00:00Z"}`,
		`{"id":"f","recipient":"fay@example.com","type":"erased","time":"2026-11-01T10:00:00Z"}`,
		grant("g", "gus@example.com"), "",
	}, "\n")
	var got events
	a := s.ask(t, admin.RoleIngest, "/api/v1/events", body, "Content-Type", "application/x-ndjson; charset=utf-8")
	if a.into(t, &got); a.status != http.StatusOK || got.Applied != 2 || got.Duplicates != 1 || got.Rejected != 6 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := []string{
		"1 applied", `3 rejected "purpos": there is no such field`, "4 rejected recipient: invalid address", "5 duplicate",
		"6 rejected default_state: a box that was ticked", "7 rejected no JSON object", "8 rejected evidence.ref: missing",
		"9 rejected type: erased is not sent", "10 applied",
	}
	for i, e := range got.Events {
		if line := strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Line, e.Result, e.Reason)); !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %q, want %q", line, want[i])
		}
	}
	if len(got.Events) != len(want) {
		t.Errorf("%d answers, want %d", len(got.Events), len(want))
	}
}

func TestASingleEventThatIsWrongIsAProblem(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for body, want := range map[string]string{
		`{"id":"a","recipien":"ann@example.com"}`: `\"recipien\": there is no such field`,
		`{"id":"a"} {"id":"b"}`:                   "more than one JSON object",
		`nonsense`:                                "no JSON object",
		` `:                                       "no JSON object",
		strings.Replace(grant("a", "a@b.example"), "26", "99", 1): "time: lies more than 5 minutes ahead",
	} {
		problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/events", body), http.StatusUnprocessableEntity, want)
	}
	if n := len(s.person(t, "ann@example.com").Events); n > 0 {
		t.Errorf("%d events are recorded", n)
	}
}

func TestAnotherTypeOfBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", ""} {
		problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/events", grant("a", "ann@example.com"), "Content-Type", media),
			http.StatusUnsupportedMediaType, "application/x-ndjson")
	}
}

func TestABatchIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	lines := strings.Repeat("{}\n", 10_001)
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/events", lines, "Content-Type", "application/x-ndjson"),
		http.StatusRequestEntityTooLarge, "more than 10000 lines")
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/events", strings.Repeat(" ", 8<<20+1)),
		http.StatusRequestEntityTooLarge, "too large")
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/check", `{"recipient":"`+strings.Repeat("x", 16<<10)+`"}`),
		http.StatusRequestEntityTooLarge, "too large")
}

func TestAStoreThatIsAwayIsSaidForTheWholeRequestAndNamesNoHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.store.Fail(errTest)
	body := grant("a", "ann@example.com") + "\n" + grant("b", "no address")
	a := s.ask(t, admin.RoleIngest, "/api/v1/events", body, "Content-Type", "application/x-ndjson")
	problemOf(t, a, http.StatusServiceUnavailable, "the consent store does not answer")
	if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "10.1.2.3") || strings.Contains(a.body, "applied") {
		t.Errorf("got %v %s", a.header, a.body)
	}
	s.store.Fail(nil)
	var got events
	a = s.ask(t, admin.RoleIngest, "/api/v1/events", body, "Content-Type", "application/x-ndjson")
	if a.into(t, &got); got.Applied != 1 || got.Rejected != 1 {
		t.Errorf("sent again: %s", a.body)
	}
}

func TestWhoBroughtAnEventStandsBeforeWhoeverItNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	body := strings.Replace(grant("a", "ann@example.com"), `"id"`, `"actor":"person","id"`, 1)
	if a := s.ask(t, admin.RoleOperator, "/api/v1/events", body); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if len(s.acts) != 1 || s.acts[0].Name != "consent.apply" || s.acts[0].Detail != "events 1" || s.acts[0].Actor != "token:operator-1" {
		t.Errorf("noted %+v", s.acts)
	}
	if diff := cmp.Diff("api:operator-1/person", s.person(t, "ann@example.com").Events[0].Actor); diff != "" {
		t.Error(diff)
	}
}

func TestALargeBatchIsRecordedWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	var b strings.Builder
	for i := range 1201 { // three trips to the store
		b.WriteString(grant(fmt.Sprint("e", i), fmt.Sprintf("p%d@example.com", i)) + "\n")
	}
	var got events
	a := s.ask(t, admin.RoleIngest, "/api/v1/events", b.String(), "Content-Type", "application/x-ndjson")
	if a.into(t, &got); got.Applied != 1201 || got.Events[1200].ID != "e1200" || got.Events[1200].Line != 1201 {
		t.Errorf("%d applied", got.Applied)
	}
}
