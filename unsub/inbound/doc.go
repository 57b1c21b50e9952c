// Package inbound is the door for mail to the gate itself, over SMTP or LMTP: mail that unsubscribes, because some
// clients take nothing from List-Unsubscribe but its mailto, and reports of feedback loops (RFC 5965) about mail that a
// person called spam.
//
// Only a token acts: in the local part of the recipient, or in the List-Unsubscribe of the message that a report
// returns. Who writes does not matter, since a forwarded or redirected address writes as somebody else, and no other
// mark of a message (a Message-ID, an address) is ever believed. Everything else is refused at RCPT with one reply;
// nothing is relayed, stored or answered by mail.
//
// It is built on wire and unsub's withdrawals; internal/app imports it.
package inbound
