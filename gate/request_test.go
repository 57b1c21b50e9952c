package gate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

func requestDay() time.Time { return time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC) }

// signUp is a grant that the person made so long before requestDay.
func signUp(ago time.Duration) gate.Event {
	return gate.Event{
		ID: "s" + ago.String(), Type: gate.Granted, Method: gate.MethodDouble, Purpose: "newsletter", Time: requestDay().Add(-ago),
		Source: gate.Source{Kind: "form", ID: "footer"}, DefaultState: gate.DefaultUnticked,
	}
}

func TestAPersonIsAskedToConfirmOnlyAfterALoggedSignUp(t *testing.T) {
	t.Parallel()
	passive := signUp(time.Hour)
	passive.Method, passive.DefaultState = gate.MethodPassive, gate.DefaultTicked
	ticked := signUp(time.Hour)
	ticked.Method, ticked.DefaultState = gate.MethodActive, gate.DefaultTicked
	imported := signUp(time.Hour)
	imported.Method = gate.MethodImported
	confirmed := signUp(time.Hour)
	confirmed.Evidence.ConfirmedAt = confirmed.Time
	other := signUp(time.Hour)
	other.Purpose = "offers"
	no := gate.Event{ID: "no", Type: gate.Withdrawn, Purpose: "newsletter", Time: requestDay().Add(-30 * time.Minute)}
	all := no
	all.Purpose = gate.AllPurposes
	request := gate.Event{ID: "r", Type: gate.ConfirmationRequested, Purpose: "newsletter", Time: requestDay()}
	for name, c := range map[string]struct {
		history []gate.Event
		source  string
		want    string // of the error; empty: a sign-up
	}{
		"an hour ago":                        {history: []gate.Event{signUp(time.Hour)}},
		"after a box that was ticked":        {history: []gate.Event{passive, signUp(time.Minute)}},
		"at the place that is named":         {history: []gate.Event{signUp(time.Hour)}, source: "form:footer"},
		"after a withdrawal":                 {history: []gate.Event{no, signUp(time.Minute)}},
		"two days ago":                       {history: []gate.Event{signUp(48 * time.Hour)}, want: "older than 48 hours"},
		"before a withdrawal":                {history: []gate.Event{signUp(time.Hour), no}, want: "the person refused on 2026-11-03"},
		"before a withdrawal from all":       {history: []gate.Event{signUp(time.Hour), all}, want: "the person refused on 2026-11-03"},
		"elsewhere":                          {history: []gate.Event{signUp(time.Hour)}, source: "form:popup", want: "no sign-up at form:popup"},
		"for something else":                 {history: []gate.Event{other}, want: "no sign-up is logged"},
		"by nobody":                          {want: "no sign-up is logged"},
		"by a box that was ticked":           {history: []gate.Event{passive}, want: "Flybe and Honda"},
		"by a ticked box that is called act": {history: []gate.Event{ticked}, want: "Flybe and Honda"},
		"by a request for a ticked box":      {history: []gate.Event{passive, request}, want: "Flybe and Honda"},
		"by an import":                       {history: []gate.Event{imported}, want: "no sign-up is logged"},
		"that was confirmed elsewhere":       {history: []gate.Event{confirmed}, want: "confirmed already, on 2026-11-03"},
		"said again by who confirmed":        {history: []gate.Event{confirmed, signUp(time.Minute)}, want: "confirmed already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := gate.SignUp(c.history, "newsletter", c.source, requestDay())
			switch {
			case c.want == "" && (err != nil || got.Source.ID != "footer"):
				t.Errorf("got %+v, %v", got, err)
			case c.want != "" && (!errors.Is(err, gate.ErrNotAsked) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRequestsAreCapped(t *testing.T) {
	t.Parallel()
	caps := gate.RequestCaps{Most: 3, Apart: 10 * time.Minute}
	for name, c := range map[string]struct {
		ago  []time.Duration // of the requests before
		caps gate.RequestCaps
		want string
	}{
		"the first":                       {caps: caps},
		"the third":                       {ago: []time.Duration{time.Hour, 24 * time.Hour}, caps: caps},
		"the fourth in a month":           {ago: []time.Duration{time.Hour, 24 * time.Hour, 29 * 24 * time.Hour}, caps: caps, want: "3 times in 30 days"},
		"the fourth, one a month ago":     {ago: []time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}, caps: caps},
		"the second at once":              {ago: []time.Duration{9 * time.Minute}, caps: caps, want: "wait until 2026-11-03T10:01:00Z"},
		"the second in ten minutes":       {ago: []time.Duration{10 * time.Minute}, caps: caps},
		"any number where nothing bounds": {ago: []time.Duration{0, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var history []gate.Event
			for _, ago := range c.ago {
				history = append(history, gate.Event{Type: gate.ConfirmationRequested, Purpose: "newsletter", Time: requestDay().Add(-ago)})
			}
			history = append(history, gate.Event{Type: gate.ConfirmationRequested, Purpose: "offers", Time: requestDay()})
			err := c.caps.Check(history, "newsletter", requestDay())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.Is(err, gate.ErrNotAsked) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
