package bulk_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/bulk"
)

func TestAReadingThatDoesNotFitIsNoRejectedRow(t *testing.T) {
	t.Parallel()
	with := func(change func(*bulk.Reading)) bulk.Reading {
		r := csv()
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		reading bulk.Reading
		file    string
		want    string
	}{
		"no column of addresses": {csv(), "name,town\nAnn,Lyon\n", `no column "recipient"`},
		"a mapped column is missing": {
			with(func(r *bulk.Reading) { r.Columns = map[string]string{"time": "Signup"} }),
			"email\n", `there is no column "Signup" for time`,
		},
		"a mapped field is unknown": {
			with(func(r *bulk.Reading) { r.Columns = map[string]string{"via": "Via"} }),
			"email,Via\n", `no field "via"`,
		},
		"a column twice": {csv(), "email,Email\n", "stands twice"},
		"an empty file":  {csv(), "", "empty"},
		"UTF-16":         {csv(), "\xff\xfee\x00", "UTF-16"},
		"a claim without a word": {
			with(func(r *bulk.Reading) { r.Values = map[string]string{"method": "active"} }),
			"email\n", "method=active says for every row how consent was given: a claim for a whole file needs somebody's word",
		},
		"a time without a word": {
			with(func(r *bulk.Reading) { r.At = now() }), "email\n", "needs somebody's word",
		},
		"a wording without a word": {
			with(func(r *bulk.Reading) { r.Values = map[string]string{"wording.id": "nl-1"} }), "email\n", "somebody's word",
		},
		"an unknown field to set": {
			with(func(r *bulk.Reading) { r.Values = map[string]string{"recipient": "ann@example.com"} }),
			"email\n", "no field",
		},
		"a preset without a purpose": {
			with(func(r *bulk.Reading) { r.Preset, r.Purpose = "brevo", "" }), "email\n", "purpose is missing",
		},
		"an unknown preset": {with(func(r *bulk.Reading) { r.Preset = "acme" }), "email\n", "no preset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			r := s.text(tt.reading, tt.file)
			if r.err == nil || !strings.Contains(r.err.Error(), tt.want) {
				t.Errorf("error %v, want %q", r.err, tt.want)
			}
			if r.Rows != 0 {
				t.Errorf("%d rows were read", r.Rows)
			}
		})
	}
}

func TestWhatPermitsNothingNeedsNobodysWord(t *testing.T) {
	t.Parallel()
	for _, kv := range [][2]string{
		{"method", "passive"}, {"default_state", "ticked"}, {"source", "contest:quiz"}, {"type", "withdrawn"}, {"note", "x"},
	} {
		r := csv()
		r.Values = map[string]string{kv[0]: kv[1]}
		if err := r.Check(); err != nil {
			t.Errorf("%s=%s: %v", kv[0], kv[1], err)
		}
	}
}
