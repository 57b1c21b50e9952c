package bulk_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/seal"
)

// export runs an Exporter over the site's store.
func (s *site) export(ex bulk.Exporter) (string, bulk.Exported) {
	s.t.Helper()
	ex.Store, ex.Keys, ex.IDKey = s.store, s.keys, s.keys.Fingerprint()
	var out bytes.Buffer
	done, err := ex.Run(s.t.Context(), &out)
	if err != nil {
		s.t.Fatal(err)
	}
	return out.String(), done
}

func TestAnExportReadIntoAnEmptyStoreGivesTheSameRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.file(preset("mailchimp"), "mailchimp_subscribed.csv")
	s.file(preset("mailchimp"), "mailchimp_unsubscribed.csv")
	s.file(preset("mailchimp"), "mailchimp_cleaned.csv")
	s.file(preset("listmonk"), "listmonk_query.csv")
	s.text(bulk.Reading{Format: bulk.FormatJSONL, Attest: "page", Now: now()}, `
{"id":"c1","recipient":"gus@example.com","purpose":"newsletter","type":"confirmed","via":"mailbox","evidence":{"ref":"page"},"time":"2024-11-01T12:00:00.5Z"}
{"id":"c2","recipient":"zoe@example.com","purpose":"partners","type":"granted","method":"active","default_state":"none","time":"2024-01-01T00:00:00Z","wording":{"id":"w1"},"source":{"kind":"form","id":"x"},"controller":"acme","ip":"192.0.2.1"}
`)
	want := s.records()
	text, done := s.export(bulk.Exporter{Format: bulk.FormatJSONL})
	if done.Recipients != len(want) || done.Lines != strings.Count(text, "\n") || done.LeftOut != 0 {
		t.Errorf("%+v of %d recipients", done, len(want))
	}
	other := newSite(t) // other keys too
	r := other.text(bulk.Reading{Format: bulk.FormatJSONL, Attest: "our own backup", Now: now()}, text)
	if r.err != nil || r.Imported != done.Lines {
		t.Fatalf("%+v, error %v", r, r.err)
	}
	if diff := cmp.Diff(want, other.records()); diff != "" {
		t.Errorf("records (-exported +imported):\n%s", diff)
	}
}

