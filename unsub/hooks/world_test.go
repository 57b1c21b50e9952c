package hooks_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub/hooks"
)

var errDown = errors.New("connection refused")

// noon is the tests' clock.
func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

// secret is every provider's, long enough for a URL.
const secret = "s3cret-s3cret-s3cret-s3cret"

// keys makes ids that a test can tell, and seals nothing.
type keys struct{}

func (keys) ID(a gate.Address) (id gate.ID) {
	copy(id[:], a.Canonical())
	return id
}
func (keys) Seal(a gate.Address) (string, error) { return "sealed " + a.Canonical(), nil }

// refusals is a journal that can be full, before a store that can be down.
type refusals struct {
	store *gatetest.Store
	full  bool
	down  bool
}

func (r *refusals) Report(ctx context.Context, refused []gate.Change) (bool, error) {
	if r.full {
		return false, errDown
	}
	if r.down {
		return false, nil
	}
	for _, a := range r.store.Apply(ctx, refused) {
		if a.Err != nil {
			return false, a.Err
		}
	}
	return true, nil
}

// world is a handler with every provider.
type world struct {
	*hooks.Handler
	store    *gatetest.Store
	refusals *refusals
	sns      *amazon
	sendgrid *ecdsa.PrivateKey
	log      *bytes.Buffer
	mu       *sync.Mutex
	counts   map[gate.Counted]int
}

func newWorld(t testing.TB) world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := world{
		store: gatetest.NewStore(), sns: newAmazon(t), sendgrid: key, log: new(bytes.Buffer), mu: new(sync.Mutex),
		counts: make(map[gate.Counted]int),
	}
	w.refusals = &refusals{store: w.store}
	w.Handler, err = hooks.New(hooks.Options{
		Settings: settings(key), Refusals: w.refusals, Store: w.store, Keys: keys{}, Fetch: w.sns.fetch, Now: noon,
		Count: func(c gate.Counter) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.counts[c.What]++
		},
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func settings(key *ecdsa.PrivateKey) hooks.Settings {
	return hooks.Settings{
		"ses":       {Topics: []string{topic}, Groups: map[string]string{"weekly": "newsletter"}},
		"sendgrid":  {PublicKey: &key.PublicKey, Groups: map[string]string{"4711": "newsletter"}},
		"postmark":  {Header: "X-Gate-Key", Secret: secret, Groups: map[string]string{"broadcast": "newsletter"}},
		"mailgun":   {Secret: secret, Groups: map[string]string{"news@lists.example.com": "newsletter"}},
		"brevo":     {Secret: secret, Groups: map[string]string{"7": "newsletter"}},
		"mailchimp": {Secret: secret, Groups: map[string]string{"a1b2": "newsletter"}, Method: gate.MethodPassive},
		"mautic":    {Secret: secret, Purpose: "newsletter", Method: gate.MethodDouble},
		"listmonk":  {Secret: secret, Groups: map[string]string{"3": "newsletter"}},
	}
}

// post sends a body to a path, with headers in turn, and returns the status.
func (w world) post(path, body string, headers ...string) int {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(r)
}

func (w world) do(r *http.Request) int {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec.Code
}

// said are the events of an address, as words.
func (w world) said(t testing.TB, address string) (events []string) {
	t.Helper()
	a, err := gate.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.store.Person(t.Context(), keys{}.ID(a))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events {
		if err := e.Validate(noon()); err != nil {
			t.Error(err)
		}
		name := strings.TrimPrefix(e.Actor, "hook:")
		if e.Source != (gate.Source{Kind: "provider", ID: name}) || e.Actor == name || !strings.HasPrefix(e.ID, name+"-") ||
			strings.Contains(e.ID, "@") || p.Sealed != "sealed "+a.Canonical() {
			t.Errorf("event %+v of %+v", e, p)
		}
		words := []string{string(e.Type), e.Purpose, string(e.Method), e.Time.Format(time.RFC3339)}
		events = append(events, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	return events
}
