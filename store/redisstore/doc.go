// Package redisstore keeps consent records in Redis or Valkey: a single server, one behind Sentinels, or a Cluster.
//
// The keys, for a recipient whose id starts with the two characters tt (so that they share a slot):
//
//	cg:{tt}:ID     hash: v (version), p:<purpose>, s, j: the record, as gate.Record.Fields writes it
//	cg:{tt}:ID:h   list: the sealed address (or ""), then the events as JSON in the order they were applied
//	cg:{tt}        sentinel, holding the schema; one for each of the 4,096 values of tt
//	cg:blocks      stream of block entries, one field "e" of JSON, trimmed to about Options.Entries
//	cg:n:<day>     hash of counters
//	cg:l:{key}     set of the ledger's members; cg:l:{key}:c its lease
//	cg:meta        hash: schema, fingerprint, created (Unix seconds), stream:<code>
//
// A missing record counts as "unknown" only if its sentinel answers, and nothing is written where it does not: so an
// emptied server, or one emptied shard, is an outage and never an answer about anybody's consent.
//
// The fold is gate's. A change reads version and history, folds in Go, and a short script sets the record and appends
// the event if the version still stands. Consent is read from masters only. The package imports gate and nothing else
// of ours but store/internal/combine; store and tests import it.
package redisstore
