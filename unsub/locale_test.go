package unsub

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// texts lists every text of a locale by the path of its field.
func texts(v reflect.Value, path string, into map[string]string) {
	switch v.Kind() {
	case reflect.String:
		into[path] = v.String()
	case reflect.Struct:
		for i := range v.NumField() {
			texts(v.Field(i), path+"."+v.Type().Field(i).Name, into)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			texts(v.MapIndex(k), path+"["+k.String()+"]", into)
		}
	}
}

func loaded(t *testing.T) map[string]*locale {
	t.Helper()
	list, err := loadLocales(localeFiles)
	if err != nil {
		t.Fatal(err)
	}
	byLang := make(map[string]*locale)
	for _, l := range list {
		byLang[l.Lang] = l
	}
	if list[0].Lang != fallbackLang || byLang["fr"] == nil {
		t.Fatalf("languages %v", slices.Sorted(maps.Keys(byLang)))
	}
	return byLang
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	places := regexp.MustCompile(`\{[a-z]+\}`)
	byLang := loaded(t)
	want := make(map[string]string)
	texts(reflect.ValueOf(*byLang[fallbackLang]), "", want)
	for lang, l := range byLang {
		got := make(map[string]string)
		texts(reflect.ValueOf(*l), "", got)
		for key, text := range want {
			switch {
			case got[key] == "":
				t.Errorf("%s: %s is missing", lang, key)
			case key != ".Lang" && key != ".FirstOfMonth" && !slices.Equal(sorted(places.FindAllString(text, -1)), sorted(places.FindAllString(got[key], -1))):
				t.Errorf("%s: %s has other places than in %s: %q", lang, key, fallbackLang, got[key])
			}
		}
		if len(l.Months) != 12 {
			t.Errorf("%s: %d months", lang, len(l.Months))
		}
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

func TestEveryLanguageNamesTheClosedSets(t *testing.T) {
	t.Parallel()
	event := gate.Event{ID: "x", Purpose: "p", Type: gate.Activity, Time: time.Unix(1, 0)}
	for lang, l := range loaded(t) {
		for _, m := range []gate.Method{
			gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper, gate.MethodSoft,
			gate.MethodB2B, gate.MethodImplied, gate.MethodImported,
		} {
			if l.Methods[string(m)] == "" {
				t.Errorf("%s: no words for method %s", lang, m)
			}
		}
		for _, v := range []gate.Via{gate.ViaMailbox, gate.ViaAccount, gate.ViaPhone, gate.ViaPaper, gate.ViaInPerson} {
			if l.Vias[string(v)] == "" {
				t.Errorf("%s: no words for via %s", lang, v)
			}
		}
		for _, s := range []standing{
			standingAgreed, standingUnobjected, standingPassive, standingWaiting, standingStopped, standingInvalid, standingNone, standingUnknown,
		} {
			if l.Standings[s] == "" {
				t.Errorf("%s: no words for %s", lang, s)
			}
		}
		for kind := range l.Sources {
			event.Source.Kind = kind
			if err := event.Validate(time.Unix(1, 0)); err != nil {
				t.Errorf("%s: %v", lang, err)
			}
		}
	}
}

// Every state has a standing of its own kind; one that is added to gate must be given one here.
func TestEveryStateHasAStanding(t *testing.T) {
	t.Parallel()
	for state, want := range map[gate.State]standing{
		gate.StateNone: standingNone, gate.StatePassiveUnconfirmed: standingPassive, gate.StatePassiveConfirmed: standingAgreed,
		gate.StateActiveSingle: standingAgreed, gate.StateActivePending: standingWaiting, gate.StateActiveDouble: standingAgreed,
		gate.StateSoft: standingUnobjected, gate.StateB2B: standingUnobjected, gate.StateImplied: standingUnobjected,
		gate.StateWithdrawn: standingStopped, gate.StateInvalidated: standingInvalid,
	} {
		if got := standingOf(Flow{}, gate.Consent{State: state}); got != want {
			t.Errorf("%s stands as %s, want %s", state, got, want)
		}
	}
	for _, c := range []gate.Consent{{State: gate.StateNone}, {State: gate.StateWithdrawn, ByAll: true}} {
		if got := standingOf(Flow{Service: true}, c); got != standingUnobjected {
			t.Errorf("service mail with %+v stands as %s, and it is sent", c, got)
		}
	}
}

func TestDatesAreWrittenAsPeopleDo(t *testing.T) {
	t.Parallel()
	byLang := loaded(t)
	for _, c := range []struct {
		lang, day, want string
	}{
		{"en", "2026-11-01", "1 November 2026"},
		{"fr", "2026-11-01", "1er novembre 2026"},
		{"fr", "2026-08-23", "23 août 2026"},
	} {
		at, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := byLang[c.lang].Day(at); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.day, c.lang, got, c.want)
		}
	}
}

func TestLanguageFileWithAnUnknownKeyIsAnError(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"locales/xx.yaml": {Data: []byte("nmae: Xx\n")}}
	if _, err := loadLocales(files); err == nil || !strings.Contains(err.Error(), "xx.yaml") {
		t.Errorf("error %v, want one that names the file", err)
	}
}
