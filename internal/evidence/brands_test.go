package evidence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/evidence"
)

func TestEachControllerIsNamedWithWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	m := material(t)
	m.Brands = []evidence.Party{
		{ID: "acme", Name: "Acme SA", Contact: "dpo@acme.example", PrivacyURL: "https://acme.example/privacy"},
		{ID: "other", Name: "Not in this history"},
	}
	m.Person.Events = append(m.Person.Events, gate.Event{
		ID: "e9", Type: gate.Granted, Method: gate.MethodActive, Purpose: "offers", Time: at(5), Controller: "Nobody Ltd",
	})
	m.Person.Record = gate.Fold(m.Person.Events)
	d := evidence.Build(m)
	want := []evidence.Party{
		{ID: "Shop SAS", Type: "pii_controller", Name: "Shop SAS", Contact: "dpo@shop.example", PrivacyURL: "https://shop.example/privacy"},
		{ID: "acme", Type: "pii_controller", Name: "Acme SA", Contact: "dpo@acme.example", PrivacyURL: "https://acme.example/privacy"},
		{ID: "Nobody Ltd", Type: "pii_controller", Name: "Nobody Ltd"},
	}
	if diff := cmp.Diff(want, d.Parties); diff != "" {
		t.Errorf("parties (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Nobody Ltd"}, d.Nameless()); diff != "" {
		t.Errorf("nameless (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, p := range d.Processing {
		got[p.Purpose] = p.PrivacyNotice
	}
	notices := map[string]string{"newsletter": "https://acme.example/privacy", "offers": "", "*": "https://shop.example/privacy"}
	if diff := cmp.Diff(notices, got); diff != "" {
		t.Errorf("privacy notices (-want +got):\n%s", diff)
	}
}
