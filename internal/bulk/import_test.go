package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/bulk"
)

func TestARowIsNeverMoreThanItSays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header, row string
		want        string
	}{
		"an address alone":                         {"email", "ann@example.com", "none"},
		"a ticked box":                             {"email,default_state", "ann@example.com,ticked", "passive_unconfirmed"},
		"a bundled consent":                        {"email,default_state", "ann@example.com,bundled", "passive_unconfirmed"},
		"an unticked box, without who ticked it":   {"email,default_state", "ann@example.com,unticked", "none"},
		"active":                                   {"email,method,default_state", "ann@example.com,active,unticked", "active_single"},
		"double, not confirmed":                    {"email,method", "ann@example.com,double", "active_pending"},
		"double, confirmed":                        {"email,method,evidence.confirmed_at", "ann@example.com,double,2024-01-02", "active_double"},
		"a status of another program":              {"email,type", "ann@example.com,Unsubscribed", "withdrawn"},
		"a no beside a method":                     {"email,type,method", "ann@example.com,withdrawn,active", "withdrawn"},
		"a no at a time that cannot be read":       {"email,type,time", "ann@example.com,withdrawn,yesterday", "withdrawn"},
		"spam":                                     {"email,type", "ann@example.com,spam", "withdrawn complained:*"},
		"suppressed":                               {"email,type", "ann@example.com,suppressed", "none manual:newsletter"},
		"blanks around cells, delimiter in quotes": {"email ;note", ` ann@example.com ;"a;b"`, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			r := s.text(csv(), tt.header+"\n"+tt.row+"\n")
			if r.err != nil || r.Imported != 1 {
				t.Fatalf("%+v %v, error %v", r.Counts, r.rejects, r.err)
			}
			s.wantStates(map[string]string{"ann": tt.want})
		})
	}
}

// A line of a file is easily written. What brings people back is their own act, so a confirmation needs a reference to
// its proof, somebody who stands for the file, and an answer to something newer than the refusal.
func TestALineThatSaysConfirmedBringsNobodyBack(t *testing.T) {
	t.Parallel()
	const (
		before    = `{"recipient":"ann@example.com","purpose":"newsletter","type":"granted","method":"active","default_state":"unticked","time":"2024-01-01T00:00:00Z"}` + "\n"
		refusal   = `{"recipient":"ann@example.com","purpose":"newsletter","type":"withdrawn","time":"2024-02-01T00:00:00Z"}` + "\n"
		request   = `{"recipient":"ann@example.com","purpose":"newsletter","type":"confirmation_requested","time":"2024-03-01T00:00:00Z"}` + "\n"
		confirmed = `{"recipient":"ann@example.com","purpose":"newsletter","type":"confirmed","via":"mailbox","time":"2024-03-02T00:00:00Z"}` + "\n"
		proven    = `{"recipient":"ann@example.com","purpose":"newsletter","type":"confirmed","via":"mailbox","time":"2024-03-02T00:00:00Z","evidence":{"ref":"click 4711"}}` + "\n"
	)
	for name, tt := range map[string]struct {
		lines, attest, cause, want string
	}{
		"without a reference":                      {confirmed, "A. Martin", "evidence.ref: missing", "withdrawn"},
		"without anybody who stands for it":        {request + proven, "", "add --attest", "withdrawn"},
		"of nothing that was asked since":          {proven, "A. Martin", "", "withdrawn"},
		"with all of it, as what the person did":   {request + proven, "A. Martin", "", "active_double"},
		"with all of it, and a refusal once again": {request + proven + strings.Replace(refusal, "-02-", "-04-", 1), "A. Martin", "", "withdrawn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			r := s.text(bulk.Reading{Format: bulk.FormatJSONL, Attest: tt.attest, Now: now()}, before+refusal+tt.lines)
			if r.err != nil || (tt.cause == "") != (len(r.rejects) == 0) {
				t.Fatalf("%+v, rejects %+v, error %v", r.Counts, r.rejects, r.err)
			}
			if tt.cause != "" && !strings.Contains(r.rejects[0].Cause, tt.cause) {
				t.Errorf("cause %q, want %q", r.rejects[0].Cause, tt.cause)
			}
			s.wantStates(map[string]string{"ann": tt.want})
		})
	}
}

func TestALineCannotSayWhoBroughtIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(bulk.Reading{Format: bulk.FormatJSONL, Actor: "cli:root@vm", Now: now()},
		`{"recipient":"ann@example.com","purpose":"newsletter","type":"withdrawn","actor":"token:dpo","time":"2024-01-01T00:00:00Z"}`)
	for p, err := range s.store.Persons(t.Context()) {
		if err != nil || p.Events[0].Actor != "cli:root@vm/token:dpo" {
			t.Errorf("actor %q, error %v", p.Events[0].Actor, err)
		}
	}
}

func TestRejectsNameLineCauseAndRow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.text(csv(), strings.Join([]string{
		"email,time,type,note",
		"ann@example.com,2024-01-01,,ok",
		"no address,2024-01-01,,",
		"",
		"bob@example.com,soon,,",
		"cleo@example.com,2024-01-01,dunno,",
		"dora@example.com,2024-01-01",
		`eve@example.com,2024-01-01,,a "b" c`,
		`finn@example.com,2024-01-01,,"two`,
		`lines"`,
		`gus@example.com,03/04/2024,,`,
		`hana@example.com,2031-01-01,,`,
		`ivo@example.com,2024-01-01,,"never closed`,
		"jan@example.com,2024-01-01,,",
	}, "\r\n"))
	want := []struct {
		line  int
		cause string
	}{
		{3, "recipient: invalid address"},
		{5, `time: "soon" is no time`},
		{6, `type: "dunno" is unknown`},
		{7, "has 2 cells where the header has 4"},
		{8, "a quote stands inside a cell"},
		{11, "--dates dmy or --dates mdy"},
		{12, "time: lies more than 5 minutes ahead"},
		{13, "a quote is opened and not closed"},
	}
	if r.err != nil || r.Rows != 11 || r.Imported != 3 || len(r.rejects) != len(want) {
		t.Fatalf("%+v, error %v, rejects %+v", r.Counts, r.err, r.rejects)
	}
	for i, w := range want {
		if got := r.rejects[i]; got.Line != w.line || !strings.Contains(got.Cause, w.cause) {
			t.Errorf("reject %d is %+v, want line %d: %s", i, got, w.line, w.cause)
		}
	}
	if got := r.rejects[0].Row; got != "no address,2024-01-01,," {
		t.Errorf("row %q", got)
	}
	s.wantStates(map[string]string{"ann": "none", "finn": "none", "jan": "none"})
}

func TestASecondImportChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, f := range []struct{ preset, name string }{
		{"mailchimp", "mailchimp_subscribed.csv"}, {"mailchimp", "mailchimp_unsubscribed.csv"}, {"brevo", "brevo.csv"},
	} {
		first := s.file(preset(f.preset), f.name)
		before := s.records()
		later := preset(f.preset)
		later.Now, later.Batch, later.Actor = now().Add(72*time.Hour), "renamed", "cli:other"
		second := s.file(later, f.name)
		if second.Imported != 0 || second.Unchanged != first.Imported+first.Unchanged {
			t.Errorf("%s: first %+v, again %+v", f.name, first.Counts, second.Counts)
		}
		if diff := cmp.Diff(before, s.records()); diff != "" {
			t.Errorf("%s changed (-before +after):\n%s", f.name, diff)
		}
	}
}

