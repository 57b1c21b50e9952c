package smtpproxy

import (
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// ErrNeedsRestart: a reload would change what is bound to a socket.
var ErrNeedsRestart = errors.New("needs a restart")

// settings are Settings with what sessions look up in them. They never change; a reload makes new ones.
type settings struct {
	Settings
	streams     map[string]*gate.Stream
	credentials *credentials
	listeners   []*rules
}

// rules are a listener's, with its streams found.
type rules struct {
	Listener
	candidates []*gate.Stream
}

func compile(o Settings) *settings {
	set := &settings{Settings: o, streams: make(map[string]*gate.Stream, len(o.Streams))}
	for _, st := range o.Streams {
		set.streams[st.Name] = st
	}
	set.credentials = newCredentials(o.Credentials, o.Limits.SignIns, set.named)
	for _, l := range o.Listeners {
		set.listeners = append(set.listeners, &rules{Listener: l, candidates: set.named(l.Streams)})
	}
	return set
}

// named returns the streams of these names; no names means all.
func (set *settings) named(names []string) []*gate.Stream {
	if len(names) == 0 {
		return set.Streams
	}
	out := make([]*gate.Stream, 0, len(names))
	for _, n := range names {
		if st, ok := set.streams[n]; ok {
			out = append(out, st)
		}
	}
	return out
}

// Reload puts new settings in force: for every session from its next transaction on, for new ones at once. No session
// is dropped. It is ErrNeedsRestart, and changes nothing, where the listeners are not those that are bound.
func (s *Server) Reload(o Settings) error {
	old := s.settings.Load()
	if len(o.Listeners) != len(old.Listeners) {
		return fmt.Errorf("listeners were added or removed: %w", ErrNeedsRestart)
	}
	for i, l := range o.Listeners {
		was := old.Listeners[i]
		if l.Address != was.Address || l.TLS != was.TLS || l.LMTP != was.LMTP {
			return fmt.Errorf("listener %s has another address, tls or protocol: %w", was.Address, ErrNeedsRestart)
		}
	}
	s.settings.Store(compile(o))
	return nil
}
