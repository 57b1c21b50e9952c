package smtpproxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// credentials checks passwords. bcrypt costs about 70 ms of a core, so it runs on few workers at once, and a password
// that was right is remembered as a keyed hash until the process ends or reloads.
type credentials struct {
	byName  map[string]*credential
	workers chan struct{}
	key     [32]byte
	// absent is compared against where the name is unknown, so that timing tells no names.
	absent []byte

	mu    sync.Mutex
	known map[string][32]byte
}

// bcryptWorkers bounds the cores that sign-ins may take.
const bcryptWorkers = 2

// credential is a Credential with its streams found.
type credential struct {
	Credential
	candidates []*gate.Stream
}

func newCredentials(list []Credential, named func([]string) []*gate.Stream) *credentials {
	c := &credentials{
		byName:  make(map[string]*credential, len(list)),
		workers: make(chan struct{}, bcryptWorkers),
		known:   make(map[string][32]byte),
	}
	_, _ = rand.Read(c.key[:])
	for _, l := range list {
		c.byName[l.Username] = &credential{Credential: l, candidates: named(l.Streams)}
		c.absent = []byte(l.PasswordHash)
	}
	return c
}

// check returns the credential and the stream that "username+stream" names outright, empty for none.
func (c *credentials) check(name, password string) (cred *credential, stream string, ok bool) {
	cred = c.byName[name]
	if cred == nil {
		if i := strings.LastIndexByte(name, '+'); i > 0 {
			cred, stream = c.byName[name[:i]], name[i+1:]
		}
	}
	if cred == nil {
		c.compare(c.absent, password)
		return nil, "", false
	}
	if !c.verify(cred, password) {
		return nil, "", false
	}
	return cred, stream, true
}

func (c *credentials) verify(cred *credential, password string) bool {
	mac := c.mac(cred.Username, password)
	c.mu.Lock()
	known, seen := c.known[cred.Username]
	c.mu.Unlock()
	if seen && hmac.Equal(known[:], mac[:]) {
		return true
	}
	if !c.compare([]byte(cred.PasswordHash), password) {
		return false
	}
	c.mu.Lock()
	c.known[cred.Username] = mac
	c.mu.Unlock()
	return true
}

func (c *credentials) compare(hash []byte, password string) bool {
	c.workers <- struct{}{}
	defer func() { <-c.workers }()
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil
}

func (c *credentials) mac(name, password string) (out [32]byte) {
	m := hmac.New(sha256.New, c.key[:])
	m.Write([]byte(name))
	m.Write([]byte{0})
	m.Write([]byte(password))
	m.Sum(out[:0])
	return out
}

// auth runs one AUTH exchange (RFC 4954) with PLAIN or LOGIN.
func (s *session) auth(arg string) error {
	switch {
	case !s.authOffered() && s.ln.TLS == TLSStartTLS && len(s.set.Credentials) > 0:
		return needStartTLS
	case !s.authOffered():
		return notImplemented
	case s.cred != nil, s.tx != nil:
		return badSequence
	case s.helo == "":
		return needHello
	}
	mechanism, initial, _ := strings.Cut(arg, " ")
	name, password, err := s.authExchange(strings.ToUpper(mechanism), initial)
	if err != nil {
		return err
	}
	cred, stream, ok := s.set.credentials.check(name, password)
	if !ok {
		return s.authRefused()
	}
	if stream != "" && len(only(s.candidatesOf(cred), stream)) == 0 {
		return s.authRefused()
	}
	if !s.srv.credentials.enter(cred.Username, s.set.Limits.CredentialSessions) {
		s.closing = true
		s.srv.opt.Count(gate.Counter{What: gate.CountTurnedAway})
		return tooManyOfCredential
	}
	s.cred, s.outright = cred, stream
	s.conn.Reply(say(235, 2, 7, 0, "Authentication succeeded"))
	return nil
}

// signOut gives back the place among the sessions of the credential.
func (s *session) signOut() {
	if s.cred != nil {
		s.srv.credentials.leave(s.cred.Username)
		s.cred = nil
	}
}

// only returns the candidate of this name alone, nil where there is none.
func only(candidates []*gate.Stream, name string) []*gate.Stream {
	for _, st := range candidates {
		if st.Name == name {
			return []*gate.Stream{st}
		}
	}
	return nil
}

func (s *session) authRefused() error {
	s.authFails++
	s.log.Info("sign-in refused", "client", s.client)
	if s.authFails >= s.set.Limits.AuthFails {
		s.closing = true
		return authTooOften
	}
	return authFailed
}

func (s *session) authExchange(mechanism, initial string) (name, password string, err error) {
	switch mechanism {
	case "PLAIN":
		raw, err := s.authStep(initial, "")
		if err != nil {
			return "", "", err
		}
		// RFC 4616: authzid NUL authcid NUL passwd. Acting for another identity is not offered.
		parts := strings.Split(raw, "\x00")
		if len(parts) != 3 || (parts[0] != "" && parts[0] != parts[1]) {
			return "", "", authFailed
		}
		return parts[1], parts[2], nil
	case "LOGIN":
		if name, err = s.authStep(initial, "Username:"); err != nil {
			return "", "", err
		}
		password, err = s.authStep("", "Password:")
		return name, password, err
	}
	return "", "", authMechanism
}

// authStep returns the decoded initial response, or asks for one with a 334 challenge.
func (s *session) authStep(initial, challenge string) (string, error) {
	text := initial
	if text == "" {
		s.conn.ReplyLines(334, []string{base64.StdEncoding.EncodeToString([]byte(challenge))})
		line, err := s.conn.AuthLine()
		if err != nil {
			return "", unlessSyntax(err)
		}
		text = line
	}
	switch text {
	case "*":
		return "", authCancelled
	case "=":
		return "", nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", errors.Join(syntaxError, err)
	}
	return string(raw), nil
}

// unlessSyntax marks every error but a syntax error as the end of the session.
func unlessSyntax(err error) error {
	if _, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", errGone, err)
}

// authOffered: PLAIN and LOGIN show the password, so they need TLS, or a loopback listener without TLS.
func (s *session) authOffered() bool {
	if len(s.set.Credentials) == 0 {
		return false
	}
	if s.secure() {
		return true
	}
	return s.ln.TLS == TLSNone && s.ip.IsLoopback()
}

// onBlock is what a blocked recipient of the stream hears: the credential's setting, else the listener's, else the
// stream's. Only marketing may be discarded.
func (s *session) onBlock(st *gate.Stream) gate.OnBlock {
	mode := st.OnBlock
	switch {
	case s.cred != nil && s.cred.OnBlock != "":
		mode = s.cred.OnBlock
	case s.ln.OnBlock != "":
		mode = s.ln.OnBlock
	}
	if mode == gate.OnBlockDiscard && st.Kind == gate.KindMarketing {
		return gate.OnBlockDiscard
	}
	return gate.OnBlockReject
}
