package admin_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/policies"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// keys are keys whose seal can be read.
type keys struct{}

func (keys) ID(a gate.Address) (id gate.ID) {
	copy(id[:], a.Canonical())
	return id
}
func (keys) Seal(a gate.Address) (string, error) { return "sealed:" + a.String(), nil }
func (keys) Unseal(s string) (string, error)     { return strings.TrimPrefix(s, "sealed:"), nil }

type links struct{}

func (links) Preferences(id gate.ID) string { return "https://u.example.com/p/" + id.String() }

// site is a server with a token of each role.
type site struct {
	*admin.Server
	store  *gatetest.Store
	tokens map[admin.Role]string

	mu     sync.Mutex
	acts   []gate.Act
	counts map[gate.Counted]int
}

func (s *site) audit(_ context.Context, a gate.Act) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts = append(s.acts, a)
	return nil
}

func (s *site) count(c gate.Counter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[c.What]++
}

// newSite starts a server; change edits its options.
func newSite(t *testing.T, change func(*admin.Options)) *site {
	t.Helper()
	s := &site{store: gatetest.NewStore(), tokens: make(map[admin.Role]string), counts: make(map[gate.Counted]int)}
	o := admin.Options{
		Settings: settings(t), Store: s.store, Keys: keys{}, Audit: s.audit, Count: s.count,
		RefusedDelay: time.Millisecond, Now: now,
	}
	for _, r := range admin.Roles() {
		token, hash, err := admin.NewToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[r] = token
		o.Settings.Tokens = append(o.Settings.Tokens, admin.Token{Name: string(r) + "-1", Hash: hash, Role: r})
	}
	if change != nil {
		change(&o)
	}
	var err error
	if s.Server, err = admin.New(o); err != nil {
		t.Fatal(err)
	}
	return s
}

func settings(t *testing.T) admin.Settings {
	t.Helper()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	return admin.Settings{
		Policy: policy, DefaultStream: "newsletter", Links: links{},
		Streams: []*gate.Stream{
			{Name: "newsletter", Kind: gate.KindMarketing, Purpose: "newsletter"},
			{Name: "receipts", Kind: gate.KindTransactional},
		},
	}
}

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// into reads the answer's JSON.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// ask sends a request; a body makes it a POST of JSON, and further headers may follow as pairs.
func (s *site) ask(t *testing.T, role admin.Role, path, body string, header ...string) answer {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+s.tokens[role])
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{w.Code, w.Header(), string(text)}
}

// problemOf checks that an answer is a problem of this status, whose text holds want.
func problemOf(t *testing.T, a answer, status int, want string) {
	t.Helper()
	var p struct {
		Status int
		Title  string
		Detail string
		Errors []struct{ Message, Location string }
	}
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want a problem of %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	if a.into(t, &p); p.Status != status || p.Title == "" || !strings.Contains(a.body, want) {
		t.Errorf("got %s, want it to say %q", a.body, want)
	}
}

func TestEachOperationIsForItsRolesOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *admin.Options) {
		o.Metrics = http.NotFoundHandler()
		o.Stats = func(context.Context, admin.StatsQuery) (any, error) { return map[string]int{}, nil }
		o.Acts = func(context.Context, uint64) iter.Seq2[gate.AuditEntry, error] {
			return func(func(gate.AuditEntry, error) bool) {}
		}
		o.Erase = func(context.Context, gate.ID, bool, string) (gate.Forgotten, error) { return gate.Forgotten{}, nil }
	})
	const who = `{"recipient":"ann@example.com"}`
	for _, op := range []struct {
		path, body string
		allowed    string
	}{
		{"/api/v1/events", `{"id":"e"}`, "ingest operator dpo"},
		{"/api/v1/links", who, "ingest operator dpo"},
		{"/api/v1/confirmations", `{"recipient":"ann@example.com","purpose":"newsletter"}`, "ingest operator dpo"},
		{"/api/v1/check", who, "viewer operator dpo"},
		{"/api/v1/records/search", who, "viewer operator dpo"},
		{"/api/v1/records/" + gate.ID{1}.String(), "", "viewer operator dpo"},
		{"/api/v1/blocks", "", "viewer operator dpo"},
		{"/api/v1/stats", "", "viewer operator dpo"},
		{"/api/v1/audit", "", "viewer operator dpo"},
		{"/api/v1/erase", who, "dpo"},
		{"/metrics", "", "viewer operator dpo"},
	} {
		problemOf(t, s.ask(t, "", op.path, op.body), http.StatusUnauthorized, "send a token")
		for _, r := range admin.Roles() {
			a := s.ask(t, r, op.path, op.body)
			if may := a.status != http.StatusForbidden; may != strings.Contains(op.allowed, string(r)) {
				t.Errorf("%s of role %s: %d %s", op.path, r, a.status, a.body)
			}
		}
	}
}