func TestRecordsAreRowsThatNoSpreadsheetTakesForFormulas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(csv(), "email,method,source,time\n"+
		"+ann@example.com,active,form:x,2024-01-02\n"+
		"=cmd|x@example.com,passive,contest:y,2024-01-02\n")
	s.text(csv(), "email,type,time\nbob@example.com,complained,2024-01-03\n")
	text, done := s.export(bulk.Exporter{Format: bulk.FormatCSV})
	rows, err := stdcsv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if done.Lines != len(rows)-1 || done.Recipients != 3 {
		t.Errorf("%+v with %d rows", done, len(rows))
	}
	got := make(map[string]string)
	for _, row := range rows[1:] {
		got[row[0]] = strings.Join([]string{row[2], row[3], row[4], row[7], row[13]}, " ")
	}
	want := map[string]string{
		"'+ann@example.com":   "newsletter active_single 2024-01-02T00:00:00Z form:x ",
		"'=cmd|x@example.com": "newsletter passive_unconfirmed 2024-01-02T00:00:00Z contest:y ",
		"bob@example.com":     "* withdrawn 2024-01-03T00:00:00Z  complained",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAnExportSelectsByPurposeAndState(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(csv(), "email,purpose,type,method\n"+
		"ann@example.com,newsletter,,active\nann@example.com,partners,,passive\n"+
		"bob@example.com,partners,,active\ncleo@example.com,*,withdrawn,\n")
	s.text(bulk.Reading{Format: bulk.FormatCSV, Now: now()}, "email,type\ndora@example.com,bounced\n")
	for name, tt := range map[string]struct {
		ex   bulk.Exporter
		want []string
	}{
		"a purpose, and what was said of all": {bulk.Exporter{Purpose: "partners"}, []string{"ann", "bob", "cleo", "dora"}},
		"a state":                             {bulk.Exporter{State: gate.StateActiveSingle}, []string{"ann", "bob"}},
		"both": {
			bulk.Exporter{Purpose: "newsletter", State: gate.StateActiveSingle}, []string{"ann"},
		},
	} {
		for _, format := range []string{bulk.FormatCSV, bulk.FormatJSONL} {
			tt.ex.Format = format
			text, done := s.export(tt.ex)
			var got []string
			for _, who := range []string{"ann", "bob", "cleo", "dora"} {
				if strings.Contains(text, who+"@example.com") {
					got = append(got, who)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || done.Recipients != len(tt.want) {
				t.Errorf("%s as %s: %+v (-want +got):\n%s", name, format, done, diff)
			}
		}
	}
}

func TestWhoseAddressIsNotKeptIsCountedNotForgotten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	keys, err := seal.Open(t.TempDir(), seal.Options{MayCreate: true, Addresses: seal.AddressesNone})
	if err != nil {
		t.Fatal(err)
	}
	s.keys, s.store = keys, gatetest.NewStore()
	s.text(csv(), "email\nann@example.com\n")
	if text, done := s.export(bulk.Exporter{Format: bulk.FormatJSONL}); text != "" || done.LeftOut != 1 {
		t.Errorf("%+v, text %q", done, text)
	}
	text, done := s.export(bulk.Exporter{Format: bulk.FormatCSV})
	if done.LeftOut != 0 || !strings.Contains(text, s.id("ann@example.com").String()) {
		t.Errorf("%+v, text %q", done, text)
	}
}

// A person's no outlives their erasure, the store and the file.
func TestARefusalOfSomebodyErasedSurvivesExportAndImport(t *testing.T) {
	t.Parallel()
	for _, proof := range []bool{false, true} {
		for _, no := range []string{"withdrawn", "refused", "complained", "suppressed"} {
			s := newSite(t)
			granted := "email,method,default_state,source,time\nann@example.com,active,unticked,form:x,2024-01-02\n"
			s.text(csv(), granted)
			s.text(csv(), "email,type,time\nann@example.com,"+no+",2024-02-02\n")
			x := gate.Erasure{ID: "erasure", Time: now(), KeepProof: proof}
			if _, err := (gate.Eraser{Store: s.store}).Erase(t.Context(), s.id("ann@example.com"), x); err != nil {
				t.Fatal(err)
			}
			want := gate.Refusals(s.events("ann@example.com"))
			text, done := s.export(bulk.Exporter{Format: bulk.FormatJSONL})
			if strings.Contains(text, "ann") || done.Recipients != 1 || (done.LeftOut == 1) != proof {
				t.Fatalf("%s, proof %v: %+v\n%s", no, proof, done, text)
			}
			s.store = gatetest.NewStore() // of the same id key
			jsonl := bulk.Reading{Format: bulk.FormatJSONL, Now: now()}
			if r := s.text(jsonl, text); r.err != nil || r.Imported != done.Lines {
				t.Fatalf("%s: import: %+v", no, r)
			}
			if r := s.text(jsonl, text); r.Unchanged != done.Lines {
				t.Errorf("%s: import again: %+v", no, r)
			}
			s.text(csv(), strings.Replace(granted, "2024-01-02", "2024-10-02", 1)) // the nightly sync
			s.text(csv(), granted)
			got := gate.Refusals(s.events("ann@example.com"))
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("%s, proof %v: refusals (-before +after):\n%s", no, proof, diff)
			}
			d := s.policy.Decide(now(), s.streams[0], gate.Address{}, gate.Lookup{Record: s.record("ann@example.com")})
			if d.Verdict == gate.Permit {
				t.Errorf("%s, proof %v: mailed again", no, proof)
			}
		}
	}
}

func TestLinesByRecipientIDTakeNothingButARefusalUnderTheSameKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, key := s.id("ann@example.com").String(), s.keys.Fingerprint()
	line := func(id, key, rest string) string {
		return `{"recipient_id":"` + id + `","id_key":"` + key + `","id":"e","time":"2024-01-02T00:00:00Z",` + rest + "}\n"
	}
	for rest, want := range map[string]string{
		line(id, "0123456789abcdef", `"type":"withdrawn","purpose":"newsletter"`):                                   "made with id key",
		line(id, "", `"type":"withdrawn","purpose":"newsletter"`):                                                   "made with id key",
		line(id, key, `"type":"granted","method":"active","purpose":"newsletter"`):                                  "needs the recipient's address",
		line(id, key, `"type":"unsuppressed","purpose":"newsletter"`):                                               "needs the recipient's address",
		line(id, key, `"type":"withdrawn","purpose":"newsletter","recipient":"ann@example.com"`):                    "stands beside recipient",
		line(id, key, `"type":"withdrawn"`):                                                                         "purpose: missing",
		line("short", key, `"type":"withdrawn","purpose":"newsletter"`):                                             "recipient id",
		line(id, key, `"type":"withdrawn","purpose":"newsletter","surprise":1`):                                     `"surprise": there is no such field`,
		`{"id":"e","type":"erased","time":"2024-01-02T00:00:00Z"}`:                                                  "recipient: missing",
		`{"id":"e","type":"erased","time":"2024-01-02T00:00:00Z","recipient":"nobody"}`:                             "recipient: ",
		`{"id":"e","type":"granted","note":"\"erased\"","time":"2024-01-02T00:00:00Z","recipient":"a@example.com"}`: "purpose: missing",
	} {
		r := s.text(bulk.Reading{Format: bulk.FormatJSONL, Now: now()}, rest)
		if r.Rejected != 1 || !strings.Contains(r.rejects[0].Cause, want) {
			t.Errorf("%s%+v, want a cause with %q", rest, r, want)
		}
	}
	if n := len(s.events("ann@example.com")); n != 0 {
		t.Errorf("%d events were taken", n)
	}
}

