package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/consentgate/consentgate/gate"
)

// Bounds of a batch of events.
const (
	maxBatch      = 8 << 20 // octets
	maxBatchLines = 10_000
	applyBatch    = 500 // events in one trip to the store
	batchTime     = 30 * time.Second
)

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

// eventsInput is one event, or one a line.
type eventsInput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"application/x-ndjson"`
}

type eventsOutput struct{ Body eventsAnswer }

// eventsAnswer says what became of each event, in the order they were sent.
type eventsAnswer struct {
	Applied    int           `json:"applied"`
	Duplicates int           `json:"duplicates"`
	Rejected   int           `json:"rejected"`
	Events     []eventAnswer `json:"events"`
}

// Results of an event.
const (
	resultApplied   = "applied"
	resultDuplicate = "duplicate" // an event of this id stands already
	resultRejected  = "rejected"
)

type eventAnswer struct {
	Line        int        `json:"line" doc:"Line of the body, from 1"`
	ID          string     `json:"id,omitempty" doc:"Of the event; absent where it cannot be read"`
	RecipientID string     `json:"recipient_id,omitempty"`
	Result      string     `json:"result" enum:"applied,duplicate,rejected"`
	State       gate.State `json:"state,omitempty" doc:"Of the event's purpose, afterwards"`
	Reason      string     `json:"reason,omitempty" doc:"Why it was rejected: the field, and what to do"`
}

func (s *Server) registerEvents(api huma.API, g *guard) {
	o := operation{
		Method: http.MethodPost, Path: "/api/v1/events", ID: "post-events", Summary: "Record events: one, or a batch",
		Roles:  []Role{RoleIngest, RoleOperator},
		Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable},
	}.huma(g)
	o.Description += " One JSON object, or NDJSON: one object a line, 10,000 lines and 8 MiB at most. An event counts once, by its id, so a " +
		"request may be repeated; after a 503 it has to be. In a batch, an event that is wrong is rejected and leaves the others alone."
	o.MaxBodyBytes, o.BodyReadTimeout, o.SkipValidateBody = maxBatch, batchTime, true
	event := sentEvent(api.OpenAPI().Components.Schemas)
	o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{typeJSON: {Schema: event}}}
	huma.Register(api, o, s.events)
}

func (s *Server) events(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	media, _, _ := mime.ParseMediaType(in.ContentType)
	switch media {
	case typeJSON:
		out, err := s.apply(ctx, [][]byte{in.RawBody})
		if err == nil && out.Body.Rejected > 0 {
			return nil, newProblem(http.StatusUnprocessableEntity, out.Body.Events[0].Reason)
		}
		return out, err
	case typeNDJSON:
		if n := bytes.Count(in.RawBody, []byte("\n")); n > maxBatchLines {
			return nil, newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d lines: send them in several requests", maxBatchLines))
		}
		return s.apply(ctx, bytes.Split(in.RawBody, []byte("\n")))
	}
	return nil, newProblem(http.StatusUnsupportedMediaType, "send one event as "+typeJSON+", or one a line as "+typeNDJSON)
}

// apply records the events of the texts. A store that does not take one of them leaves the whole request to be sent
// again: what it took already counts once.
func (s *Server) apply(ctx context.Context, texts [][]byte) (*eventsOutput, error) {
	answers, events := s.read(ctx, texts)
	if err := s.auditEvents(ctx, len(events)); err != nil {
		return nil, err
	}
	intake := gate.Intake{Store: s.opt.Store, Keys: s.opt.Keys}
	for rest := events; len(rest) > 0; rest = rest[min(len(rest), applyBatch):] {
		if err := s.applySome(ctx, intake, rest[:min(len(rest), applyBatch)]); err != nil {
			return nil, err
		}
	}
	out := &eventsOutput{Body: eventsAnswer{Events: answers}}
	for _, a := range answers {
		switch a.Result {
		case resultApplied:
			out.Body.Applied++
		case resultDuplicate:
			out.Body.Duplicates++
		default:
			out.Body.Rejected++
		}
	}
	return out, nil
}

// auditEvents notes events that a person brings by hand; an application's are in the history under its name.
func (s *Server) auditEvents(ctx context.Context, n int) error {
	if n == 0 || holder(ctx).Role == RoleIngest {
		return nil
	}
	return s.audit(ctx, "consent.apply", gate.ID{}, fmt.Sprint("events ", n))
}

// reading is an event that could be read, and the place of its answer.
type reading struct {
	event  gate.Event
	answer *eventAnswer
}

// read parses the texts, blank ones aside. The answers of those that cannot be read are complete.
func (s *Server) read(ctx context.Context, texts [][]byte) ([]eventAnswer, []reading) {
	answers, events := make([]eventAnswer, 0, len(texts)), make([]reading, 0, len(texts))
	for i, text := range texts {
		if len(texts) > 1 && len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		answers = append(answers, eventAnswer{Line: i + 1})
		a := &answers[len(answers)-1]
		e, err := gate.ParseEvent(text)
		if err != nil {
			a.reject(err)
			continue
		}
		a.ID = e.ID
		broughtBy(ctx, &e)
		events = append(events, reading{e, a})
	}
	return answers, events
}

// broughtBy says in the event who brought it, and keeps what it claims of that.
func broughtBy(ctx context.Context, e *gate.Event) {
	e.Actor = gate.ActorBy("api:"+holder(ctx).Name, e.Actor)
}

// applySome brings events into the store in one trip.
func (s *Server) applySome(ctx context.Context, intake gate.Intake, some []reading) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	events := make([]gate.Event, len(some))
	for i, r := range some {
		events[i] = r.event
	}
	for i, o := range intake.Apply(ctx, s.opt.Now(), events, false) {
		if o.Err != nil && !errors.Is(o.Err, gate.ErrInvalidEvent) {
			return s.failed(o.Err)
		}
		some[i].answer.fill(o)
	}
	return nil
}

func (a *eventAnswer) fill(o gate.Outcome) {
	if !o.ID.IsZero() {
		a.RecipientID = o.ID.String()
	}
	if o.Err != nil {
		a.reject(o.Err)
		return
	}
	a.Result = resultApplied
	if o.Applied.Duplicate {
		a.Result = resultDuplicate
	}
	if p := o.Event.Purpose; p != "" && p != gate.AllPurposes {
		a.State = o.Applied.Record.For(p).State
	}
}

func (a *eventAnswer) reject(err error) {
	a.Result, a.Reason = resultRejected, strings.TrimPrefix(err.Error(), gate.ErrInvalidEvent.Error()+": ")
}
