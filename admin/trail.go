package admin

import (
	"context"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/consentgate/consentgate/gate"
)

// Acts yields the audit log from the from-th entry on (from 1), oldest first.
type Acts func(ctx context.Context, from uint64) iter.Seq2[gate.AuditEntry, error]

type auditInput struct {
	From  uint64 `query:"from" default:"1" minimum:"1" doc:"Number (seq) of the first entry"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Entries of a page"`
}

type auditOutput struct {
	Body struct {
		Entries []gate.AuditEntry `json:"entries" doc:"Oldest first; each holds the hash of the one before"`
		Next    uint64            `json:"next,omitempty" doc:"For from, of the next page; absent on the last"`
	}
}

func (s *Server) registerAudit(api huma.API, g *guard) {
	register(api, g, operation{
		Method: http.MethodGet, Path: "/api/v1/audit", ID: "list-audit", Summary: "Show what operators did, as a chain of hashes",
		Roles: []Role{RoleViewer}, Errors: []int{http.StatusServiceUnavailable},
	}, s.auditLog)
}

// auditLog answers a page as it stands: who reads it follows the chain.
func (s *Server) auditLog(ctx context.Context, in *auditInput) (*auditOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	out := new(auditOutput)
	out.Body.Entries = make([]gate.AuditEntry, 0, in.Limit)
	for e, err := range s.opt.Acts(ctx, in.From) {
		switch {
		case err != nil:
			return nil, s.failed(err)
		case len(out.Body.Entries) == in.Limit:
			out.Body.Next = in.From + uint64(in.Limit)
			return out, nil
		}
		out.Body.Entries = append(out.Body.Entries, e)
	}
	return out, nil
}
