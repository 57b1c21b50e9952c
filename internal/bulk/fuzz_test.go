package bulk_test

import (
	"testing"

	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/bulk"
)

// FuzzImport reads any text as each kind of file. Whatever it holds: the counts add up, importing it again changes
// nothing, and no row permits more than a file may.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		"email\nann@example.com\n",
		"email;time;type\r\nann@example.com;2024-01-01;withdrawn\r\n",
		"\xef\xbb\xbfemail,note\nann@example.com,\"a \"\"b\"\"\nc\"\nbob@example.com,\"open\n",
		"Email Address,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP\nann@example.com,2024-01-01 10:00:00,192.0.2.1,2024-01-01 10:01:00,192.0.2.1\n",
		"EMAIL;DOUBLE_OPT-IN;BLACKLISTED\nann@example.com;Yes;\nbob@example.com;;1\n",
		"email,status,subscription_status,optin\nann@example.com,enabled,confirmed,double\n",
		`{"id":"e1","recipient":"ann@example.com","purpose":"newsletter","type":"granted","method":"passive","time":"2024-01-01T00:00:00Z"}`,
		`{"mail":"ann@example.com","on":"2024-01-01"}`,
		"=cmd|'/c calc'!A1,x\n", "email\n\"\n\"\n\n,\n",
	} {
		for kind := range uint8(6) {
			f.Add(kind, seed)
		}
	}
	s := newSite(f)
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		r := csv()
		switch kind % 6 {
		case 1, 2, 3:
			r.Preset = bulk.Presets()[kind%6-1]
		case 4:
			r.Format = bulk.FormatJSONL
		case 5:
			r.Format, r.Columns = bulk.FormatJSONL, map[string]string{"recipient": "mail", "time": "on"}
		}
		s := &site{t: t, store: gatetest.NewStore(), keys: s.keys, policy: s.policy, streams: s.streams}
		first := s.text(r, text)
		if first.err != nil {
			return
		}
		again := s.text(r, text)
		if again.err != nil || again.Imported != 0 || again.Rejected != first.Rejected {
			t.Errorf("first %+v, again %+v, error %v", first.Counts, again.Counts, again.err)
		}
	})
}
