package gate_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestTextFormRoundTrip(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{
		"",
		"1 granted active FR proven; 2 granted passive for=partners from=contest:summer%20quiz",
		"1 withdrawn; 2 granted double confirmed proven; 3 confirmation_requested",
		"1 complained *; 2 suppressed for=partners; 3 bounced; 4 confirmation_requested; 5 confirmed mailbox",
		"1 granted soft sale=A category=garden offered; 9 activity DE",
	} {
		want := record(t, lines)
		var got gate.Record
		for _, f := range want.Fields() {
			if err := got.SetField(f[0], f[1]); err != nil {
				t.Errorf("%s: %v", lines, err)
			}
		}
		if !cmp.Equal(want, got) {
			t.Errorf("%s:\n%s", lines, cmp.Diff(want, got))
		}
	}
}

func TestTextFormKeepsBlanksAndPercentSigns(t *testing.T) {
	t.Parallel()
	e := event(t, "1 granted soft sale=A")
	e.Source = gate.Source{Kind: "form", ID: "100 % été=x"}
	want := gate.Fold([]gate.Event{e})
	var got gate.Record
	for _, f := range want.Fields() {
		if err := got.SetField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if got.For("newsletter").Source != "form:100 % été=x" {
		t.Errorf("source %q", got.For("newsletter").Source)
	}
}

func TestTextFormOfAnOrdinaryConsentIsSmall(t *testing.T) {
	t.Parallel()
	total := 0
	for _, f := range record(t, "1 granted active FR proven").Fields() {
		if len(f[1]) > 64 {
			t.Errorf("field %s is %d bytes, and Redis packs up to 64: %q", f[0], len(f[1]), f[1])
		}
		total += len(f[0]) + len(f[1])
	}
	if total > 64 {
		t.Errorf("names and values are %d bytes, want at most 64", total)
	}
}

func TestSetFieldPassesOverWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	var got gate.Record
	for _, f := range [][2]string{{"v", "17"}, {"x", "of a newer gate"}, {"p:newsletter", "active_single 1767355200 score=9 s=form:footer glow"}} {
		if err := got.SetField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := gate.Record{Consents: map[string]gate.Consent{"newsletter": {
		State: gate.StateActiveSingle, At: on(1), Method: gate.MethodActive, Source: "form:footer",
	}}}
	if !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestSetFieldRefusesWhatItCannotTrust(t *testing.T) {
	t.Parallel()
	for _, f := range [][2]string{
		{"p:newsletter", ""},
		{"p:newsletter", "granted 1767355200"},
		{"p:newsletter", "active_single"},
		{"p:newsletter", "active_single yesterday"},
		{"p:newsletter", "active_single 1767355200 req=soon"},
		{"p:newsletter", "active_single 1767355200 s=%zz"},
		{"s", "complained:*"},
		{"s", "complained:* then"},
		{"s", "complained 1767355200"},
		{"s", "complained:%zz 1767355200"},
		{"s", "sulking:* 1767355200"},
	} {
		var r gate.Record
		if err := r.SetField(f[0], f[1]); !errors.Is(err, gate.ErrUnavailable) {
			t.Errorf("%s = %q: error %v, want ErrUnavailable", f[0], f[1], err)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("p:newsletter", "active_single 1793527200 s=form:footer")
	f.Add("p:*", "withdrawn 1767355200 all")
	f.Add("p:newsletter", "active_double 1767528000 m=- via=mailbox lift=1767528000 unproven no=-5")
	f.Add("s", "complained:* 1767355200 manual:a%20b -1")
	f.Add("j", "FR")
	f.Fuzz(func(t *testing.T, name, text string) {
		var first gate.Record
		if err := first.SetField(name, text); err != nil {
			if !errors.Is(err, gate.ErrUnavailable) {
				t.Fatalf("%q = %q: %v does not wrap ErrUnavailable", name, text, err)
			}
			return
		}
		var second gate.Record
		for _, f := range first.Fields() {
			if err := second.SetField(f[0], f[1]); err != nil {
				t.Fatalf("%q = %q was written as %q = %q: %v", name, text, f[0], f[1], err)
			}
		}
		if !cmp.Equal(first.Fields(), second.Fields()) {
			t.Fatalf("%q = %q:\n%s", name, text, cmp.Diff(first.Fields(), second.Fields()))
		}
	})
}

func BenchmarkSetField(b *testing.B) {
	fields := record(b, "1 granted active FR proven").Fields()
	b.ReportAllocs()
	for b.Loop() {
		var r gate.Record
		for _, f := range fields {
			if err := r.SetField(f[0], f[1]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
