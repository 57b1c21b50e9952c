//go:build linux

package rig_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

func TestARunIsRefusedThat(t *testing.T) {
	t.Parallel()
	want := rig.Expected{Messages: 100, Recipients: 1, Size: 10, Watch: load.Sent{Messages: 2, Recipients: 4}}
	for name, tt := range map[string]struct {
		change func(*countsink.Report)
		want   string // "": the run is good
	}{
		"is good":                      {func(*countsink.Report) {}, ""},
		"lost a message":               {func(r *countsink.Report) { r.Series["rcpt"] = countsink.Series{Total: 99, Distinct: 99, Highest: 100} }, "lost"},
		"lost one and doubled another": {func(r *countsink.Report) { r.Series["rcpt"] = countsink.Series{Total: 100, Distinct: 99, Highest: 100} }, "lost"},
		"doubled a message": {func(r *countsink.Report) {
			r.Series["rcpt"] = countsink.Series{Total: 101, Distinct: 100, Highest: 100}
		}, "doubled"},
		"gave one to a stranger": {func(r *countsink.Report) {
			r.Series["rcpt"] = countsink.Series{Total: 100, Distinct: 100, Highest: 101}
		}, "misdirected"},
		"lost one that was mixed":         {func(r *countsink.Report) { r.Series["watch"] = countsink.Series{Total: 3, Distinct: 3, Highest: 4} }, "lost"},
		"leaked one to who has withdrawn": {func(r *countsink.Report) { r.Series["withdrawn"] = countsink.Series{Total: 1, Distinct: 1, Highest: 1} }, "leaked"},
		"has unknown recipients":          {func(r *countsink.Report) { r.Foreign = 1 }, "misdirected"},
		"has a transaction too many":      {func(r *countsink.Report) { r.Messages++ }, "103 messages"},
		"cut bodies":                      {func(r *countsink.Report) { r.Octets = 999 }, "cut"},
		"broke a message off":             {func(r *countsink.Report) { r.Broken = 1 }, "without their dot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := countsink.Report{Messages: 102, Octets: 5000, Series: map[string]countsink.Series{
				"rcpt": {Total: 100, Distinct: 100, Highest: 100}, "watch": {Total: 4, Distinct: 4, Highest: 4},
			}}
			tt.change(&got)
			err := want.Check(got)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check(%+v) = %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCopiesAreCounted(t *testing.T) {
	t.Parallel()
	want := rig.Expected{Messages: 10, Recipients: 10, Watch: load.Sent{Messages: 2, Recipients: 4}}
	if got := want.Taken(); got != 12 {
		t.Errorf("where recipients share a copy the upstream takes %d messages, want 12", got)
	}
	want.Copies = true
	if got := want.Taken(); got != 104 {
		t.Errorf("where each has a copy the upstream takes %d messages, want 104", got)
	}
}
