package config

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub/hooks"
)

// Hook is a provider that may report what people did. Its secrets are not read before Config.HookSettings.
type Hook struct {
	Name         string
	Source       hooks.Source // without secrets
	SecretFile   string
	PasswordFile string
}

func (c *Config) readHooks() reader {
	return section(func() fields {
		f := make(fields)
		for name := range hooks.Providers() {
			f[name] = func(v value) {
				h := Hook{Name: name}
				section(h.keys)(v)
				c.Hooks = append(c.Hooks, h)
			}
		}
		return f
	})
}

// keys are those that the provider has a use for.
func (h *Hook) keys() fields {
	s := &h.Source
	f := fields{"purpose": converted(&s.Purpose, hookPurpose), "purposes": hookPurposes(&s.Groups)}
	if hooks.Providers()[h.Name].Subscribes {
		f["method"] = oneOf(&s.Method, hooks.Methods()...)
	}
	switch h.Name {
	case "ses":
		f["topics"] = gather(&s.Topics, hookTopic)
		return f
	case "sendgrid":
		f["public_key"] = converted(&s.PublicKey, hooks.ParsePublicKey)
		return f
	}
	f[h.secretKey()] = text(&h.SecretFile)
	if h.takesPassword() {
		f["username"], f["password_file"] = text(&s.Username), text(&h.PasswordFile)
	}
	if h.Name == "postmark" {
		f["header"] = converted(&s.Header, hookHeader)
	}
	return f
}

// secretKey is what the provider itself calls the secret.
func (h Hook) secretKey() string {
	switch h.Name {
	case "mailgun":
		return "signing_key_file"
	case "brevo":
		return "token_file"
	}
	return "secret_file"
}

func (h Hook) takesPassword() bool {
	return slices.Contains([]string{"postmark", "brevo", "listmonk"}, h.Name)
}

func hookTopic(s string) (string, error) {
	if !hooks.IsTopic(s) {
		return "", errors.New("is no topic: write its ARN, such as arn:aws:sns:eu-west-1:123456789012:feedback")
	}
	return s, nil
}

// hookHeader reads the name of a header field (RFC 9110 section 5.6.2, of which this is a part).
func hookHeader(s string) (string, error) {
	if strings.Trim(s, "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", errors.New("is no name of a header: use letters, digits and hyphens, such as X-Gate-Key")
	}
	return s, nil
}

func hookPurpose(s string) (string, error) {
	if s != gate.AllPurposes && !gate.IsPurpose(s) {
		return "", errors.New(`is no purpose: name one that a stream has, or "*" for every marketing purpose`)
	}
	return s, nil
}

func hookPurposes(dst *map[string]string) reader {
	return func(v value) {
		groups := make(map[string]string)
		named(func(group string, v value) {
			var purpose string
			converted(&purpose, hookPurpose)(v)
			groups[group] = purpose
		})(v)
		*dst = groups
	}
}

// validateHooks: a provider that proves nothing could be anybody, and a purpose that nobody has would lose a no.
func (c *Config) validateHooks(r *report) {
	for _, h := range c.Hooks {
		field := "hooks." + h.Name
		if c.Unsubscribe.PublicURL == "" {
			r.add(field, "needs the public listener, which providers post to: set unsubscribe.public_url")
		}
		h.checkProof(r, field)
		c.checkHookPurpose(r, field+".purpose", h.Source.Purpose)
		for _, group := range slices.Sorted(maps.Keys(h.Source.Groups)) {
			c.checkHookPurpose(r, field+".purposes."+group, h.Source.Groups[group])
		}
	}
}

func (c *Config) checkHookPurpose(r *report, field, purpose string) {
	has := slices.ContainsFunc(c.streams, func(s *gate.Stream) bool { return s.Purpose == purpose })
	if purpose != "" && purpose != gate.AllPurposes && !has {
		r.add(field, "no stream has the purpose %q", purpose)
	}
}

// checkProof reports what is wrong with the way in which the provider proves itself.
func (h Hook) checkProof(r *report, field string) {
	needs := func(key string, have bool, what string) {
		if !have {
			r.add(field+"."+key, "is missing: %s", what)
		}
	}
	basic := h.Source.Username != "" || h.PasswordFile != ""
	switch {
	case h.Name == "ses":
		needs("topics", len(h.Source.Topics) > 0, "name the SNS topics that SES publishes to")
	case h.Name == "sendgrid":
		needs("public_key", h.Source.PublicKey != nil, "SendGrid shows it as Verification Key")
	case h.SecretFile != "" && basic:
		r.add(field, "has two proofs: keep %s, or username and password_file", h.secretKey())
	case basic:
		needs("username", h.Source.Username != "", "it goes with password_file")
		needs("password_file", h.PasswordFile != "", "it goes with username")
	case h.SecretFile == "" && h.takesPassword():
		r.add(field, "proves nothing: set %s, or username and password_file", h.secretKey())
	default:
		needs(h.secretKey(), h.SecretFile != "", "name a file that holds it in one line")
		needs("header", h.Name != "postmark" || h.Source.Header != "", "name the header that carries the secret")
	}
}

// paths are the files of the hook, with the fields that name them.
func (h Hook) paths() [][2]string {
	return [][2]string{
		{"hooks." + h.Name + "." + h.secretKey(), h.SecretFile},
		{"hooks." + h.Name + ".password_file", h.PasswordFile},
	}
}

// HookSettings reads the secrets and returns what each provider has to prove.
func (c *Config) HookSettings() (hooks.Settings, error) {
	out := make(hooks.Settings, len(c.Hooks))
	var errs []error
	for _, h := range c.Hooks {
		s := h.Source
		for i, dst := range []*string{&s.Secret, &s.Password} {
			p := h.paths()[i]
			if p[1] == "" {
				continue
			}
			secret, err := readSecret(p[1])
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p[0], err))
			}
			*dst = secret
		}
		out[h.Name] = s
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, out.Check()
}

func (c *Config) hooksTree() yaml.MapSlice {
	var out yaml.MapSlice
	for _, h := range c.Hooks {
		var purposes yaml.MapSlice
		for _, group := range slices.Sorted(maps.Keys(h.Source.Groups)) {
			purposes = append(purposes, yaml.MapItem{Key: group, Value: h.Source.Groups[group]})
		}
		out = append(out, yaml.MapItem{Key: h.Name, Value: pairs(
			"topics", h.Source.Topics, "public_key", h.publicKey(), "header", h.Source.Header, h.secretKey(), h.SecretFile,
			"username", h.Source.Username, "password_file", h.PasswordFile, "method", string(h.Source.Method),
			"purpose", h.Source.Purpose, "purposes", purposes,
		)})
	}
	return out
}

func (h Hook) publicKey() string {
	if h.Source.PublicKey == nil {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(h.Source.PublicKey)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(der)
}
