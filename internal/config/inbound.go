package config

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
)

const (
	// defaultInbound is where mail that unsubscribes arrives unless the file says otherwise.
	defaultInbound = "127.0.0.1:2526"

	inboundSessions = 200
)

// Inbound is the listener for mail that unsubscribes, and for the reports of feedback loops. It runs where Domain is
// set.
type Inbound struct {
	Listen     string // host:port
	Protocol   Protocol
	Domain     string         // of the addresses in List-Unsubscribe, an A-label in lower case
	Complaints string         // canonical address of the feedback loops; empty: none
	Networks   []netip.Prefix // who may connect; empty: everybody who can
	TLS        TLSMode        // TLSNone or TLSStartTLS
	Sessions   int            // at once
}

func (in *Inbound) read() reader {
	return section(func() fields {
		return fields{
			"listen":     text(&in.Listen),
			"protocol":   oneOf(&in.Protocol, LMTP, SMTP),
			"domain":     converted(&in.Domain, parseMailDomain),
			"complaints": converted(&in.Complaints, parseMailbox),
			"networks":   gather(&in.Networks, parseNetwork),
			"tls":        oneOf(&in.TLS, TLSNone, TLSStartTLS),
			"sessions":   number(&in.Sessions, 2, 100_000),
		}
	})
}

// parseMailDomain reads a domain that can stand behind the @, and writes it as A-labels.
func parseMailDomain(s string) (string, error) {
	a, err := gate.ParseAddress("u@" + s)
	if err != nil || strings.HasPrefix(s, "[") {
		return "", errors.New("is no domain of mail: write for example u.example.com")
	}
	return a.Domain(), nil
}

func parseMailbox(s string) (string, error) {
	a, err := gate.ParseAddress(s)
	if err != nil {
		return "", errors.New("is no address: write for example fbl@u.example.com")
	}
	return a.Canonical(), nil
}

// complete fills what follows from the rest; mail to our links arrives at our own listener unless another gate has it.
func (in *Inbound) complete(c *Config) {
	if c.Unsubscribe.MailtoDomain == "" {
		c.Unsubscribe.MailtoDomain = in.Domain
	}
	if in.Listen == "" && in.Domain != "" {
		in.Listen = defaultInbound
	}
	if in.Protocol == "" {
		in.Protocol = LMTP
	}
	if in.TLS == "" {
		in.TLS = TLSNone
		if !onLoopback(in.Listen) && c.TLS.Certificate != "" {
			in.TLS = TLSStartTLS
		}
	}
}

func (in *Inbound) validate(c *Config, r *report) {
	if in.Domain == "" {
		if (in.Listen != "" || in.Complaints != "") && !r.unread["inbound.domain"] {
			r.add("inbound", "has no domain: name the one of the addresses that unsubscribe, such as domain: u.example.com")
		}
		return
	}
	if c.Unsubscribe.MailtoDomain != in.Domain {
		r.add("unsubscribe.mailto_domain", "%s is not the domain that inbound takes mail for (%s): remove this key",
			c.Unsubscribe.MailtoDomain, in.Domain)
	}
	if in.TLS == TLSStartTLS && c.TLS.Certificate == "" && !r.unread["tls.certificate"] {
		r.add("inbound.tls", "starttls needs a certificate: set tls.certificate and tls.key, or tls: none here")
	}
	in.validateListen(c, r)
}

func (in *Inbound) validateListen(c *Config, r *report) {
	if err := checkHostPort(in.Listen); err != nil {
		r.add("inbound.listen", "%v", err)
		return
	}
	if in.Protocol == LMTP && !onLoopback(in.Listen) && len(in.Networks) == 0 &&
		!r.unread["inbound.networks"] && !r.unread["inbound.protocol"] {
		r.add("inbound", "%s is open to other machines, which LMTP is not made for: name your own mail server in networks, "+
			"or use protocol: smtp", in.Listen)
	}
	if in.Protocol == LMTP {
		checkWidth(r, "inbound.networks", in.Networks, "which LMTP is not made for: name your own mail server")
	}
	if !strings.HasSuffix(in.Listen, ":0") && c.taken(in.Listen) {
		r.add("inbound.listen", "%s is taken by another listener: use another port", in.Listen)
	}
}

// taken reports whether one of the other listeners has the address.
func (c *Config) taken(address string) bool {
	return c.isOurs(address) || c.Unsubscribe.PublicURL != "" && sameSocket(c.Unsubscribe.Listen, address) ||
		c.Admin.Listen != "" && sameSocket(c.Admin.Listen, address)
}

func (in Inbound) tree() yaml.MapSlice {
	if in.Domain == "" {
		return nil
	}
	return pairs("listen", in.Listen, "protocol", string(in.Protocol), "domain", in.Domain, "complaints", in.Complaints,
		"networks", texted(in.Networks, netip.Prefix.String), "tls", string(in.TLS), "sessions", in.Sessions)
}
