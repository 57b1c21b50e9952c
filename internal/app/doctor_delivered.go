package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// deliveredMost is how much of a message is read: what most mailboxes take.
const deliveredMost = 64 << 20

// The fields that make a one-click unsubscription (RFC 8058 section 3.1).
const (
	fieldList = "List-Unsubscribe"
	fieldPost = "List-Unsubscribe-Post"
)

// Delivered looks at a marketing message as it arrived in a mailbox: each field of one-click unsubscription once, ours, and
// both covered by a DKIM signature that holds (RFC 8058 section 4). The error is that of reading it.
func (d *Doctor) Delivered(ctx context.Context, message io.Reader) ([]Finding, error) {
	text, err := io.ReadAll(io.LimitReader(message, deliveredMost))
	if err != nil {
		return nil, err
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		d.fail("message", "save it as it arrived, with its header (\"show original\")", "no message: %v", err)
		return d.found, nil
	}
	d.listField(m.Header[fieldList])
	d.postField(m.Header[fieldPost])
	d.signatures(ctx, text)
	return d.found, nil
}

func (d *Doctor) listField(values []string) {
	links, err := d.links()
	switch {
	case err != nil:
		d.fail(fieldList, "run doctor without --delivered", "%v", err)
	case len(values) == 0:
		d.fail(fieldList, "does the stream ask for it, and did the message pass this gate?", "the message has none")
	case len(values) > 1:
		d.fail(fieldList, "have whatever stands behind the gate add none", "the message has %d: mailboxes show no button", len(values))
	default:
		_, token, err := links.Find(values[0])
		if err != nil {
			d.fail(fieldList, "set existing_header: replace for the stream, or switch off the mailer's own", "its links lead to no page of this gate, so clicks on them are never heard of here: %s", values[0])
			return
		}
		d.ok(fieldList, "is this gate's, for %s", d.streamOf(token))
	}
}

func (d *Doctor) links() (*unsub.Links, error) {
	keys, err := seal.Open(d.Config.DataDir, seal.Options{IDKeyFile: d.Config.IDKeyFile, Addresses: d.Config.StoreAddresses})
	if err != nil {
		return nil, err
	}
	return unsub.NewLinks(unsub.Tokens{Keys: keys}, d.Config.Unsubscribe.PublicURL, d.Config.Inbound.Domain)
}

func (d *Doctor) streamOf(t unsub.Token) string {
	for _, s := range d.Config.Streams() {
		if unsub.StreamCode(s.Name) == t.Stream {
			return "stream " + s.Name
		}
	}
	return "a stream that the config does not name"
}

func (d *Doctor) postField(values []string) {
	switch {
	case len(values) == 0:
		d.fail(fieldPost, "ask for https in the stream's unsubscribe, and set public_url", "the message has none: mailboxes show no one-click button")
	case len(values) > 1 || strings.TrimSpace(values[0]) != "List-Unsubscribe=One-Click":
		d.fail(fieldPost, "have whatever stands behind the gate leave it alone", "is %q", values)
	default:
		d.ok(fieldPost, "%s", strings.TrimSpace(values[0]))
	}
}

// signatures looks for one that covers both fields and holds.
func (d *Doctor) signatures(ctx context.Context, message []byte) {
	const sign = "have the upstream sign List-Unsubscribe and List-Unsubscribe-Post, behind the gate (docs/unsubscribe.md)"
	all, err := dkim.VerifyWithOptions(bytes.NewReader(message), &dkim.VerifyOptions{LookupTXT: d.lookupTXT(ctx), MaxVerifications: 16})
	covering := slices.DeleteFunc(slices.Clone(all), func(v *dkim.Verification) bool { return !covers(v, fieldList) || !covers(v, fieldPost) })
	switch {
	case err != nil && len(all) == 0:
		d.fail("DKIM", sign, "signatures cannot be read: %v", err)
	case len(all) == 0:
		d.fail("DKIM", sign, "the message is not signed")
	case len(covering) == 0:
		d.fail("DKIM", sign, "no signature covers both fields; h= of %s has %s", all[0].Domain, strings.Join(all[0].HeaderKeys, ":"))
	default:
		d.verified(covering)
	}
}

func covers(v *dkim.Verification, field string) bool {
	return slices.ContainsFunc(v.HeaderKeys, func(key string) bool { return strings.EqualFold(strings.TrimSpace(key), field) })
}

func (d *Doctor) verified(covering []*dkim.Verification) {
	var why []string
	unknown := false
	for _, v := range covering {
		if v.Err == nil {
			d.ok("DKIM", "the signature of %s covers both fields and holds", v.Domain)
			return
		}
		why = append(why, fmt.Sprintf("%s: %v", v.Domain, v.Err))
		unknown = unknown || dkim.IsTempFail(v.Err)
	}
	if unknown {
		d.warn("DKIM", "run it where DNS answers", "both fields are covered; whether it holds is not known: %s", strings.Join(why, "; "))
		return
	}
	d.fail("DKIM", "find what changes the message behind the signer, or was the file changed when it was saved?",
		"both fields are covered by no signature that holds: %s", strings.Join(why, "; "))
}

func (d *Doctor) lookupTXT(ctx context.Context) func(string) ([]string, error) {
	if d.LookupTXT != nil {
		return d.LookupTXT
	}
	return func(name string) ([]string, error) { return net.DefaultResolver.LookupTXT(ctx, name) }
}
