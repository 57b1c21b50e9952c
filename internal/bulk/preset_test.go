package bulk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

func TestMailchimpProvesDoubleOptInOnlyByTwoTimesAndTwoAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.file(preset("mailchimp"), "mailchimp_subscribed.csv")
	if r.err != nil || r.Imported != 4 {
		t.Fatalf("%+v, error %v", r, r.err)
	}
	s.wantStates(map[string]string{
		"ann":  "active_double",
		"bob":  "none", // a form without double opt-in: who ticked what is not in the file
		"cleo": "none", // added by hand, and CONFIRM_TIME is set all the same
		"dora": "none", // confirmed from nowhere
	})
	ann := s.events("ann@example.com")[0]
	if want := time.Date(2024, 2, 1, 9, 5, 0, 0, time.UTC); !ann.Evidence.ConfirmedAt.Equal(want) || !ann.Time.Equal(want) {
		t.Errorf("confirmed at %v, time %v, want %v", ann.Evidence.ConfirmedAt, ann.Time, want)
	}
	if ann.IP != "192.0.2.0/24" {
		t.Errorf("IP %q, want the network only", ann.IP)
	}
}

func TestMailchimpsLeaversAndCleanedAreBlocked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.file(preset("mailchimp"), "mailchimp_unsubscribed.csv")
	s.file(preset("mailchimp"), "mailchimp_cleaned.csv")
	s.wantStates(map[string]string{
		"eve":  "withdrawn",
		"finn": "withdrawn complained:*",
		"gus":  "withdrawn", // no time: now
		"hana": "none hard_bounced:*",
	})
	if got := s.record("gus@example.com").For("newsletter").Refused; !got.Equal(now()) {
		t.Errorf("a refusal without a time is dated %v, want %v", got, now())
	}
}

func TestBrevoProvesDoubleOptInAndBlocklistsEveryPurpose(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.file(preset("brevo"), "brevo.csv")
	s.wantStates(map[string]string{
		"ann": "active_double", "bob": "none", "cleo": "withdrawn", "dora": "none",
	})
	if r.Rejected != 1 || r.rejects[0].Line != 6 || !strings.Contains(r.rejects[0].Cause, `"maybe"`) {
		t.Errorf("rejects %+v, want line 6 for a word that is not known", r.rejects)
	}
	if c := s.record("cleo@example.com").For("anything"); c.State != gate.StateWithdrawn {
		t.Errorf("a blocklisted recipient is %s for another purpose", c.State)
	}
}

func TestBrevoWithoutAColumnOfTheBlocklistedSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.text(preset("brevo"), "EMAIL;DOUBLE_OPT-IN\nann@example.com;Yes\n")
	if !strings.Contains(r.Note, "blocklisted") {
		t.Errorf("note %q", r.Note)
	}
	s.wantStates(map[string]string{"ann": "active_double"})
}

func TestListmonksOwnExportPermitsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.file(preset("listmonk"), "listmonk.csv")
	if r.err != nil || r.Imported != 3 || !strings.Contains(r.Note, "subscription_status") {
		t.Errorf("%+v, error %v", r, r.err)
	}
	s.wantStates(map[string]string{"ann": "none", "bob": "withdrawn", "cleo": "none manual:newsletter"})
}

func TestListmonksQueryProvesDoubleOptInOfDoubleOptInOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.file(preset("listmonk"), "listmonk_query.csv")
	s.wantStates(map[string]string{
		"ann": "active_double", "bob": "none", "cleo": "none", "dora": "withdrawn", "eve": "withdrawn",
	})
	if r.Rejected != 1 || r.rejects[0].Line != 7 {
		t.Errorf("rejects %+v, want line 7", r.rejects)
	}
}

func TestAClaimRaisesOnlyRowsThatSayNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reading := preset("listmonk")
	reading.Values = map[string]string{"method": "active", "default_state": "unticked"}
	reading.Attest = "footer form, unticked box: A. Martin"
	s.file(reading, "listmonk_query.csv")
	s.wantStates(map[string]string{
		"ann":  "active_double",
		"bob":  "active_single",
		"cleo": "none", // was asked to confirm and did not
		"dora": "withdrawn",
	})
	note := s.events("bob@example.com")[0].Note
	if want := "attested by cli:test: footer form, unticked box: A. Martin"; note != want {
		t.Errorf("note %q, want %q", note, want)
	}
}

func TestAPresetsColumnCanHaveAnotherName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reading := preset("brevo")
	reading.Columns = map[string]string{"blocked": "E-mail state", "note": "Remark"}
	s.text(reading, "Email,E-mail state,Remark\nann@example.com,unsubscribed,by phone\n")
	s.wantStates(map[string]string{"ann": "withdrawn"})
	if got := s.events("ann@example.com")[0].Note; got != "by phone" {
		t.Errorf("note %q", got)
	}
}

func TestATypeForTheWholeFileSpeaksAgainst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reading := preset("mailchimp")
	reading.Values = map[string]string{"type": "withdrawn"}
	if r := s.file(reading, "mailchimp_subscribed.csv"); r.err != nil {
		t.Fatal(r.err)
	}
	s.wantStates(map[string]string{"ann": "withdrawn", "bob": "withdrawn"})
}
