package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

type linkInput struct {
	Body struct {
		Recipient string `json:"recipient" doc:"Full address" maxLength:"512"`
	}
}

type linkOutput struct {
	Body struct {
		RecipientID string `json:"recipient_id"`
		URL         string `json:"url"`
	}
}

// link makes a link; it changes nothing on record. That a person made one by hand is noted; applications make one for
// every account page.
func (s *Server) link(ctx context.Context, in *linkInput) (*linkOutput, error) {
	addr, err := address(in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	links := s.set.Load().Links
	if links == nil {
		return nil, newProblem(http.StatusNotImplemented, "there is no public page: set unsubscribe.public_url in the config file")
	}
	id := s.opt.Keys.ID(addr)
	if holder(ctx).Role != RoleIngest {
		if err := s.audit(ctx, "link", id, ""); err != nil {
			return nil, err
		}
	}
	out := new(linkOutput)
	out.Body.RecipientID, out.Body.URL = id.String(), links.Preferences(id)
	return out, nil
}

type checkInput struct {
	Body struct {
		Recipient string `json:"recipient" doc:"Full address" maxLength:"512"`
		Stream    string `json:"stream,omitempty" doc:"Name of a stream; absent: the default stream"`
	}
}

type checkOutput struct{ Body checkAnswer }

// checkAnswer has the fields of `consentgate check --json`.
type checkAnswer struct {
	Recipient     string               `json:"recipient"`
	RecipientID   string               `json:"recipient_id"`
	Stream        string               `json:"stream"`
	Purpose       string               `json:"purpose"`
	Verdict       gate.Verdict         `json:"verdict" enum:"permit,block,defer"`
	Reason        gate.Reason          `json:"reason" doc:"Empty with permit; docs/replies.md explains each"`
	Rule          string               `json:"rule"`
	State         gate.State           `json:"state"`
	Suppression   gate.SuppressionKind `json:"suppression"`
	Jurisdiction  string               `json:"jurisdiction"`
	Citation      string               `json:"citation"`
	Hint          string               `json:"hint" doc:"What would unblock"`
	PolicyVersion string               `json:"policy_version"`
}

// check decides as the gate would. A store that is away is an answer too: the message would be deferred.
func (s *Server) check(ctx context.Context, in *checkInput) (*checkOutput, error) {
	addr, err := address(in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	set := s.set.Load()
	stream, err := set.stream(in.Body.Stream)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	id := s.opt.Keys.ID(addr)
	d := set.Policy.Decide(s.opt.Now(), stream, addr, s.opt.Store.Records(ctx, []gate.ID{id})[0])
	return &checkOutput{checkAnswer{
		Recipient: addr.String(), RecipientID: id.String(), Stream: d.Stream, Purpose: d.Purpose, Verdict: d.Verdict,
		Reason: d.Reason, Rule: d.Rule, State: d.State, Suppression: d.Suppression, Jurisdiction: d.Jurisdiction,
		Citation: d.Citation, Hint: d.Hint, PolicyVersion: d.PolicyVersion,
	}}, nil
}

// stream finds a stream by name; an empty one is the default.
func (s *Settings) stream(name string) (*gate.Stream, error) {
	if name == "" {
		name = s.DefaultStream
	}
	i := slices.IndexFunc(s.Streams, func(st *gate.Stream) bool { return st.Name == name })
	switch {
	case name == "":
		return nil, newProblem(http.StatusUnprocessableEntity, "stream: missing, and there is no default stream: name one")
	case i < 0:
		return nil, newProblem(http.StatusUnprocessableEntity, "stream: there is no stream of this name")
	}
	return s.Streams[i], nil
}

type searchInput struct {
	Body struct {
		Recipient string `json:"recipient" doc:"Full address" maxLength:"512"`
		Reveal    bool   `json:"reveal,omitempty" doc:"Show address, network and user agent; role dpo, and it is noted in the audit log"`
	}
}

type recordInput struct {
	RecipientID string `path:"recipient_id" doc:"22 characters, as every answer names it"`
	Reveal      bool   `query:"reveal" doc:"Show address, network and user agent; role dpo, and it is noted in the audit log"`
}

type recordOutput struct{ Body recordAnswer }

// recordAnswer is all that is recorded of a recipient. Somebody unknown has neither consents nor events.
type recordAnswer struct {
	RecipientID  string              `json:"recipient_id"`
	Recipient    string              `json:"recipient" doc:"Masked, unless revealed; empty where the store keeps no address"`
	Jurisdiction string              `json:"jurisdiction,omitempty"`
	Consents     []consentAnswer     `json:"consents"`
	Suppressions []suppressionAnswer `json:"suppressions"`
	Events       []gate.Event        `json:"events" doc:"In the order they were recorded"`
}

type consentAnswer struct {
	Purpose      string      `json:"purpose"`
	State        gate.State  `json:"state"`
	At           time.Time   `json:"at,omitzero" doc:"When the state was reached"`
	Method       gate.Method `json:"method,omitempty"`
	Source       string      `json:"source,omitempty"`
	Via          gate.Via    `json:"via,omitempty"`
	Jurisdiction string      `json:"jurisdiction,omitempty"`
	Audience     string      `json:"audience,omitempty"`
	Incomplete   bool        `json:"evidence_incomplete,omitempty"`
}

type suppressionAnswer struct {
	Kind  gate.SuppressionKind `json:"kind"`
	Scope string               `json:"scope" doc:"A purpose, or * for all mail"`
	At    time.Time            `json:"at,omitzero"`
}

func (s *Server) searchRecord(ctx context.Context, in *searchInput) (*recordOutput, error) {
	addr, err := address(in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	return s.record(ctx, s.opt.Keys.ID(addr), in.Body.Reveal)
}

func (s *Server) getRecord(ctx context.Context, in *recordInput) (*recordOutput, error) {
	id, err := recipientID(in.RecipientID)
	if err != nil {
		return nil, err
	}
	return s.record(ctx, id, in.Reveal)
}

func recipientID(text string) (gate.ID, error) {
	id, err := gate.ParseID(text)
	if err != nil {
		return id, newProblem(http.StatusUnprocessableEntity, "recipient_id: want 22 characters of base64url, as answers show it")
	}
	return id, nil
}

func (s *Server) record(ctx context.Context, id gate.ID, reveal bool) (*recordOutput, error) {
	if err := s.mayReveal(ctx, reveal, "consent.reveal", id, ""); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	person, err := s.opt.Store.Person(ctx, id)
	if err != nil {
		return nil, s.failed(err)
	}
	out := &recordOutput{answerOf(person.Record)}
	out.Body.RecipientID, out.Body.Recipient = id.String(), s.shown(person.Sealed, reveal)
	for _, e := range person.Events {
		if !reveal {
			e.IP, e.UserAgent = "", ""
		}
		out.Body.Events = append(out.Body.Events, e)
	}
	return out, nil
}

func answerOf(rec gate.Record) recordAnswer {
	a := recordAnswer{
		Jurisdiction: rec.Jurisdiction,
		Consents:     []consentAnswer{}, Suppressions: []suppressionAnswer{}, Events: []gate.Event{},
	}
	for _, purpose := range slices.Sorted(maps.Keys(rec.Consents)) {
		c := rec.Consents[purpose]
		a.Consents = append(a.Consents, consentAnswer{
			Purpose: purpose, State: c.State, At: c.At, Method: c.Method, Source: c.Source, Via: c.Via,
			Jurisdiction: c.Jurisdiction, Audience: c.Audience, Incomplete: c.Incomplete,
		})
	}
	for _, sup := range rec.Suppressions {
		a.Suppressions = append(a.Suppressions, suppressionAnswer(sup))
	}
	return a
}

// mayReveal refuses to reveal to anybody but a dpo, and notes that it was done.
func (s *Server) mayReveal(ctx context.Context, reveal bool, act string, id gate.ID, detail string) error {
	switch {
	case !reveal:
		return nil
	case !holder(ctx).Role.covers(RoleDPO):
		return newProblem(http.StatusForbidden, "revealing takes a token of role dpo")
	}
	return s.audit(ctx, act, id, detail)
}

// shown is a sealed address for people to read: masked, unless revealed; empty where none is kept or can be read.
func (s *Server) shown(sealed string, reveal bool) string {
	if sealed == "" {
		return ""
	}
	text, err := s.opt.Keys.Unseal(sealed)
	if err != nil {
		s.log.Warn("address left out of an answer", "err", err)
		return ""
	}
	if reveal {
		return text
	}
	a, err := gate.ParseAddress(text)
	if err != nil {
		return ""
	}
	return a.Masked()
}
