// Package smtpproxy is the relay: it takes a client's session, asks the gate about each recipient, forwards what is
// permitted to the upstream and turns every outcome into one reply.
//
// A session is one goroutine that makes a plan (gate.Plan), sends each copy over an upstream lease and answers once.
// SMTP itself is in wire, the upstream's side in upstream; policy is gate's. The package stores nothing and keeps no
// message: what it needs of stores, journals and tokens it takes as the small interfaces of options.go.
//
// Only internal/app imports it.
package smtpproxy
