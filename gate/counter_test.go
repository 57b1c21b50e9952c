package gate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

var counterDay = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// hour makes an event n hours into the day.
func hour(n int, e gate.Event) gate.Event {
	e.Time = counterDay.Add(time.Duration(n) * time.Hour)
	if e.Purpose == "" {
		e.Purpose = "newsletter"
	}
	return e
}

// countAll applies events one after another, as a store does, and returns what they count as.
func countAll(events ...gate.Event) []string {
	var history []gate.Event
	var out []string
	for _, e := range events {
		c := gate.Change{Event: e}
		stored, rec, dup := gate.Extend(history, c)
		if !dup {
			history = append(history, stored)
		}
		for _, n := range c.Counters(gate.Applied{Record: rec, Duplicate: dup}) {
			out = append(out, strings.Join([]string{
				string(n.What), n.Purpose, string(n.Event), string(n.Method), n.Source, n.Stream,
			}, " "))
		}
	}
	return out
}

func TestWhatAnEventCountsAs(t *testing.T) {
	t.Parallel()
	contest := gate.Source{Kind: "contest", ID: "quiz"}
	form := gate.Source{Kind: "form", ID: "footer"}
	passive := gate.Event{Type: gate.Granted, Method: gate.MethodPassive, Source: contest}
	active := gate.Event{Type: gate.Granted, Method: gate.MethodActive, Source: form}
	withdrawn := gate.Event{Type: gate.Withdrawn, Source: gate.Source{Kind: "unsubscribe", ID: "weekly"}}
	request := gate.Event{Type: gate.ConfirmationRequested, Source: form}
	for sentence, tc := range map[string]struct {
		events []gate.Event
		want   []string
	}{
		"a passive grant waits for a confirmation": {
			[]gate.Event{hour(1, passive)},
			[]string{"event newsletter granted passive contest:quiz ", "awaiting newsletter granted passive contest:quiz "},
		},
		"the same passive grant said again is a repetition": {
			[]gate.Event{hour(1, passive), hour(2, passive)},
			[]string{
				"event newsletter granted passive contest:quiz ", "awaiting newsletter granted passive contest:quiz ",
				"repeated newsletter granted passive contest:quiz ",
			},
		},
		"an active grant with a ticked box is passive": {
			[]gate.Event{hour(1, gate.Event{Type: gate.Granted, Method: gate.MethodActive, DefaultState: gate.DefaultTicked})},
			[]string{"event newsletter granted passive  ", "awaiting newsletter granted passive  "},
		},
		"a grant after a refusal is a repetition until it is confirmed": {
			[]gate.Event{
				hour(1, active), hour(2, withdrawn), hour(3, active),
				hour(4, gate.Event{Type: gate.Confirmed, Via: gate.ViaMailbox}),
			},
			[]string{
				"event newsletter granted active form:footer ", "event newsletter withdrawn active form:footer weekly",
				"repeated newsletter granted active form:footer ", "event newsletter confirmed active form:footer ",
			},
		},
		"a withdrawal counts for the method and source of the grant, and for the stream it came from": {
			[]gate.Event{hour(1, passive), hour(2, withdrawn)},
			[]string{
				"event newsletter granted passive contest:quiz ", "awaiting newsletter granted passive contest:quiz ",
				"event newsletter withdrawn passive contest:quiz weekly",
			},
		},
		"a withdrawal from everything counts for the latest grant": {
			[]gate.Event{hour(1, active), hour(2, gate.Event{Type: gate.Granted, Method: gate.MethodPassive, Purpose: "offers"}), hour(3, gate.Event{Type: gate.Withdrawn, Purpose: "*"})},
			[]string{
				"event newsletter granted active form:footer ", "event offers granted passive  ", "awaiting offers granted passive  ",
				"event * withdrawn active form:footer ",
			},
		},
		"a complaint that names no purpose counts for all": {
			[]gate.Event{hour(1, active), {Type: gate.Complained, Time: counterDay.Add(2 * time.Hour)}},
			[]string{"event newsletter granted active form:footer ", "event * complained active form:footer "},
		},
		"a refusal at a form counts for the form": {
			[]gate.Event{
				hour(1, gate.Event{Type: gate.Refused, DefaultState: gate.DefaultTicked, Source: contest}),
				hour(2, gate.Event{Type: gate.Refused, DefaultState: gate.DefaultUnticked, Source: form}),
				hour(3, gate.Event{Type: gate.Refused, Method: gate.MethodDouble}),
			},
			[]string{
				"event newsletter refused passive contest:quiz ", "event newsletter refused active form:footer ",
				"event newsletter refused double  ",
			},
		},
		"a request waits, and so once only behind the grant that did": {
			[]gate.Event{
				hour(1, gate.Event{Type: gate.Granted, Method: gate.MethodDouble, Source: form}), hour(2, request),
				hour(3, gate.Event{Type: gate.Confirmed, Via: gate.ViaMailbox}),
			},
			[]string{
				"event newsletter granted double form:footer ", "awaiting newsletter granted double form:footer ",
				"event newsletter confirmation_requested double form:footer ", "event newsletter confirmed double form:footer ",
			},
		},
		"a request to somebody unknown waits": {
			[]gate.Event{hour(1, request)},
			[]string{
				"event newsletter confirmation_requested double form:footer ",
				"awaiting newsletter confirmation_requested double form:footer ",
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, countAll(tc.events...)); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatWasNotAppliedCountsAsNothing(t *testing.T) {
	t.Parallel()
	c := gate.Change{Event: hour(1, gate.Event{ID: "1", Type: gate.Withdrawn})}
	for name, a := range map[string]gate.Applied{
		"a duplicate": {Duplicate: true}, "one that the store did not take": {Err: gate.ErrUnavailable},
	} {
		if got := c.Counters(a); got != nil {
			t.Errorf("%s counts as %v", name, got)
		}
	}
}

// A constant that is missing from its list would have no series, no completion and no help.
func TestTheListsOfClosedSetsAreWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, typ string
		got       []string
	}{
		{"decision.go", "Reason", words(gate.Reasons())}, {"event.go", "EventType", words(gate.EventTypes())},
	} {
		want := constants(t, c.file, c.typ)
		slices.Sort(want)
		slices.Sort(c.got)
		if diff := cmp.Diff(want, c.got); diff != "" || len(want) == 0 {
			t.Errorf("%s (-declared +listed):\n%s", c.typ, diff)
		}
	}
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// constants are the values that a file declares of a type.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
			value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, value)
		}
		return true
	})
	return out
}
