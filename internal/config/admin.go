package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

// defaultAdmin is where the private listener is unless the file says otherwise.
const defaultAdmin = "127.0.0.1:8026"

// Admin is the private listener. It runs where Listen is set.
type Admin struct {
	Listen  string        // host:port; defaultAdmin where there are tokens
	TLS     TLSMode       // TLSNone or TLSImplicit
	Metrics MetricsAccess // who may read /metrics
	Tokens  []admin.Token
}

// MetricsAccess is who may read the metrics.
type MetricsAccess string

// The kinds of access: whoever may connect, or holders of a token.
const (
	MetricsOpen  MetricsAccess = "open"
	MetricsToken MetricsAccess = "token"
)

func (a *Admin) read() reader {
	return section(func() fields {
		return fields{
			"listen":  text(&a.Listen),
			"tls":     oneOf(&a.TLS, TLSNone, TLSImplicit),
			"metrics": oneOf(&a.Metrics, MetricsOpen, MetricsToken),
			"tokens":  entries(&a.Tokens, readToken),
		}
	})
}

func readToken(t *admin.Token) reader {
	return section(func() fields {
		return fields{
			"name": text(&t.Name),
			"hash": tokenHash(&t.Hash),
			"role": converted(&t.Role, admin.ParseRole),
		}
	})
}

// tokenHash never repeats what it reads: it may be the token itself, by mistake.
func tokenHash(dst *admin.Hash) reader {
	return func(v value) {
		s, ok := v.word()
		if !ok {
			return
		}
		got, err := admin.ParseHash(s)
		if err != nil {
			v.problem("%v", err)
			return
		}
		*dst = got
	}
}

func (a *Admin) complete(c *Config) {
	if a.Listen == "" && len(a.Tokens) > 0 {
		a.Listen = defaultAdmin
	}
	local := onLoopback(a.Listen)
	switch {
	case a.TLS == "" && local:
		a.TLS = TLSNone
	case a.TLS == "":
		a.TLS = TLSImplicit
	case a.TLS == TLSNone && !local && a.Listen != "":
		c.warn("admin.listen %s: tokens and answers cross the network in the clear: use tls: implicit", a.Listen)
	}
	switch {
	case a.Metrics == "" && local:
		a.Metrics = MetricsOpen
	case a.Metrics == "":
		a.Metrics = MetricsToken
	}
}

func (a *Admin) validate(c *Config, r *report) {
	if a.Listen == "" {
		return
	}
	if err := checkHostPort(a.Listen); err != nil {
		r.add("admin.listen", "%v", err)
		return // what follows from the address is unknown
	}
	if a.TLS == TLSImplicit && c.TLS.Certificate == "" {
		r.add("admin.tls", "a listener that other machines reach needs a certificate: set tls.certificate and tls.key, "+
			"or listen on 127.0.0.1; tls: none is for a network that nobody else is on")
	}
	if !strings.HasSuffix(a.Listen, ":0") && (c.isOurs(a.Listen) || c.Unsubscribe.PublicURL != "" && sameSocket(c.Unsubscribe.Listen, a.Listen)) {
		r.add("admin.listen", "%s is taken by another listener: use another port", a.Listen)
	}
	a.validateTokens(r)
}

func (a *Admin) validateTokens(r *report) {
	byName, byHash := make(map[string]int), make(map[admin.Hash]int)
	for i, t := range a.Tokens {
		field := fmt.Sprintf("admin.tokens[%d]", i)
		named, nameTwice := byName[t.Name]
		hashed, hashTwice := byHash[t.Hash]
		switch {
		case t.Name == "":
			r.add(field+".name", "is missing: name the holder")
		case !gate.IsPurpose(t.Name):
			r.add(field+".name", "%q is no name: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", t.Name)
		case nameTwice:
			r.add(field+".name", "%s is taken by admin.tokens[%d]: use another name", t.Name, named)
		}
		switch {
		case t.Hash == admin.Hash{}:
			r.add(field+".hash", "is missing: make a token with consentgate token new")
		case hashTwice:
			r.add(field+".hash", "is that of admin.tokens[%d]: make a token for each holder", hashed)
		}
		if t.Role == "" {
			r.add(field+".role", "is missing: use ingest, viewer, operator or dpo")
		}
		byName[t.Name], byHash[t.Hash] = i, i
	}
}

func (a Admin) tree() yaml.MapSlice {
	if a.Listen == "" {
		return nil
	}
	return pairs("listen", a.Listen, "tls", string(a.TLS), "metrics", string(a.Metrics), "tokens", each(a.Tokens, tokenTree))
}

func tokenTree(t admin.Token) yaml.MapSlice {
	return pairs("name", t.Name, "hash", redacted, "role", string(t.Role))
}
