//go:build linux

// Package countsink is the upstream of every measurement: an SMTP server that takes all mail, keeps none, and counts
// it so that a lost, doubled or leaked message shows.
//
// Recipients are numbered: 17rcpt@bench.test is number 17 of the series rcpt. For each series it knows which numbers
// came, and how many came twice. Of every so many messages it keeps one whole, for a look at its header and body.
//
// It is one thread on epoll, as Postfix's smtp-sink is, because what it takes from the machine is missing for what is
// measured. It is no mail server: it does not check syntax, and only programs of this benchmark talk to it. It runs as
// a process of its own (Serve), which Start starts and Child speaks to.
package countsink