// The records of a set of files are the same whatever the order of files, rows and batches.
func TestTheOrderOfFilesAndRowsDoesNotMatter(t *testing.T) {
	t.Parallel()
	types := []string{"granted", "granted", "granted", "withdrawn", "complained", "bounced", "suppressed"}
	times := []string{"", "2024-01-01", "2024-02-01", "2024-03-01"}
	methods := []string{"", "passive", "active", "double"}
	s := newSite(t) // one id key: ties go by event ids
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		pick := func(of []string) string { return of[rng.IntN(len(of))] }
		var rows []string
		for range 60 {
			rows = append(rows, fmt.Sprintf("p%d@example.com,%s,%s,%s,2024-02-02", rng.IntN(8), pick(types), pick(times), pick(methods)))
		}
		var want map[string]gate.Record
		for round := range 4 {
			s.store = gatetest.NewStore()
			if round > 0 {
				rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			}
			cut := rng.IntN(len(rows))
			for _, part := range [][]string{rows[:cut], rows[cut:]} {
				text := "email,type,time,method,evidence.confirmed_at\n" + strings.Join(part, "\n")
				if r := s.text(csv(), text); r.err != nil || r.Rejected > 0 {
					t.Fatalf("%+v, error %v", r, r.err)
				}
			}
			got := s.records()
			if round == 0 {
				want = got
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, order %d (-first +this):\n%s", seed, round, diff)
			}
		}
	}
}

func TestAGrantWithoutATimeNeverReopensARefusal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(csv(), "email,type,time\nann@example.com,withdrawn,1999-01-01\n")
	reading := csv()
	reading.Values, reading.Attest = map[string]string{"method": "active"}, "A. Martin"
	s.text(reading, "email\nann@example.com\n")
	if c := s.record("ann@example.com").For("newsletter"); c.State != gate.StateWithdrawn {
		t.Errorf("state %s, want withdrawn: 1970 is older than any refusal", c.State)
	}
}

// flaky is a store that stops taking changes after some calls.
type flaky struct {
	gate.Applier
	left atomic.Int64
}

func (f *flaky) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	if f.left.Add(-1) >= 0 {
		return f.Applier.Apply(ctx, changes)
	}
	out := make([]gate.Applied, len(changes))
	for i := range out {
		out[i].Err = fmt.Errorf("%w: gone", gate.ErrUnavailable)
	}
	return out
}

// people is a file of n rows.
func people(n int) string {
	var b strings.Builder
	b.WriteString("email,method,default_state,time\n")
	for i := range n {
		fmt.Fprintf(&b, "person%d@example.com,active,unticked,2024-03-04\n", i)
	}
	return b.String()
}

func TestAnImportThatTheStoreStoppedIsResumedByTheSameImport(t *testing.T) {
	t.Parallel()
	const rows = 5000
	s := newSite(t)
	f := &flaky{Applier: s.store}
	f.left.Store(3)
	var rejects []bulk.Reject
	im := s.importer(csv(), &rejects)
	im.Store = f
	first, err := im.Run(t.Context(), strings.NewReader(people(rows)))
	if !errors.Is(err, gate.ErrUnavailable) {
		t.Fatalf("error %v, want ErrUnavailable", err)
	}
	if first.Imported == 0 || first.Unwritten == 0 || first.Imported == rows || len(rejects) != 0 ||
		first.Rows != first.Imported+first.Unwritten {
		t.Errorf("%+v, rejects %v", first.Counts, rejects)
	}
	second := s.text(csv(), people(rows))
	if second.err != nil || second.Unchanged != first.Imported || second.Imported != rows-first.Imported {
		t.Errorf("first %+v, then %+v, error %v", first.Counts, second.Counts, second.err)
	}
	if got := len(s.records()); got != rows {
		t.Errorf("%d records, want %d", got, rows)
	}
}

func TestAnInterruptedImportEndsWithWholeBatches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var rejects []bulk.Reject
	im := s.importer(csv(), &rejects)
	im.Progress = func(c bulk.Counts) {
		if c.Rows > 1000 {
			cancel()
		}
	}
	sum, err := im.Run(ctx, strings.NewReader(people(100_000)))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want Canceled", err)
	}
	if sum.Rows == 100_000 || sum.Unwritten != 0 || sum.Imported != sum.Rows || len(s.records()) != sum.Rows {
		t.Errorf("%+v and %d records", sum.Counts, len(s.records()))
	}
	if sum.Line < sum.Rows+1 {
		t.Errorf("stopped after line %d with %d rows", sum.Line, sum.Rows)
	}
}

