package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// StatsQuery selects what a report counts.
type StatsQuery struct {
	By    string        // "method", "source", "reason", "stream" or "week"
	Since time.Duration // back from now
}

// Stats makes a report; its answer is written as JSON.
type Stats func(ctx context.Context, q StatsQuery) (any, error)

type statsInput struct {
	By   string `query:"by" enum:"method,source,reason,stream,week" default:"method" doc:"What each row of the report is"`
	Days int    `query:"days" default:"30" minimum:"1" maximum:"3660" doc:"How many days back"`
}

type statsOutput struct {
	Body any `doc:"The report of consentgate stats --json"`
}

func (s *Server) registerStats(api huma.API, g *guard) {
	register(api, g, operation{
		Method: http.MethodGet, Path: "/api/v1/stats", ID: "get-stats", Summary: "Report rates: opt-in, confirmation, block, unsubscribe, complaint",
		Roles: []Role{RoleViewer}, Errors: []int{http.StatusServiceUnavailable},
	}, s.stats)
}

func (s *Server) stats(ctx context.Context, in *statsInput) (*statsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	report, err := s.opt.Stats(ctx, StatsQuery{By: in.By, Since: time.Duration(in.Days) * 24 * time.Hour})
	if err != nil {
		return nil, s.failed(err)
	}
	return &statsOutput{report}, nil
}