func TestSomebodyWhoCameBackAfterAnErasureIsExportedWithIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(csv(), "email,type,time\nann@example.com,withdrawn,2024-02-02\n")
	if _, err := (gate.Eraser{Store: s.store}).Erase(t.Context(), s.id("ann@example.com"), gate.Erasure{ID: "x", Time: now()}); err != nil {
		t.Fatal(err)
	}
	s.text(csv(), "email,method,default_state,source,time\nann@example.com,active,unticked,form:x,2024-11-01T12:03:00Z\n")
	want := s.record("ann@example.com")
	if want.For("newsletter").State != gate.StateActivePending {
		t.Fatalf("came back as %s", want.For("newsletter").State)
	}
	text, done := s.export(bulk.Exporter{Format: bulk.FormatJSONL})
	other := newSite(t) // another id key: the lines bear the address
	if r := other.text(bulk.Reading{Format: bulk.FormatJSONL, Now: now()}, text); r.Imported != done.Lines || done.Lines != 3 {
		t.Fatalf("%+v of %+v: %v", r.Summary, done, r.rejects)
	}
	got := other.record("ann@example.com")
	want.Version, got.Version = 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-exported +imported):\n%s", diff)
	}
}

func TestRejectsAreSafeForSpreadsheets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f, err := bulk.NewRejectsFile(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"=1+1,x", "@x", "-x", "\tx", "plain"} {
		if err := f.Add(bulk.Reject{Line: 2, Cause: "why", Row: row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := stdcsv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	for i, want := range []string{"row", "'=1+1,x", "'@x", "'-x", "'\tx", "plain"} {
		if rows[i][2] != want {
			t.Errorf("row %d is %q, want %q", i, rows[i][2], want)
		}
	}
}

func TestIDsAreCellsAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := gate.Person{ID: gate.ID{0xf8}, Sealed: "", Events: []gate.Event{{ID: "e", Type: gate.Withdrawn, Purpose: "newsletter", Time: now()}}}
	p.Record = gate.Fold(p.Events)
	p.Record.Version = 1
	for _, err := range s.store.Rewrite(t.Context(), []gate.Rewrite{{Person: p}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := s.export(bulk.Exporter{Format: bulk.FormatCSV}); !strings.Contains(text, "\n,-AAAA") {
		t.Errorf("an id that begins with -:\n%s", text)
	}
}
