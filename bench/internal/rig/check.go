//go:build linux

package rig

import (
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/load"
)

// Expected is what the upstream must have received of one run.
type Expected struct {
	Messages   int       // that the client sent, each to as many recipients
	Recipients int       // of each message
	Times      int       // how often each number came: by how many targets; 0: 1
	Size       int       // of a body, in octets
	Watch      load.Sent // beside it
	Copies     bool      // the stream gives each recipient a copy of their own
	Retried    int       // messages that were sent again: the gate may have given up the first copy in its midst

	// Samples judges the samples; nil: they are not looked at.
	Samples *Judge
}

// Check returns what is wrong with what arrived: lost, doubled, leaked or changed mail.
func (e Expected) Check(got countsink.Report) error {
	return errors.Join(
		e.checkSeries(load.Recipients, got, e.Messages*e.Recipients, max(1, e.Times)),
		e.checkSeries(load.Watched, got, e.Watch.Recipients, 1),
		nobody(got),
		e.checkTotals(got),
		e.Samples.judge(got.Samples, e.Copies),
	)
}

// checkSeries wants each number from 1 to n, each as often as it says.
func (e Expected) checkSeries(name string, got countsink.Report, n, times int) error {
	s := got.Series[name]
	switch {
	case s.Distinct < n:
		return fmt.Errorf("lost mail: %d of %d recipients of series %s got theirs", s.Distinct, n, name)
	case s.Total < n*times:
		return fmt.Errorf("lost mail: series %s got %d copies, want %d", name, s.Total, n*times)
	case s.Total > n*times:
		return fmt.Errorf("doubled mail: series %s got %d copies, want %d", name, s.Total, n*times)
	case s.Highest != n:
		return fmt.Errorf("misdirected mail: series %s has a recipient %d, want them up to %d", name, s.Highest, n)
	}
	return nil
}

// nobody wants no mail for those who have withdrawn, nor for anybody unknown.
func nobody(got countsink.Report) error {
	if s := got.Series[load.Withdrawn]; s.Total > 0 {
		return fmt.Errorf("leaked mail: %d copies for recipients who have withdrawn", s.Total)
	}
	if got.Foreign > 0 {
		return fmt.Errorf("misdirected mail: %d copies for recipients whom nobody named", got.Foreign)
	}
	return nil
}

// copies of what was measured, and of what the Watch sent.
func (e Expected) copies() (measured, watched int) {
	measured, watched = e.Messages*max(1, e.Times), e.Watch.Messages
	if e.Copies {
		return measured * e.Recipients, e.Watch.Recipients
	}
	return measured, watched
}

// Taken is how many messages the upstream must have taken.
func (e Expected) Taken() int {
	measured, watched := e.copies()
	return measured + watched
}

func (e Expected) checkTotals(got countsink.Report) error {
	measured, _ := e.copies()
	switch {
	case got.Messages != e.Taken():
		return fmt.Errorf("the upstream took %d messages, want %d", got.Messages, e.Taken())
	case got.Octets < int64(measured)*int64(e.Size):
		return fmt.Errorf("the upstream took %d octets, want %d at least: bodies were cut", got.Octets, measured*e.Size)
	case got.Broken > e.Retried:
		return fmt.Errorf("%d messages ended without their dot", got.Broken)
	}
	return nil
}
