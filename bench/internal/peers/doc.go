//go:build linux

// Package peers sets up what else one could put in front of a mailer to ask for consent: Postfix with a policy service
// and header_checks, and Haraka with a plugin. They read the same records in the same Redis as the gate does, refuse
// who has withdrawn, and add a List-Unsubscribe. They are optional, since they take long and Haraka comes from npm.
//
// Only bench imports it.
package peers
