package gate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	shared := &gate.Stream{Mode: gate.ModeEnforce}
	split := &gate.Stream{Mode: gate.ModeEnforce, Unsubscribe: []string{"https"}}
	observed := &gate.Stream{Mode: gate.ModeObserve, Unsubscribe: []string{"https"}}
	for _, tc := range []struct {
		sentence  string
		stream    *gate.Stream
		permitted []int
		rcptMax   int
		want      []gate.Copy
	}{
		{"nobody permitted is no copy", shared, nil, 100, nil},
		{"nobody permitted is no copy where it would be split", split, []int{}, 100, nil},
		{"one copy serves all", shared, []int{0, 2, 3}, 0, []gate.Copy{{Recipients: []int{0, 2, 3}}}},
		{"it is cut where the upstream takes no more", shared, []int{0, 2, 3, 4, 7}, 2, []gate.Copy{{Recipients: []int{0, 2}}, {Recipients: []int{3, 4}}, {Recipients: []int{7}}}},
		{"lines of their own make a copy each", split, []int{1, 2}, 100, []gate.Copy{{Recipients: []int{1}, PerRecipient: true}, {Recipients: []int{2}, PerRecipient: true}}},
		{"one recipient with lines is one copy", split, []int{1}, 100, []gate.Copy{{Recipients: []int{1}, PerRecipient: true}}},
		{"observing never splits", observed, []int{1, 2}, 100, []gate.Copy{{Recipients: []int{1, 2}}}},
	} {
		if got := gate.Plan(tc.stream, tc.permitted, tc.rcptMax); !cmp.Equal(got, tc.want) {
			t.Errorf("%s:\n%s", tc.sentence, cmp.Diff(tc.want, got))
		}
	}
}

func TestMatchSender(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, sender string
		want            bool
	}{
		{"news@example.com", "news@example.com", true},
		{"News@EXAMPLE.com", "news@example.com", true},
		{"news@example.com", "NEWS@example.com", true},
		{"news@example.com", "news2@example.com", false},
		{"news@bücher.example", "news@xn--bcher-kva.example", true},
		{`"news"@example.com`, "news@example.com", true},
		{"*@example.com", "anything@example.com", true},
		{"*@EXAMPLE.com", "anything@example.com", true},
		{"*@bücher.example", "news@xn--bcher-kva.example", true},
		{"*@example.com", "anything@mail.example.com", false},
		{"*@example.com", "anything@badexample.com", false},
		{"bounce+*@example.com", "bounce+ann=x.example@example.com", true},
		{"Bounce+*@example.com", "BOUNCE+7@example.com", true},
		{"bounce+*@example.com", "bounce+@example.com", false},
		{"bounce+*@example.com", "bounce@example.com", false},
		{"bounce+*@example.com", "rebounce+7@example.com", false},
		{"bounce+*@example.com", "bounce+7@example.org", false},
		{"bou*@example.com", "bounce@example.com", false},
		{"*@", "bounce@example.com", false},
		{"*", "bounce@example.com", false},
		{"", "bounce@example.com", false},
	} {
		if got := gate.MatchSender([]string{"other@example.net", tc.pattern}, address(t, tc.sender)); got != tc.want {
			t.Errorf("pattern %q, sender %q: %v, want %v", tc.pattern, tc.sender, got, tc.want)
		}
	}
	if gate.MatchSender([]string{"*@example.com", ""}, gate.Address{}) {
		t.Error("the null reverse-path fits a pattern")
	}
}

func TestCheckPattern(t *testing.T) {
	t.Parallel()
	for pattern, ok := range map[string]bool{
		"news@example.com": true, "*@example.com": true, "bounce+*@example.com": true, "*@bücher.example": true,
		"*": false, "example.com": false, "*@": false, "a b@example.com": false, "*@exa mple.com": false, "": false,
	} {
		if err := gate.CheckPattern(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestPickStream(t *testing.T) {
	t.Parallel()
	news := &gate.Stream{Name: "news", Match: []string{"news@example.com", "bounce+*@example.com"}}
	shop := &gate.Stream{Name: "shop", Match: []string{"*@example.com"}}
	rest := &gate.Stream{Name: "rest"}
	for _, tc := range []struct {
		sentence   string
		candidates []*gate.Stream
		sender     string
		fallback   string
		want       *gate.Stream
		reason     gate.Reason
	}{
		{"the stream that matches", []*gate.Stream{news, rest}, "news@example.com", "rest", news, ""},
		{"the first of two that match", []*gate.Stream{shop, news}, "news@example.com", "rest", shop, ""},
		{"a tagged return path", []*gate.Stream{news, shop}, "bounce+1@example.com", "rest", news, ""},
		{"the default where none matches", []*gate.Stream{news, rest}, "x@example.org", "rest", rest, ""},
		{"none where the default is no candidate", []*gate.Stream{news}, "x@example.org", "rest", nil, gate.ReasonStreamNotAllowed},
		{"none where there is no default", []*gate.Stream{news, rest}, "x@example.org", "", nil, gate.ReasonStreamNotAllowed},
		{"none among none", nil, "x@example.org", "rest", nil, gate.ReasonStreamNotAllowed},
	} {
		got, reason := gate.PickStream(tc.candidates, address(t, tc.sender), tc.fallback)
		if got != tc.want || reason != tc.reason {
			t.Errorf("%s: %v %q", tc.sentence, got, reason)
		}
	}
}
