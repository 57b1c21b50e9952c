package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

const ann = "ann@example.com"

// withAnn is a site that knows one person.
func withAnn(t *testing.T) *site {
	t.Helper()
	s := newSite(t, nil)
	body := strings.Replace(grant("ev-1", ann), `"id"`, `"ip":"192.0.2.0/24","user_agent":"Browser","id"`, 1)
	if a := s.ask(t, admin.RoleIngest, "/api/v1/events", body); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	return s
}

func TestALinkIsThePersonsPreferencePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	var got struct {
		URL         string
		RecipientID string `json:"recipient_id"`
	}
	s.ask(t, admin.RoleIngest, "/api/v1/links", `{"recipient":"ann@example.com"}`).into(t, &got)
	if got.URL != "https://u.example.com/p/"+got.RecipientID || got.RecipientID == "" {
		t.Errorf("got %+v", got)
	}
	set := settings(t)
	s = newSite(t, func(o *admin.Options) { o.Settings.Links = nil })
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/links", `{"recipient":"ann@example.com"}`), http.StatusNotImplemented, "unsubscribe.public_url")
	_ = set
}

func TestACheckAnswersAsTheGateWould(t *testing.T) {
	t.Parallel()
	s := withAnn(t)
	for body, want := range map[string]string{
		`{"recipient":"ann@example.com"}`:                       "newsletter permit ",
		`{"recipient":"bob@example.com","stream":"newsletter"}`: "newsletter block no_consent",
		`{"recipient":"bob@example.com","stream":"receipts"}`:   "receipts permit ",
		`{"recipient":"ANN@example.com","stream":"newsletter"}`: "newsletter permit ",
	} {
		var got struct{ Stream, Verdict, Reason, Rule string }
		s.ask(t, admin.RoleViewer, "/api/v1/check", body).into(t, &got)
		if text := got.Stream + " " + got.Verdict + " " + got.Reason; text != want || got.Rule == "" {
			t.Errorf("%s: got %q", body, text)
		}
	}
	s.store.Fail(errTest)
	a := s.ask(t, admin.RoleViewer, "/api/v1/check", `{"recipient":"ann@example.com"}`)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"verdict":"defer","reason":"store_unavailable"`) {
		t.Errorf("without the store: %+v", a)
	}
}

func TestABodyThatIsWrongIsAProblemThatNamesTheField(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *admin.Options) { o.Settings.DefaultStream = "" })
	for body, want := range map[string]string{
		`{"recipient":"nobody"}`:                               "recipient: invalid address",
		`{"recipient":"ann@example.com","stream":"x"}`:         "no stream of this name",
		`{"recipient":"ann@example.com"}`:                      "no default stream",
		`{"recipient":"ann@example.com","steam":"newsletter"}`: "body.steam",
		`{"stream":"newsletter"}`:                              "recipient",
		`{"recipient":7}`:                                      "body.recipient",
	} {
		a := s.ask(t, admin.RoleViewer, "/api/v1/check", body)
		problemOf(t, a, http.StatusUnprocessableEntity, want)
		if strings.Contains(a.body, "ann@example.com") {
			t.Errorf("%s: the answer repeats the address: %s", body, a.body)
		}
	}
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/check", `{"recipient"`), http.StatusBadRequest, "body")
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks?recipient=ann@example.com", ""), http.StatusUnprocessableEntity, "unknown query parameter")
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks?since=yesterday", ""), http.StatusUnprocessableEntity, "query.since")
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks?recipient_id=short", ""), http.StatusUnprocessableEntity, "22 characters")
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks?limit=1001", ""), http.StatusUnprocessableEntity, "query.limit")
}

func TestARecordIsMaskedUnlessADPORevealsIt(t *testing.T) {
	t.Parallel()
	s := withAnn(t)
	var got struct {
		Recipient   string
		RecipientID string `json:"recipient_id"`
		Consents    []struct{ Purpose, State string }
		Events      []gate.Event
	}
	a := s.ask(t, admin.RoleOperator, "/api/v1/records/search", `{"recipient":"ann@example.com"}`)
	a.into(t, &got)
	if got.Recipient != "a***@example.com" || len(got.Consents) != 1 || got.Consents[0].State != "active_single" || len(got.Events) != 1 {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(a.body, ann) || strings.Contains(a.body, "192.0.2.0") || strings.Contains(a.body, "Browser") {
		t.Errorf("more is shown than masked: %s", a.body)
	}
	problemOf(t, s.ask(t, admin.RoleOperator, "/api/v1/records/search", `{"recipient":"ann@example.com","reveal":true}`), http.StatusForbidden, "role dpo")
	problemOf(t, s.ask(t, admin.RoleOperator, "/api/v1/records/"+got.RecipientID+"?reveal=true", ""), http.StatusForbidden, "role dpo")
	if len(s.acts) > 0 {
		t.Errorf("noted: %+v", s.acts)
	}
	a = s.ask(t, admin.RoleDPO, "/api/v1/records/"+got.RecipientID+"?reveal=true", "")
	if a.into(t, &got); got.Recipient != ann || got.Events[0].IP != "192.0.2.0/24" {
		t.Errorf("revealed: %s", a.body)
	}
	id, err := gate.ParseID(got.RecipientID)
	if err != nil {
		t.Fatal(err)
	}
	want := []gate.Act{{Time: now(), Actor: "token:dpo-1", Role: "dpo", Name: "consent.reveal", Subject: id}}
	if diff := cmp.Diff(want, s.acts); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestSomebodyUnknownHasAnEmptyRecord(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	a := s.ask(t, admin.RoleViewer, "/api/v1/records/search", `{"recipient":"zoe@example.com"}`)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"consents":[],"suppressions":[],"events":[]`) {
		t.Errorf("got %+v", a)
	}
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/records/x", ""), http.StatusUnprocessableEntity, "22 characters")
	s.store.Fail(errTest)
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/records/search", `{"recipient":"zoe@example.com"}`), http.StatusServiceUnavailable, "does not answer")
}

