package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/stats"
)

// month is what a store counted: a contest with a ticked box, and a form with a double opt-in.
func month(t *testing.T, by stats.By) stats.Report {
	t.Helper()
	day := map[string]int64{
		"event/newsletter/granted/passive/":                            12_040,
		"event/newsletter/refused/passive/":                            310,
		"awaiting/newsletter/granted/passive/":                         12_040,
		"event/newsletter/confirmed/passive/":                          251,
		"event/newsletter/granted/double/":                             3_020,
		"event/newsletter/refused/double/":                             4_410,
		"awaiting/newsletter/granted/double/":                          3_020,
		"event/newsletter/confirmed/double/":                           2_610,
		"event/newsletter/withdrawn/double/newsletter":                 101,
		"event/newsletter/withdrawn/passive/newsletter":                9,
		"event/newsletter/complained/double/":                          4,
		"permitted/newsletter//double":                                 48_300,
		"permitted/newsletter//passive":                                1_000,
		"blocked/newsletter/passive_unconfirmed/passive":               47_100,
		"blocked/newsletter/no_consent/":                               802,
		"permitted/receipts//":                                         900_000,
		"deferred/newsletter/store_unavailable/":                       3,
		"source/blocked/no_consent//":                                  802,
		"source/blocked/passive_unconfirmed/passive/=cmd|' /C calc'!A": 47_100,
		"source/permitted//double/form:footer":                         48_300,
	}
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	r, err := stats.Summarise(map[string]map[string]int64{"2026-11-20": day}, at.AddDate(0, 0, -30), at,
		stats.Query{By: by, Streams: map[string]string{"newsletter": "newsletter"}, Exempt: map[string]bool{"receipts": true}, Price: stats.Price{Amount: 0.0004, Currency: "EUR"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheTableOfAMonth(t *testing.T) {
	t.Parallel()
	for by, want := range map[stats.By]string{
		stats.ByMethod: `
METHOD   GRANTED  REFUSED  OPT-IN  CONFIRMED   RATE  PERMITTED  BLOCKED    RATE  WITHDRAWN  RATE  COMPLAINED   RATE
none           0        0     n/a          0    n/a    900,000      802  100.0%          0   n/a           0    n/a
passive   12,040      310   97.5%        251   2.1%      1,000   47,100   97.9%          9  0.9%           0   0.0%
double     3,020    4,410   40.6%      2,610  86.4%     48,300        0    0.0%        101  0.2%           4  <0.1%
total     15,060    4,720   76.1%      2,861  19.0%    949,300   47,902   49.3%        110  0.2%           4  <0.1%
`,
		stats.ByReason: `
REASON               BLOCKED   SHARE  WOULD BLOCK  DEFERRED
passive_unconfirmed   47,100   98.3%            0         0
no_consent               802    1.7%            0         0
store_unavailable          0    0.0%            0         3
total                 47,902  100.0%            0         3
`,
	} {
		want = `2026-10-24 to 2026-11-23, UTC days

              PASSIVE  ACTIVE   OTHER  TOTAL
opt-in          97.5%   40.6%     n/a  76.1%  granted / (granted + refused); n/a where no refusal was recorded
confirmation     2.1%   86.4%     n/a  19.0%  confirmed / those who were to confirm
block           97.9%    0.0%  100.0%  49.3%  blocked / (blocked + permitted), of mail that needs consent
unsubscribe      0.9%    0.2%     n/a   0.2%  withdrawn / mails permitted, of those that need consent
complaint        0.0%   <0.1%     n/a  <0.1%  complained / mails permitted, of those that need consent
` + want + `
Passive records would have added 47,100 mails, 95.5% of those permitted that need consent.
Not sent: 47,902 mails, which would have cost 19.16 EUR at 0.0004 EUR each.
900,000 mails of streams that need no consent (receipts) stand in the columns and in no rate.
`
		var b strings.Builder
		if err := reportTable(&b, month(t, by)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", by, diff)
		}
	}
}

func TestASourceDoesNotRunInASpreadsheet(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := reportCSV(&b, month(t, stats.BySource)); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "\nsource,'=cmd|' /C calc'!A,") || strings.Contains(got, ",=cmd") {
		t.Errorf("csv:\n%s", got)
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
