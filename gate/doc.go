// Package gate decides whether a message may reach a recipient.
//
// It is the core: addresses, the consent record and its fold, streams, rules, packs, the decision, the plan of
// copies, and the ports that stores implement. It imports the standard library, x/net/idna and x/text/unicode/norm
// only, holds no clock and does no I/O: time, records and policy are passed in, so the same question always has the
// same answer and a decision can be replayed years later.
//
// Every other package may import gate; gate imports none of ours.
package gate
