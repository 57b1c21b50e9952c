// Package smtptest is for tests of what speaks SMTP: a fake upstream and a runner of dialogue files. It shares no
// code with package wire or package upstream, so that it cannot repeat their mistakes; only tests import it.
//
// # The fake upstream
//
// Start listens on a random loopback port until the test ends. It accepts every message and keeps what came: the
// transactions (Messages), every line (Lines) and every read from a socket (Reads). A Fault can be set for each verb,
// and for each recipient, before or while it runs:
//
//	u := smtptest.Start(t, smtptest.Capabilities("PIPELINING", "SIZE 1000000"))
//	u.On(smtptest.Dot, smtptest.Reply("451 4.3.0 try later").Times(1))
//	u.OnRcpt("ann@example.com", smtptest.Reply("550 5.1.1 no such mailbox"))
//
// # Dialogue files
//
// Run plays a file against any SMTP address. A line is a sign, a blank and a text; empty lines and lines that begin
// with "#" are remarks.
//
//	C: EHLO client.example      send this line and CRLF; C lines in a row leave in one write
//	C< a\r\n.\x00\r\n           send these bytes, CRLF only as written; \r \n \t \0 \\ and \xHH are understood
//	S: 250 2.1.0                the next line from the server begins with this
//	S= 250 2.1.0 Ok             the next line is this
//	S~ ^550 .*\[[0-9A-Z]+\]$    the next line matches this regular expression
//	S* 250                      a whole reply, of one or more lines, and each begins with this code
//	S.                          the server closes the connection
//	U: MAIL FROM:<a@b.example>  the upstream gets a line that begins with this, after the one matched before
//	U~ ^RCPT TO:<[^>]+>$        the same with a regular expression
//	U! DATA                     after the line matched last the upstream has got none that begins with this
//
// Lines of content count among the upstream's lines, as they stood on the wire. U lines need an Upstream passed to
// Run. What does not come within five seconds, or comes otherwise, is reported with file and line. Dial plays several
// dialogues on one connection.
package smtptest
