package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Bounds of a request; events have their own.
const (
	maxBody  = 16 << 10
	bodyTime = 10 * time.Second
)

const security = "token"

// api registers every operation on the mux.
//
// Of huma's defaults, its page of documentation is left out, since that loads code from elsewhere, and so are the
// $schema links in answers, which name the host that a client claimed to speak to.
func (s *Server) api(g *guard) huma.API {
	c := huma.DefaultConfig("consentgate", "1")
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.NoFormatFallback = false
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{discreet}
	c.Info.Description = "Events in, decisions and what stands behind them out. No address of a person ever stands in a URL, " +
		"since URLs end up in logs: requests name people in their body, or by recipient id."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		security: {Type: "http", Scheme: "bearer", Description: "made by `consentgate token new`, named in the config by its hash"},
	}
	api := humago.New(s.mux, c)
	s.registerEvents(api, g)
	register(api, g, operation{
		Method: http.MethodPost, Path: "/api/v1/links", ID: "make-link", Summary: "Make the address of a person's preference page",
		Roles: []Role{RoleIngest, RoleOperator}, Errors: []int{http.StatusNotImplemented},
	}, s.link)
	register(api, g, operation{
		Method: http.MethodPost, Path: "/api/v1/confirmations", ID: "request-confirmation",
		Summary: "Ask a person by mail to confirm a sign-up that is logged",
		Roles:   []Role{RoleIngest, RoleOperator},
		Errors:  []int{http.StatusConflict, http.StatusNotImplemented, http.StatusServiceUnavailable},
	}, s.confirmation)
	register(api, g, operation{
		Method: http.MethodPost, Path: "/api/v1/check", ID: "check", Summary: "Say whether a recipient may be mailed, and why",
		Roles: []Role{RoleViewer},
	}, s.check)
	register(api, g, operation{
		Method: http.MethodPost, Path: "/api/v1/records/search", ID: "search-record", Summary: "Show what is recorded of a recipient",
		Roles: []Role{RoleViewer}, Errors: []int{http.StatusServiceUnavailable},
	}, s.searchRecord)
	register(api, g, operation{
		Method: http.MethodGet, Path: "/api/v1/records/{recipient_id}", ID: "get-record", Summary: "Show what is recorded under a recipient id",
		Roles: []Role{RoleViewer}, Errors: []int{http.StatusServiceUnavailable},
	}, s.getRecord)
	register(api, g, operation{
		Method: http.MethodGet, Path: "/api/v1/blocks", ID: "list-blocks", Summary: "Show what was blocked, and why, newest first",
		Roles: []Role{RoleViewer}, Errors: []int{http.StatusServiceUnavailable},
	}, s.blocks)
	if s.opt.Stats != nil {
		s.registerStats(api, g)
	}
	if s.opt.Acts != nil {
		s.registerAudit(api, g)
	}
	if s.opt.Erase != nil {
		register(api, g, operation{
			Method: http.MethodPost, Path: "/api/v1/erase", ID: "erase", Summary: "Erase a person; refusals stay, without the address",
			Roles: []Role{RoleDPO}, Errors: []int{http.StatusServiceUnavailable},
		}, s.erase)
	}
	return api
}

// operation is what the operations of this API differ in.
type operation struct {
	Method, Path, ID, Summary string

	Roles  []Role
	Errors []int // beside those that every operation has
}

func (o operation) huma(g *guard) huma.Operation {
	return huma.Operation{
		OperationID: o.ID, Method: o.Method, Path: o.Path, Summary: o.Summary,
		Description: "For tokens of role " + names(o.Roles) + ".",
		Errors:      append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests}, o.Errors...),
		Security:    []map[string][]string{{security: {}}},
		Middlewares: huma.Middlewares{g.need(o.Roles...)},

		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTime,
	}
}

func register[I, O any](api huma.API, g *guard, o operation, serve func(context.Context, *I) (*O, error)) {
	huma.Register(api, o.huma(g), serve)
}
