package app

import (
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/metrics"
)

// newMetrics makes the handler of /metrics; what it reads stands before anybody can ask.
func (a *App) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{
		Totals:  a.counts.Totals,
		Streams: a.streamNames,
		Gauges:  a.gauges,
	})
}

// namedJournal is a journal and what it is of.
type namedJournal struct {
	name string
	*journal.Journal
}

func (a *App) gauges() []metrics.Gauge {
	gauges := []metrics.Gauge{
		{Name: "sessions", Help: "SMTP sessions at the moment.", Value: float64(a.smtp.Sessions())},
		{Name: "store_up", Help: "1 where the store answered when last looked at.", Value: flag(a.store.up())},
		{Name: "upstream_up", Help: "1 where the last that was heard of an upstream was good.", Value: flag(a.upstreamUp())},
	}
	gauges = append(gauges, a.selfTestGauge()...)
	for _, j := range a.journals {
		gauges = append(gauges, metrics.Gauge{
			Name: "journal_octets", Help: "Octets of a journal that the store has yet to take.",
			Label: `journal="` + j.name + `"`, Value: float64(j.Behind()),
		})
	}
	return gauges
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// streamNames are those in force, and the one of mail from <>.
func (a *App) streamNames() []string {
	cfg, _ := a.inForce()
	names := []string{"null_sender"}
	for _, s := range cfg.Streams() {
		names = append(names, s.Name)
	}
	return names
}