// blocked is a log of n entries, one a minute, the newest first.
func (s *site) blocked(t *testing.T, n int) []string {
	t.Helper()
	entries, ids := make([]gate.BlockEntry, n), make([]string, n)
	for i := range entries {
		ids[i] = fmt.Sprintf("block-%03d", i)
		entries[i] = gate.BlockEntry{
			ID: ids[i], Time: now().Add(time.Duration(i-n) * time.Minute), Recipient: "a***@example.com", Address: "sealed:" + ann,
			Stream: []string{"newsletter", "offers"}[i%2], Reason: gate.ReasonNoConsent, RecipientID: gate.ID{byte(i%3 + 1)},
		}
	}
	if err := s.store.AppendBlocks(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(ids)
	return ids
}

// page is an answer of GET /api/v1/blocks.
type page struct {
	Blocks []struct{ ID, Recipient, Address string }
	Next   string
}

func (p page) ids() (ids []string) {
	for _, b := range p.Blocks {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestPagesOfBlocksMissNoneAndRepeatNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	want := s.blocked(t, 25)
	var got []string
	next := ""
	for range 4 {
		var p page
		s.ask(t, admin.RoleViewer, "/api/v1/blocks?limit=10&after="+next, "").into(t, &p)
		got = append(got, p.ids()...)
		if next = p.Next; next == "" {
			break
		}
		// What comes meanwhile stands before the first page.
		if err := s.store.AppendBlocks(t.Context(), []gate.BlockEntry{{ID: "new" + next, Time: now()}}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestBlocksAreFiltered(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.blocked(t, 12)
	for query, want := range map[string]int{
		"":                                     12,
		"?stream=offers":                       6,
		"?reason=no_consent":                   12,
		"?reason=withdrawn":                    0,
		"?recipient_id=" + gate.ID{1}.String(): 4,
		"?since=2026-11-23T11:56:00Z":          4,
		"?until=2026-11-23T11:50:00Z":          3,
		"?since=2026-11-23T11:56:00Z&stream=offers": 2,
	} {
		var p page
		s.ask(t, admin.RoleViewer, "/api/v1/blocks"+query, "").into(t, &p)
		if len(p.Blocks) != want || p.Next != "" {
			t.Errorf("%q: %d entries, next %q; want %d", query, len(p.Blocks), p.Next, want)
		}
	}
	s.store.Fail(errTest)
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks", ""), http.StatusServiceUnavailable, "does not answer")
}

func TestBlocksShowAddressesToADPOOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.blocked(t, 1)
	var p page
	s.ask(t, admin.RoleViewer, "/api/v1/blocks", "").into(t, &p)
	if p.Blocks[0].Recipient != "a***@example.com" || p.Blocks[0].Address != "" {
		t.Errorf("got %+v", p)
	}
	problemOf(t, s.ask(t, admin.RoleOperator, "/api/v1/blocks?reveal=true", ""), http.StatusForbidden, "role dpo")
	s.ask(t, admin.RoleDPO, "/api/v1/blocks?reveal=true", "").into(t, &p)
	if p.Blocks[0].Recipient != ann || p.Blocks[0].Address != "" || len(s.acts) != 1 || s.acts[0].Name != "blocked.reveal" ||
		s.acts[0].Detail != "entries all, page of 100" {
		t.Errorf("got %+v, noted %+v", p, s.acts)
	}
	s.ask(t, admin.RoleDPO, "/api/v1/blocks?reveal=true&stream=newsletter&since=2026-11-01T00:00:00Z&limit=5", "")
	if want := "stream newsletter, since 2026-11-01T00:00:00Z, page of 5"; s.acts[1].Detail != want {
		t.Errorf("noted %+v, want the detail %q", s.acts[1], want)
	}
}

func TestALinkMadeByHandIsNotedAndAnApplicationsIsNot(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.ask(t, admin.RoleIngest, "/api/v1/links", `{"recipient":"ann@example.com"}`)
	if len(s.acts) != 0 {
		t.Errorf("noted: %+v", s.acts)
	}
	s.ask(t, admin.RoleOperator, "/api/v1/links", `{"recipient":"ann@example.com"}`)
	if len(s.acts) != 1 || s.acts[0].Name != "link" || s.acts[0].Subject.IsZero() {
		t.Errorf("noted: %+v", s.acts)
	}
}
