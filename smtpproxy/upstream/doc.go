// Package upstream sends mail to the next hop: an SMTP client with a pool of kept connections.
//
// A Pool holds one or more targets in order. Get hands out a Lease: a connection that is open, authenticated and has
// what the message needs. The lease sends MAIL, RCPT… and DATA in one write, passes content through byte for byte,
// and lets the next envelope ride behind the final dot. Two errors tell what a failure means for the message:
// ErrUnavailable (nothing was accepted) and ErrUnknown (the dot may have left and no answer came).
//
// It keeps three promises. Only Dot ends a message: everything else closes the socket, so a message cut short is
// never accepted. A connection that grew stale while it waited costs a new connection and not the message. Nothing
// secret, and nothing that must be encrypted, leaves in plain text.
//
// It is not a queue, knows nothing of consent and builds no headers. smtpproxy uses it, and whoever probes an
// upstream; it imports none of our packages.
package upstream
