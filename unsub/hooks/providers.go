package hooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/consentgate/consentgate/gate"
)

// Provider says what a provider can do.
type Provider struct {
	SecretInURL bool // it proves itself by nothing but the end of the URL
	Subscribes  bool // it reports subscriptions, so that Source.Method means something
}

// provider is a Provider and its code.
type provider struct {
	Provider
	// open makes the reading for a source; the error says what the source lacks.
	open func(s Source, m memory) (reading, error)
}

// providers are all that the gate understands. One line here is one row of docs/unsubscribe.md.
func providers() map[string]provider {
	return map[string]provider{
		"ses":       {Provider{}, openSES},
		"sendgrid":  {Provider{Subscribes: true}, openSendGrid},
		"postmark":  {Provider{}, openPostmark},
		"mailgun":   {Provider{}, openMailgun},
		"brevo":     {Provider{Subscribes: true}, openBrevo},
		"mailchimp": {Provider{SecretInURL: true, Subscribes: true}, openMailchimp},
		"mautic":    {Provider{Subscribes: true}, openMautic},
		"listmonk":  {Provider{Subscribes: true}, openListmonk},
	}
}

// Providers lists the names, and what each can do.
func Providers() map[string]Provider {
	out := make(map[string]Provider)
	for name, p := range providers() {
		out[name] = p.Provider
	}
	return out
}

// Methods are what a subscription may count as. A list manager says that somebody subscribed and shows nothing of the
// box, the wording or the confirmation; so none of the three permits mail before the person confirms.
func Methods() []gate.Method {
	return []gate.Method{gate.MethodImported, gate.MethodPassive, gate.MethodDouble}
}

// entrances opens every source.
func (s Settings) entrances(m memory) (map[string]entrance, error) {
	out := make(map[string]entrance, len(s))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s)) {
		in, err := open(name, s[name], m)
		if err != nil {
			errs = append(errs, fmt.Errorf("hooks.%s: %w", name, err))
			continue
		}
		out[name] = in
	}
	return out, errors.Join(errs...)
}

func open(name string, s Source, m memory) (entrance, error) {
	p, ok := providers()[name]
	if !ok {
		return entrance{}, errors.New("no such provider is known")
	}
	if s.Method != "" && (!p.Subscribes || !slices.Contains(Methods(), s.Method)) {
		return entrance{}, fmt.Errorf("method %s proves more than this provider can: use imported, passive or double", s.Method)
	}
	read, err := p.open(s, m)
	if err == nil {
		err = s.checkLengths()
	}
	return entrance{source: s, read: read, secretInURL: p.SecretInURL}, err
}

var errNoSecret = errors.New("no secret: without one anybody could report anything")

// minSecret is how long a secret or password has to be, in characters: nobody guesses sixteen hexadecimal digits over the
// network. Those that go by a URL have minURLSecret.
const minSecret = 16

// checkLengths refuses what could be guessed.
func (s Source) checkLengths() error {
	for what, text := range map[string]string{"secret": s.Secret, "password": s.Password} {
		if n := utf8.RuneCountInString(text); n > 0 && n < minSecret {
			return fmt.Errorf("the %s has %d characters and needs %d or more: try openssl rand -hex 20", what, n, minSecret)
		}
	}
	return nil
}

// needCredentials is for providers that check by Source.checkCredentials.
func (s Source) needCredentials() error {
	if s.Secret == "" && (s.Username == "" || s.Password == "") {
		return errNoSecret
	}
	return nil
}
