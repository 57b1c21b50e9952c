package smtpproxy

import (
	"cmp"
	"context"
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
	present chan struct{} // a place for each sign-in that is checked or waits for that
	workers chan struct{}
	key     [32]byte
	// absent is compared against where the name is unknown, so that timing tells no names.
	absent []byte

	mu    sync.Mutex
	known map[string][32]byte
	met   map[payer]struct{} // credentials, with the networks that they signed in from
}

// bcryptWorkers bounds the cores that sign-ins may take.
const bcryptWorkers = 2

// credential is a Credential with its streams found.
type credential struct {
	Credential
	candidates []*gate.Stream
}

func newCredentials(list []Credential, signIns int, named func([]string) []*gate.Stream) *credentials {
	c := &credentials{
		byName:  make(map[string]*credential, len(list)),
		present: make(chan struct{}, signIns),
		workers: make(chan struct{}, bcryptWorkers),
		known:   make(map[string][32]byte),
		met:     make(map[payer]struct{}),
	}
	_, _ = rand.Read(c.key[:])
	for _, l := range list {
		c.byName[l.Username] = &credential{Credential: l, candidates: named(l.Streams)}
		c.absent = []byte(l.PasswordHash)
	}
	return c
}

// find returns the credential of a name, nil for none, and the stream that "username+stream" names outright.
func (c *credentials) find(name string) (cred *credential, stream string) {
	if cred = c.byName[name]; cred != nil {
		return cred, ""
	}
	if i := strings.LastIndexByte(name, '+'); i > 0 {
		return c.byName[name[:i]], name[i+1:]
	}
	return nil, ""
}

// check returns what find does, once the password is known to be right. Its errors are authFailed, authBusy, and errGone
// where ctx ended first.
func (c *credentials) check(ctx context.Context, name, password string) (cred *credential, stream string, err error) {
	cred, stream = c.find(name)
	if cred == nil {
		return nil, "", cmp.Or(c.compare(ctx, c.absent, password), error(authFailed))
	}
	if err := c.verify(ctx, cred, password); err != nil {
		return nil, "", err
	}
	return cred, stream, nil
}

func (c *credentials) verify(ctx context.Context, cred *credential, password string) error {
	mac := c.mac(cred.Username, password)
	c.mu.Lock()
	known, seen := c.known[cred.Username]
	c.mu.Unlock()
	if seen && hmac.Equal(known[:], mac[:]) {
		return nil
	}
	if err := c.compare(ctx, []byte(cred.PasswordHash), password); err != nil {
		return err
	}
	c.mu.Lock()
	c.known[cred.Username] = mac
	c.mu.Unlock()
	return nil
}

// compare waits for a worker, where not too many do that already.
func (c *credentials) compare(ctx context.Context, hash []byte, password string) error {
	select {
	case c.present <- struct{}{}:
	default:
		return authBusy
	}
	defer func() { <-c.present }()
	if err := c.work(ctx); err != nil {
		return err
	}
	defer func() { <-c.workers }()
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return authFailed
	}
	return nil
}

// work takes a worker. It looks at ctx first: where both are ready, select would choose by chance.
func (c *credentials) work(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case c.workers <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("%w: %w", errGone, context.Cause(ctx))
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
func (s *session) auth(ctx context.Context, arg string) error {
	if err := s.mayAuth(); err != nil {
		return err
	}
	name, password, err := s.authExchange(arg)
	who := s.guesser(name)
	if err == nil {
		err = s.takeTurn(ctx, who)
	}
	if err == nil {
		err = s.signIn(ctx, name, password)
	}
	if errors.Is(err, authFailed) {
		return s.authRefused(who)
	}
	return err
}

func (s *session) mayAuth() error {
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
	return nil
}

// signIn checks the password and takes a place among the sessions of its credential.
func (s *session) signIn(ctx context.Context, name, password string) error {
	cred, stream, err := s.set.credentials.check(ctx, name, password)
	switch {
	case err != nil:
		return err
	case stream != "" && len(only(s.candidatesOf(cred), stream)) == 0:
		return authFailed
	case !s.srv.credentials.enter(cred.Username, s.set.Limits.CredentialSessions):
		s.closing = true
		s.srv.opt.Count(gate.Counter{What: gate.CountTurnedAway})
		return tooManyOfCredential
	}
	s.set.credentials.meet(payer{credential: cred.Username, network: networkOf(s.ip)})
	s.cred, s.outright = cred, stream
	s.conn.Reply(say(235, 2, 7, 0, "Authentication succeeded"))
	return nil
}

// signOut gives back the place among the sessions of the credential, and what the sign-in chose.
func (s *session) signOut() {
	if s.cred != nil {
		s.srv.credentials.leave(s.cred.Username)
		s.cred, s.outright = nil, ""
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

// authExchange asks for what AUTH's argument does not say already.
func (s *session) authExchange(arg string) (name, password string, err error) {
	mechanism, initial, _ := strings.Cut(arg, " ")
	switch strings.ToUpper(mechanism) {
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
