// Package stats counts what the gate decides and what consents go through, and makes rates of it.
//
// Sums takes counters on the path of messages and hands them to the store now and then; Store counts the events that
// a store takes; Summarise turns a period's sums into a Report; Records looks at the consents that stand now. Nothing
// here names a person: what is kept is sums per day, stream, purpose, reason, method and source.
//
// It is no monitoring (see internal/metrics) and no log. internal/app, internal/metrics and cmd/consentgate import
// it; it imports gate only.
package stats
