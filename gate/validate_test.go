package gate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"1 granted passive", "1 granted passive ticked", "1 granted active", "1 granted active unticked", "1 granted double", "1 granted double confirmed",
		"1 granted verbal ref=tape", "1 granted method=paper ref=scan", "1 granted soft sale=S offered", "1 granted b2b audience=b2b from=broker:x",
		"1 granted implied audience=b2c from=form", "1 granted imported from=import:batch-1", "1 renewed", "1 renewed double confirmed",
		"1 confirmation_requested", "1 confirmed mailbox", "1 confirmed phone ref=call-7", "1 refused", "1 withdrawn *", "1 withdrawn",
		"1 activity -", "1 activity", "1 invalidated", "1 invalidated *", "1 complained -", "1 complained *", "1 bounced -", "1 suppressed -",
		"1 unsuppressed *", "1 erased -", "1 granted active FR for=a.b-c_9",
	} {
		if err := event(t, line).Validate(on(1)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestValidateRefusesInASentenceThatNamesTheField(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ line, want string }{
		{"1 sneezed", `type: "sneezed" is unknown; use granted,`},
		{"1 granted active id=", "id: missing; give each event its own"},
		{"1 granted active -", "purpose: missing; name the purpose that was granted"},
		{"1 withdrawn -", "purpose: missing; name the purpose that was withdrawn"},
		{"1 granted active *", `purpose: "*" cannot be granted: consent is given for a purpose: name it`},
		{"1 renewed *", `purpose: "*" cannot be renewed`},
		{"1 confirmed mailbox *", `purpose: "*" cannot be confirmed`},
		{"1 confirmation_requested *", `purpose: "*" cannot be confirmation requested`},
		{"1 granted active for=News", `purpose: "News" is no name; use up to 63 of a-z`},
		{"1 granted active for=.news", `purpose: ".news" is no name`},
		{"1 granted", "method: missing; say how consent was given"},
		{"1 granted method=telepathy", `method: "telepathy" is unknown; use one of passive, active,`},
		{"1 granted active ticked", "default_state: a box that was ticked is no act of the person: that is passive"},
		{"1 granted active bundled", "default_state: a box that was bundled is no act of the person: that is passive"},
		{"1 granted double ticked", "default_state: a box that was ticked"},
		{"1 renewed ticked", "default_state: a box that was ticked"},
		{"1 granted verbal", "evidence.ref: missing; method verbal needs"},
		{"1 granted method=paper", "evidence.ref: missing; method paper needs"},
		{"1 granted soft offered", "evidence.sale_ref: missing"},
		{"1 granted soft sale=S", "evidence.optout_offered: not true"},
		{"1 granted b2b from=form", "audience: missing; method b2b needs"},
		{"1 granted b2b audience=b2c from=form", "audience: b2c does not go with method b2b"},
		{"1 granted implied audience=b2c", "source.kind: missing; method implied needs"},
		{"1 granted implied audience=everyone", `audience: "everyone" is unknown; use one of b2b, b2c`},
		{"1 granted imported from=import", "source.id: missing; method imported needs the batch"},
		{"1 granted active from=hearsay", `source.kind: "hearsay" is unknown; use one of form, contest,`},
		{"1 granted active from=:x", "source.kind: missing; say what kind"},
		{"1 confirmed", "via: missing; say where the person confirmed"},
		{"1 confirmed phone ref=", "evidence.ref: missing; a confirmation via phone needs"},
		{"1 confirmed mailbox ref=", "evidence.ref: missing; a confirmation via mailbox needs"},
	} {
		err := event(t, tc.line).Validate(on(1))
		if !errors.Is(err, gate.ErrInvalidEvent) || !strings.HasPrefix(err.Error(), "invalid event: "+tc.want) {
			t.Errorf("%s:\n got  %v\n want invalid event: %s…", tc.line, err, tc.want)
		}
	}
}

func TestValidateBoundsTimesAndTexts(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*gate.Event){
		"time: missing; say when":                         func(e *gate.Event) { e.Time = time.Time{} },
		"time: lies before 1970":                          func(e *gate.Event) { e.Time = time.Unix(-1, 0) },
		"time: lies more than 5 minutes ahead":            func(e *gate.Event) { e.Time = on(1).Add(5*time.Minute + 1) },
		"evidence.confirmed_at: lies more than 5 minutes": func(e *gate.Event) { e.Evidence.ConfirmedAt = on(2) },
		"id: longer than 128 bytes":                       func(e *gate.Event) { e.ID = strings.Repeat("a", 129) },
		"note: longer than 1000 bytes":                    func(e *gate.Event) { e.Note = strings.Repeat("a", 1001) },
		"note: holds control characters":                  func(e *gate.Event) { e.Note = "a\nb" },
		"user_agent: holds control characters":            func(e *gate.Event) { e.UserAgent = "a\xffb" },
		"source.id: holds control characters":             func(e *gate.Event) { e.Source = gate.Source{Kind: "form", ID: "a\x00"} },
		`jurisdiction: "fr" is no code`:                   func(e *gate.Event) { e.Jurisdiction = "fr" },
		`via: "dream" is unknown`:                         func(e *gate.Event) { e.Via = "dream" },
		`default_state: "half" is unknown`:                func(e *gate.Event) { e.DefaultState = "half" },
		`purpose: "` + strings.Repeat("a", 64):            func(e *gate.Event) { e.Purpose = strings.Repeat("a", 64) },
	} {
		e := event(t, "1 granted active")
		change(&e)
		err := e.Validate(on(1))
		if !errors.Is(err, gate.ErrInvalidEvent) || !strings.HasPrefix(err.Error(), "invalid event: "+want) {
			t.Errorf("got %v\nwant invalid event: %s…", err, want)
		}
	}
	e := event(t, "1 granted active")
	e.Time = on(1).Add(5 * time.Minute)
	if err := e.Validate(on(1)); err != nil {
		t.Errorf("five minutes ahead: %v", err)
	}
}

func TestTheExampleOfTheDocumentationIsValid(t *testing.T) {
	t.Parallel()
	const example = `{"id":"01J","recipient":"ann@example.com","purpose":"newsletter","type":"granted","method":"passive",
	 "time":"2026-11-01T10:00:00Z","jurisdiction":"FR","audience":"b2c","controller":"acme","actor":"api:shop",
	 "source":{"kind":"contest","id":"summer-quiz","url":"https://shop.example/quiz"},
	 "default_state":"ticked","wording":{"id":"nl-2026-03","version":"3","sha256":"","language":"fr"},
	 "evidence":{"sale_ref":"","category":"","optout_offered":false,"ref":""},
	 "ip":"192.0.2.0/24","user_agent":"","note":""}`
	var e gate.Event
	if err := json.Unmarshal([]byte(example), &e); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(e.Time); err != nil {
		t.Error(err)
	}
}