func TestHalfARowBeforeAReadErrorIsNoRow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	broken := errors.New("disk error")
	in := io.MultiReader(strings.NewReader("email\nann@example.com\nbob@example.co"), iotest.ErrReader(broken))
	r := s.run(csv(), in)
	if !errors.Is(r.err, broken) || r.Imported != 1 || r.Rejected != 0 {
		t.Errorf("%+v, error %v", r.Counts, r.err)
	}
}

func TestJSONLinesAreEventsOrFlatObjects(t *testing.T) {
	t.Parallel()
	events := csv()
	events.Format, events.Purpose = bulk.FormatJSONL, ""
	objects := csv()
	objects.Format = bulk.FormatJSONL
	objects.Columns = map[string]string{"recipient": "mail", "method": "how", "time": "on", "note": "n"}

	s := newSite(t)
	r := s.text(events, `{"id":"e1","recipient":"ann@example.com","purpose":"newsletter","type":"granted","method":"passive","time":"2024-01-01T00:00:00Z"}
{"recipient":"bob@example.com","purpose":"newsletter","type":"withdrawn","time":"2024-01-01T00:00:00Z"}
{"recipient":"cleo@example.com","purpose":"newsletter","time":"2024-01-01T00:00:00Z"}
{"recipient":"cleo@example.com","purpos":"newsletter"}
`)
	if r.Imported != 2 || r.Rejected != 2 || !strings.Contains(r.rejects[0].Cause, "type: missing") || !strings.Contains(r.rejects[1].Cause, `"purpos"`) {
		t.Errorf("%+v", r)
	}
	if got := s.events("ann@example.com")[0].ID; got != "e1" {
		t.Errorf("id %q, want the event's own", got)
	}
	r = s.text(objects, `{"mail":"dora@example.com","how":"active","on":"2024-01-01","n":7,"other":[1]}
{"mail":["x"]}
[]
`)
	if r.Imported != 1 || r.Rejected != 2 {
		t.Errorf("%+v", r)
	}
	s.wantStates(map[string]string{"ann": "passive_unconfirmed", "bob": "withdrawn", "dora": "active_single"})
}

func TestADryRunShowsTheReachAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.text(csv(), "email,type,time\nbob@example.com,withdrawn,2024-01-01\n")
	text := "email,method,default_state,time\n" +
		"ann@example.com,active,unticked,2024-02-01\n" +
		"ann@example.com,passive,ticked,2024-02-01\n" + // somebody on two rows counts once
		"bob@example.com,active,unticked,2024-02-01\n" +
		"cleo@example.com,passive,ticked,2024-02-01\n"
	var rejects []bulk.Reject
	im := s.importer(csv(), &rejects)
	im.Store = bulk.Rehearsal{Store: s.store}
	sum, err := im.Run(t.Context(), strings.NewReader(text))
	if err != nil || sum.Imported != 4 {
		t.Fatalf("%+v, error %v", sum, err)
	}
	want := []bulk.Reach{
		{Stream: "newsletter", Permitted: 1, Of: 3, Blocked: []bulk.ReasonsCount{
			{Reason: gate.ReasonConfirmationPending, Count: 1}, {Reason: gate.ReasonPassiveUnconfirmed, Count: 1},
		}},
		{Stream: "receipts", Permitted: 3, Of: 3, Blocked: []bulk.ReasonsCount{}},
	}
	if diff := cmp.Diff(want, sum.Reach); diff != "" {
		t.Errorf("reach (-want +got):\n%s", diff)
	}
	if got := len(s.records()); got != 1 {
		t.Errorf("a dry run wrote %d records", got-1)
	}
	written := s.text(csv(), text)
	if diff := cmp.Diff(sum.Reach, written.Reach); diff != "" {
		t.Errorf("reach of the dry run and of the import (-dry +real):\n%s", diff)
	}
}

func TestATimeOfAnEasternClockIsNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.text(csv(), "email,type,time\nann@example.com,withdrawn,2024-11-01 21:00:00\n")
	if r.Imported != 1 {
		t.Fatalf("%+v", r)
	}
	if got := s.events("ann@example.com")[0].Time; !got.Equal(now()) {
		t.Errorf("time %v, want %v", got, now())
	}
}