func TestAnUnknownTokenIsRefusedSlowedAndCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *admin.Options) { o.RefusedDelay = 20 * time.Millisecond })
	for _, header := range []string{"Bearer cgt_wrong", "bearer  cgt_wrong", "Bearer " + s.tokens[admin.RoleViewer] + "x"} {
		begun := time.Now()
		a := s.ask(t, "", "/api/v1/blocks", "", "Authorization", header)
		problemOf(t, a, http.StatusUnauthorized, "not known")
		if took := time.Since(begun); took < 20*time.Millisecond {
			t.Errorf("%q was answered after %s", header, took)
		}
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("WWW-Authenticate: %q", got)
		}
	}
	for _, header := range []string{"", "Basic b3BzOm9wcw==", "Bearer", "Bearer "} {
		problemOf(t, s.ask(t, "", "/api/v1/blocks", "", "Authorization", header), http.StatusUnauthorized, "send a token")
	}
	if s.counts[gate.CountUnknownToken] != 3 {
		t.Errorf("counted %v", s.counts)
	}
}

func TestManyWrongTokensAtOnceDoNotPileUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *admin.Options) { o.RefusedDelay = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	statuses := make(chan int)
	const tries = 40
	for range tries {
		go func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/blocks", nil)
			r.Header.Set("Authorization", "Bearer cgt_guess")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			statuses <- w.Code
		}()
	}
	got := make(map[int]int)
	for range tries - 16 {
		got[<-statuses]++
	}
	cancel() // those that wait leave
	for range 16 {
		got[<-statuses]++
	}
	if want := map[int]int{http.StatusTooManyRequests: tries - 16, http.StatusUnauthorized: 16}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAReloadReplacesTokensAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.Reload(settings(t))
	problemOf(t, s.ask(t, admin.RoleViewer, "/api/v1/blocks", ""), http.StatusUnauthorized, "not known")
}

func TestHealthNamesThePartThatIsAwayAndNothingElse(t *testing.T) {
	t.Parallel()
	up := true
	s := newSite(t, func(o *admin.Options) {
		o.Parts = []admin.Part{{Name: "store", Up: func() bool { return up }}, {Name: "upstream", Up: func() bool { return true }}}
	})
	if a := s.ask(t, "", "/healthz", ""); a.status != http.StatusOK || a.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("healthz: %+v", a)
	}
	if a := s.ask(t, "", "/readyz", ""); a.status != http.StatusOK || a.body != `{"status":"ok","parts":{"store":"ok","upstream":"ok"}}`+"\n" {
		t.Errorf("readyz: %+v", a)
	}
	up = false
	if a := s.ask(t, "", "/readyz", ""); a.status != http.StatusServiceUnavailable ||
		a.body != `{"status":"unavailable","parts":{"store":"unavailable","upstream":"ok"}}`+"\n" {
		t.Errorf("readyz without the store: %+v", a)
	}
	if a := s.ask(t, "", "/healthz", ""); a.status != http.StatusOK {
		t.Errorf("healthz without the store: %+v", a)
	}
}

func TestMetricsAreOpenWhereTheSettingsSaySo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *admin.Options) {
		o.Settings.OpenMetrics = true
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "consentgate_up 1\n") })
	})
	if a := s.ask(t, "", "/metrics", ""); a.status != http.StatusOK || a.body != "consentgate_up 1\n" {
		t.Errorf("got %+v", a)
	}
}

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/nowhere", "/docs", "/schemas/Event.json", "/openapi.yaml", "/metrics", "/api/v1/erase", "/api/v1/stats"} {
		problemOf(t, s.ask(t, admin.RoleDPO, path, ""), http.StatusNotFound, "nothing here")
	}
	a := s.ask(t, admin.RoleDPO, "/api/v1/events", "")
	problemOf(t, a, http.StatusMethodNotAllowed, "this address takes POST")
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
}

func TestAnswersLoadNothingAndAreKeptNowhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/", "/healthz", "/openapi.json", "/nowhere", "/api/v1/blocks"} {
		h := s.ask(t, admin.RoleViewer, path, "").header
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Cache-Control") != "no-store" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Set-Cookie") != "" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Link") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestAPanicIsLoggedAndAnswered(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := newSite(t, func(o *admin.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Stats = func(context.Context, admin.StatsQuery) (any, error) { panic("ann@example.com") }
	})
	a := s.ask(t, admin.RoleViewer, "/api/v1/stats", "")
	problemOf(t, a, http.StatusInternalServerError, "the log of the gate says why")
	if !strings.Contains(log.String(), "level=ERROR") || strings.Contains(a.body, "ann") {
		t.Errorf("answered %s, logged %s", a.body, log.String())
	}
}

var errTest = errors.New("10.1.2.3:6379: connection refused")
