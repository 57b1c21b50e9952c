//go:build linux

package rig_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/rig"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

const (
	body     = "Hello\r\n"
	received = "Received: by gate.bench.test (consentgate) with SMTP id 1\r\n"
	listID   = "List-Id: Bench news <news.bench.test>\r\n"
	post     = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)

func TestASampleIsRefusedWhose(t *testing.T) {
	t.Parallel()
	keys, err := seal.Open(t.TempDir(), seal.Options{MayCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	link := func(address string) string {
		a, err := gate.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		token := unsub.Tokens{Keys: keys}.Make(keys.ID(a), rig.PerRecipient, unsub.TokenUnsubscribe)
		return "List-Unsubscribe: <https://u.bench.test/u/" + token + ">\r\n"
	}
	mine, others := link("1rcpt@bench.test"), link("2rcpt@bench.test")
	for name, tt := range map[string]struct {
		head, body string
		want       string // "": nothing is wrong
	}{
		"lines are all right":      {received + listID + mine + post, body, ""},
		"body is another":          {received + listID + mine + post, "Hullo\r\n", "body"},
		"Received is not on top":   {listID + received + mine + post, body, "Received"},
		"List-Id is missing":       {received + mine + post, body, "List-Id"},
		"link is missing":          {received + listID + post, body, "0 fields List-Unsubscribe"},
		"link stands twice":        {received + listID + mine + mine + post, body, "2 fields List-Unsubscribe"},
		"link is another person's": {received + listID + others + post, body, "another's"},
		"link is forged":           {received + listID + strings.Replace(mine, "/u/E", "/u/F", 1) + post, body, "bad token"},
		"Post is missing":          {received + listID + mine, body, "List-Unsubscribe-Post"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := arrived(rig.FromPerRecipient, tt.head, tt.body)
			want := rig.Expected{Messages: 1, Recipients: 1, Samples: &rig.Judge{Keys: keys, Bodies: []string{body}}}
			err := want.Check(got)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("header %q, body %q: %v, want %q", tt.head, tt.body, err, tt.want)
			}
		})
	}
}

func TestASharedCopyHasNoLinkOfAnybody(t *testing.T) {
	t.Parallel()
	keys, err := seal.Open(t.TempDir(), seal.Options{MayCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	want := rig.Expected{Messages: 1, Recipients: 1, Samples: &rig.Judge{Keys: keys, Bodies: []string{body}}}
	if err := want.Check(arrived(rig.FromToAll, received+listID, body)); err != nil {
		t.Error(err)
	}
	if err := want.Check(arrived(rig.FromToAll, received+listID+"List-Unsubscribe: <https://u.bench.test/u/x>\r\n", body)); err == nil {
		t.Error("a copy that recipients share has a link, and nobody says so")
	}
}

// arrived is the report of one message to 1rcpt@bench.test.
func arrived(from, head, body string) countsink.Report {
	return countsink.Report{
		Messages: 1, Octets: 1, Series: map[string]countsink.Series{"rcpt": {Total: 1, Distinct: 1, Highest: 1}},
		Samples: []countsink.Sample{{
			From: from, Recipients: []string{"1rcpt@bench.test"}, Content: []byte(head + "Subject: x\r\n\r\n" + body),
		}},
	}
}
