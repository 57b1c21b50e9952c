package config

import (
	"maps"
	"slices"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func keys(f fields) []string { return slices.Sorted(maps.Keys(f)) }

// read returns the reader of the whole file. One line here is one key of docs/configuration.md.
func (c *Config) read() reader {
	return section(func() fields {
		return fields{
			"data_dir":             text(&c.DataDir),
			"store":                text(&c.Store),
			"store_file":           text(&c.storeFile),
			"hostname":             text(&c.Hostname),
			"mode":                 oneOf(&c.Mode, Modes()...),
			"jurisdictions":        texts(&c.Jurisdictions),
			"default_jurisdiction": text(&c.DefaultJurisdiction),
			"policies":             c.Policies.read(),
			"default_stream":       text(&c.DefaultStream),
			"bare_lines":           oneOf(&c.BareLines, "reject", "normalise"),
			"id_key_file":          text(&c.IDKeyFile),
			"store_addresses":      oneOf(&c.StoreAddresses, "encrypted", "plain", "none"),
			"store_checks":         oneOf(&c.StoreChecks, "strict", "warn"),
			"tls":                  c.TLS.read(),
			"listeners":            entries(&c.Listeners, (*Listener).read),
			"credentials":          entries(&c.Credentials, (*Credential).read),
			"upstreams":            entries(&c.Upstreams, (*Upstream).read),
			"streams":              c.readStreams(),
			"unsubscribe":          c.Unsubscribe.read(),
			"brands":               readBrands(&c.Brands),
			"confirmation":         c.Confirmation.read(),
			"forms":                readForms(&c.Forms),
			"log":                  c.Log.read(),
			"replies":              section(func() fields { return fields{"detail": oneOf(&c.Replies.Detail, "full", "minimal")} }),
			"limits":               c.Limits.read(),
			"timeouts":             c.Timeouts.read(),
			"hooks":                c.readHooks(),
			"admin":                c.Admin.read(),
			"inbound":              c.Inbound.read(),
			"retention":            c.Retention.read(),
		}
	})
}

// entries reads a list of sections; what stands in the file replaces the default.
func entries[T any](dst *[]T, read func(*T) reader) reader {
	return func(v value) {
		var out []T
		sequence(func(_ int, entry value) {
			var one T
			read(&one)(entry)
			out = append(out, one)
		})(v)
		if out != nil {
			*dst = out
		}
	}
}

func (t *TLS) read() reader {
	return section(func() fields {
		return fields{"certificate": text(&t.Certificate), "key": text(&t.Key)}
	})
}

func (l *Listener) read() reader {
	return section(func() fields {
		return fields{
			"address":        text(&l.Address),
			"tls":            oneOf(&l.TLS, TLSNone, TLSStartTLS, TLSImplicit),
			"require_auth":   boolean(&l.RequireAuth),
			"networks":       gather(&l.Networks, parseNetwork),
			"streams":        texts(&l.Streams),
			"senders":        texts(&l.Senders),
			"on_block":       onBlock(&l.OnBlock),
			"client":         client(&l.Client),
			"proxy_protocol": gather(&l.Proxies, parseNetwork),
			"protocol":       oneOf(&l.Protocol, SMTP, LMTP),
		}
	})
}

func (c *Credential) read() reader {
	return section(func() fields {
		return fields{
			"username":      text(&c.Username),
			"password_hash": text(&c.PasswordHash),
			"streams":       texts(&c.Streams),
			"senders":       texts(&c.Senders),
			"client":        client(&c.Client),
		}
	})
}

func client(dst *string) reader {
	return oneOf(dst, slices.Sorted(maps.Keys(clientPresets()))...)
}

// Modes are the values of mode.
func Modes() []gate.Mode { return []gate.Mode{gate.ModeEnforce, gate.ModeObserve} }

// OnBlocks are the values of on_block.
func OnBlocks() []gate.OnBlock { return []gate.OnBlock{gate.OnBlockReject, gate.OnBlockDiscard} }

func onBlock(dst *gate.OnBlock) reader { return oneOf(dst, OnBlocks()...) }

func (u *Upstream) read() reader {
	return section(func() fields {
		return fields{
			"address":       text(&u.Address),
			"tls":           oneOf(&u.TLS, upstream.None, upstream.StartTLS, upstream.Implicit, upstream.Opportunistic),
			"username":      text(&u.Username),
			"password_file": text(&u.PasswordFile),
			"cost_per_mail": converted(&u.CostPerMail, ParsePrice),
		}
	})
}

func (u *Unsubscribe) read() reader {
	return section(func() fields {
		return fields{
			"listen":          text(&u.Listen),
			"public_url":      converted(&u.PublicURL, parsePublicURL),
			"trusted_proxies": gather(&u.Proxies, parseNetwork),
			"connections":     number(&u.Connections, 16, 1_000_000),
			"mailto_domain":   converted(&u.MailtoDomain, parseMailDomain),
			"existing_header": existingHeader(&u.Existing),
			"on_signed":       onSigned(&u.OnSigned),
			"self_test":       oneOf(&u.SelfTest, "on", "off"),
			"brand":           u.Brand.read(),
			"purposes":        readPurposes(&u.Purposes),
		}
	})
}

func existingHeader(dst *gate.ExistingHeader) reader {
	return oneOf(dst, gate.ExistingKeep, gate.ExistingReplace)
}

func onSigned(dst *gate.OnSigned) reader {
	return oneOf(dst, gate.SignedLeave, gate.SignedRefuse)
}

func (l *Log) read() reader {
	return section(func() fields {
		return fields{
			"addresses": oneOf(&l.Addresses, "masked", "full", "hashed"),
			"permits":   boolean(&l.Permits),
			"retention": period(&l.retention),
			"entries":   number(&l.Entries, 1000, 1_000_000_000),
		}
	})
}

func (c *Config) readStreams() reader {
	return func(v value) {
		c.streams = nil
		named(func(name string, v value) {
			st := &gate.Stream{Name: name}
			readStream(st)(v)
			c.streams = append(c.streams, st)
		})(v)
	}
}

func readStream(st *gate.Stream) reader {
	return section(func() fields {
		return fields{
			"kind":            oneOf(&st.Kind, gate.KindMarketing, gate.KindTransactional, gate.KindService, gate.KindConfirmation),
			"purpose":         text(&st.Purpose),
			"match":           section(func() fields { return fields{"mail_from": texts(&st.Match)} }),
			"unsubscribe":     gather(&st.Unsubscribe, parseUnsubscribe),
			"jurisdiction":    text(&st.Jurisdiction),
			"audience":        oneOf(&st.Audience, "b2b", "b2c"),
			"list_id":         text(&st.ListID),
			"feedback_id":     text(&st.FeedbackID),
			"existing_header": existingHeader(&st.Existing),
			"on_signed":       onSigned(&st.OnSigned),
			"on_block":        onBlock(&st.OnBlock),
			"mode":            oneOf(&st.Mode, Modes()...),
			"evidence":        flag(&st.Evidence, "required"),
			"request":         flag(&st.ByMail, "by_mail"),
		}
	})
}

// flag reads a key whose one word turns something on.
func flag(dst *bool, word string) reader {
	return converted(dst, func(s string) (bool, error) {
		_, err := choose(s, []string{word})
		return err == nil, err
	})
}

func parseUnsubscribe(s string) (string, error) { return choose(s, []string{"https", "mailto"}) }
