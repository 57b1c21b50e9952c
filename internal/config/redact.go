package config

import (
	"net/netip"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
)

// Redacted is the settings in force as a config file, secrets replaced.
func (c *Config) Redacted() ([]byte, error) {
	return yaml.MarshalWithOptions(c.tree(), yaml.IndentSequence(true))
}

// tree writes only what is set; its order is that of docs/configuration.md.
func (c *Config) tree() yaml.MapSlice {
	return pairs(
		"data_dir", c.DataDir,
		"store", RedactURL(c.Store),
		"hostname", c.Hostname,
		"mode", string(c.Mode),
		"jurisdictions", c.Jurisdictions,
		"default_jurisdiction", c.DefaultJurisdiction,
		"policies", c.Policies.tree(),
		"default_stream", c.DefaultStream,
		"bare_lines", c.BareLines,
		"id_key_file", c.IDKeyFile,
		"store_addresses", c.StoreAddresses,
		"store_checks", c.StoreChecks,
		"tls", pairs("certificate", c.TLS.Certificate, "key", c.TLS.Key),
		"listeners", each(c.Listeners, Listener.tree),
		"credentials", each(c.Credentials, Credential.tree),
		"upstreams", each(c.Upstreams, Upstream.tree),
		"streams", c.streamTree(),
		"unsubscribe", c.Unsubscribe.tree(),
		"brands", brandsTree(c.Brands),
		"confirmation", c.Confirmation.tree(),
		"forms", formsTree(c.Forms),
		"inbound", c.Inbound.tree(),
		"hooks", c.hooksTree(),
		"admin", c.Admin.tree(),
		"log", pairs("addresses", c.Log.Addresses, "permits", c.Log.Permits, "entries", c.Log.Entries),
		"retention", c.Retention.tree(),
		"replies", pairs("detail", c.Replies.Detail),
		"limits", c.Limits.tree(),
		"timeouts", c.Timeouts.tree(),
	)
}

func (l Listener) tree() yaml.MapSlice {
	return pairs("address", l.Address, "tls", string(l.TLS), "require_auth", l.RequireAuth,
		"networks", texted(l.Networks, netip.Prefix.String),
		"proxy_protocol", texted(l.Proxies, netip.Prefix.String), "streams", l.Streams, "senders", l.Senders,
		"on_block", string(l.OnBlock), "client", l.Client)
}

func (c Credential) tree() yaml.MapSlice {
	return pairs("username", c.Username, "password_hash", redacted, "streams", c.Streams, "senders", c.Senders,
		"client", c.Client)
}

func (u Upstream) tree() yaml.MapSlice {
	return pairs("address", u.Address, "tls", string(u.TLS), "username", u.Username, "password_file", u.PasswordFile,
		"cost_per_mail", u.CostPerMail.String())
}

func (u Unsubscribe) tree() yaml.MapSlice {
	return pairs("listen", u.Listen, "public_url", u.PublicURL, "trusted_proxies", texted(u.Proxies, netip.Prefix.String),
		"connections", u.Connections, "mailto_domain", u.MailtoDomain, "existing_header", string(u.Existing),
		"on_signed", string(u.OnSigned), "self_test", u.SelfTest, "brand", u.Brand.tree(), "purposes", purposesTree(u.Purposes))
}

func (c *Config) streamTree() yaml.MapSlice {
	var out yaml.MapSlice
	for _, s := range c.streams {
		out = append(out, yaml.MapItem{Key: s.Name, Value: streamTree(s)})
	}
	return out
}

func streamTree(s *gate.Stream) yaml.MapSlice {
	evidence, request := "", ""
	if s.Evidence {
		evidence = "required"
	}
	if s.ByMail {
		request = "by_mail"
	}
	return pairs("kind", string(s.Kind), "purpose", s.Purpose, "match", pairs("mail_from", s.Match),
		"unsubscribe", s.Unsubscribe, "jurisdiction", s.Jurisdiction, "audience", s.Audience, "list_id", s.ListID,
		"feedback_id", s.FeedbackID, "existing_header", string(s.Existing), "on_signed", string(s.OnSigned),
		"on_block", string(s.OnBlock), "mode", string(s.Mode), "evidence", evidence, "request", request)
}

// pairs makes a mapping of keys and values in turn, without empty texts, lists and mappings.
func pairs(keysAndValues ...any) yaml.MapSlice {
	var out yaml.MapSlice
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		if !unset(keysAndValues[i+1]) {
			out = append(out, yaml.MapItem{Key: keysAndValues[i], Value: keysAndValues[i+1]})
		}
	}
	return out
}

func unset(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case []yaml.MapSlice:
		return len(v) == 0
	case yaml.MapSlice:
		return len(v) == 0
	}
	return false
}

func each[T any](list []T, tree func(T) yaml.MapSlice) []yaml.MapSlice {
	out := make([]yaml.MapSlice, len(list))
	for i, v := range list {
		out[i] = tree(v)
	}
	return out
}

func texted[T any](list []T, text func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = text(v)
	}
	return out
}
