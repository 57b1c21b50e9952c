package inbound_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

// Each sample of testdata/reports is delivered to the address of the feedback loops. Placeholders in it stand for the
// token of ann's newsletter.
func TestEveryReportDoesWhatItAsksFor(t *testing.T) {
	t.Parallel()
	const complained, withdrawn, nothing = gate.Complained, gate.Withdrawn, gate.EventType("")
	samples := map[string]struct {
		event   gate.EventType
		counted gate.Counted
		note    string
	}{
		"abuse.eml":               {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"fraud.eml":               {complained, gate.CountInboundComplained, "feedback report: fraud"},
		"virus.eml":               {complained, gate.CountInboundComplained, "feedback report: virus"},
		"other.eml":               {complained, gate.CountInboundComplained, "feedback report: other"},
		"new-type.eml":            {complained, gate.CountInboundComplained, "feedback report: other"},
		"yahoo.eml":               {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"microsoft.eml":           {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"jmrp.eml":                {complained, gate.CountInboundComplained, "feedback report: returned message"},
		"jmrp-alone.eml":          {complained, gate.CountInboundComplained, "feedback report: returned message"},
		"headers-alone.eml":       {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"mailto-alone.eml":        {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"encoded.eml":             {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"leading-blank-lines.eml": {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"odd-lines.eml":           {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"cut-short.eml":           {complained, gate.CountInboundComplained, "feedback report: abuse"},
		"opt-out.eml":             {withdrawn, gate.CountInboundUnsubscribed, "feedback report: opt-out"},

		"not-spam.eml":               {nothing, gate.CountInboundIgnored, ""},
		"auth-failure.eml":           {nothing, gate.CountInboundIgnored, ""},
		"bounce.eml":                 {nothing, gate.CountInboundIgnored, ""},
		"question.eml":               {nothing, gate.CountInboundIgnored, ""},
		"forwarded-by-a-machine.eml": {nothing, gate.CountInboundIgnored, ""},
		"no-type.eml":                {nothing, gate.CountInboundUnmatched, ""},
		"foreign.eml":                {nothing, gate.CountInboundUnmatched, ""},
		"forged.eml":                 {nothing, gate.CountInboundUnmatched, ""},
		"by-message-id.eml":          {nothing, gate.CountInboundUnmatched, ""},
		"token-elsewhere.eml":        {nothing, gate.CountInboundUnmatched, ""},
	}
	files, err := filepath.Glob("testdata/reports/*.eml")
	if err != nil || len(files) != len(samples) {
		t.Fatalf("%d samples, want %d: %v", len(files), len(samples), err)
	}
	for _, file := range files {
		want, ok := samples[filepath.Base(file)]
		if !ok {
			t.Fatalf("%s: nobody says what it should do", file)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			w := start(t)
			text, err := os.ReadFile(file)
			w.must(err)
			for range 2 { // a repetition of a report is the same report
				w.deliver("abusedesk@mailbox.example", "FBL@u.example.com", string(text), "250 2.0.0 OK")
			}
			w.wantCounted(want.counted, 2)
			if strings.Contains(w.log.String(), "@") {
				t.Errorf("an address in the log:\n%s", w.log.String())
			}
			if want.event == nothing {
				w.wantEvents()
				return
			}
			w.wantEvents(want.event)
			if e := w.events()[0]; e.Note != want.note || !strings.HasPrefix(e.Evidence.Ref, "token ") {
				t.Errorf("event %+v", e)
			}
		})
	}
}

func TestAComplaintNamesItsReporterAndNoAddress(t *testing.T) {
	t.Parallel()
	for sample, reporter := range map[string]string{
		"abuse.eml": "mail.mailbox.example", "microsoft.eml": "mailbox.example", "jmrp.eml": "mailbox.example",
	} {
		w := start(t)
		text, err := os.ReadFile("testdata/reports/" + sample)
		w.must(err)
		w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", string(text), "250")
		w.wantEvents(gate.Complained)
		e := w.events()[0]
		if e.Source != (gate.Source{Kind: "provider", ID: reporter}) || e.Purpose != gate.AllPurposes || e.Recipient != "" {
			t.Errorf("%s: event %+v", sample, e)
		}
		if err := e.Validate(e.Time); err != nil {
			t.Errorf("%s: %v", sample, err)
		}
	}
}

func TestAReportOfAnotherMessageIsAnotherComplaint(t *testing.T) {
	t.Parallel()
	w := start(t)
	text, err := os.ReadFile("testdata/reports/abuse.eml")
	w.must(err)
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", string(text), "250")
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", strings.ReplaceAll(string(text), "weekly-47", "weekly-48"), "250")
	w.wantEvents(gate.Complained, gate.Complained)
}

func TestALongReportIsReadToItsEndAndCounts(t *testing.T) {
	t.Parallel()
	w := start(t)
	text, err := os.ReadFile("testdata/reports/abuse.eml")
	w.must(err)
	long := strings.Replace(string(text), "The news.\r\n", strings.Repeat("The news.\r\n", 200_000), 1)
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", long, "250")
	w.wantEvents(gate.Complained)
	w.deliver("abusedesk@mailbox.example", "fbl@u.example.com", long+strings.Repeat(long, 4), "552 5.3.4")
	w.wantEvents(gate.Complained)
}
