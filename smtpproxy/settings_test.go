package smtpproxy_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
)

// running is a world with the options that its server was made of, to be changed and reloaded.
func running(t *testing.T, changes ...build) (*world, *smtpproxy.Settings) {
	t.Helper()
	var set smtpproxy.Settings
	w := start(t, append(changes, func(_ *world, o *smtpproxy.Options) { set = o.Settings })...)
	return w, &set
}

func TestAReloadCountsFromTheNextTransactionAndDropsNobody(t *testing.T) {
	t.Parallel()
	w, set := running(t)
	c := dial(w)
	c.Play("C: MAIL FROM:<news@example.com>\nS: 250\n")
	set.Streams = []*gate.Stream{{Name: "receipts", Kind: gate.KindTransactional, Purpose: "orders", Match: []string{"news@example.com"}}}
	set.DefaultStream = ""
	if err := w.server.Reload(*set); err != nil {
		t.Fatal(err)
	}
	c.Play("C: RCPT TO:<none@example.net>\nS: 550 5.7.1\nC: RSET\nS: 250\n" +
		"C: MAIL FROM:<other@example.com>\nS: 550 5.7.1 Sender blocked by consent policy (stream_not_allowed)\n" +
		message("news@example.com", "250", "none"))
}

func TestAReloadSignsOutACredentialThatIsGone(t *testing.T) {
	t.Parallel()
	w, set := running(t, withCredential)
	c := dial(w)
	c.Play("C: AUTH PLAIN AGNybQBzZWNyZXQ=\nS: 235\nC: MAIL FROM:<news@example.com>\nS: 250\nC: RSET\nS: 250\n")
	set.Credentials = nil
	if err := w.server.Reload(*set); err != nil {
		t.Fatal(err)
	}
	c.Play("C: MAIL FROM:<news@example.com>\nS: 554 5.7.1 Not allowed to relay\n")
}

func TestAReloadSignsOutACredentialWithAnotherPassword(t *testing.T) {
	t.Parallel()
	w, set := running(t, withCredential)
	c := dial(w)
	c.Play("C: AUTH PLAIN AGNybQBzZWNyZXQ=\nS: 235\n")
	set.Credentials = slices.Clone(set.Credentials)
	set.Credentials[0].PasswordHash = "another"
	if err := w.server.Reload(*set); err != nil {
		t.Fatal(err)
	}
	c.Play("C: MAIL FROM:<news@example.com>\nS: 530 5.7.0\n")
}

func TestTheStreamThatASignInNamedEndsWithIt(t *testing.T) {
	t.Parallel()
	w, set := running(t, withCredential, func(_ *world, o *smtpproxy.Options) {
		o.Listeners[0].RequireAuth = false
		o.Credentials[0].Streams = []string{"receipts", "news"}
	})
	c := dial(w)
	c.Play("C: AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00crm+receipts\x00secret")) + "\nS: 235\n")
	set.Credentials = nil
	if err := w.server.Reload(*set); err != nil {
		t.Fatal(err)
	}
	c.Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<withdrawn@example.net>\nS: 550 5.7.1\n")
}

func TestAReloadThatWouldMoveAListenerChangesNothing(t *testing.T) {
	t.Parallel()
	w, set := running(t)
	set.Streams, set.DefaultStream = nil, ""
	for name, listeners := range map[string][]smtpproxy.Listener{
		"another address":  {{Address: "127.0.0.1:2525", TLS: smtpproxy.TLSNone}},
		"another protocol": {{Address: "127.0.0.1:0", TLS: smtpproxy.TLSNone, LMTP: true}},
		"one more":         {{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0"}},
	} {
		set.Listeners = listeners
		if err := w.server.Reload(*set); !errors.Is(err, smtpproxy.ErrNeedsRestart) {
			t.Errorf("%s: %v, want ErrNeedsRestart", name, err)
		}
	}
	w.play(message("news@example.com", "250", "active"))
}

func TestAReloadChangesTheLimitsOfOpenSessions(t *testing.T) {
	t.Parallel()
	w, set := running(t)
	c := dial(w)
	for _, tt := range []struct {
		limit int64
		reply string
	}{{900, "250"}, {20, "552 5.3.4"}, {900, "250"}} {
		set.Limits.Wire.Message = tt.limit
		w.reload(*set)
		c.Play(message("news@example.com", tt.reply, "active"))
	}
}
