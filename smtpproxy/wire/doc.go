// Package wire is SMTP itself, seen from the server's side: the grammar of commands and paths, the reader of command
// lines, the reader of message content, replies, and a scan of the message header. LMTP shares all of it.
//
// It knows nothing of consent, streams or upstreams, holds no session state beyond the connection's, and imports
// nothing of ours. smtpproxy builds its sessions on it, unsub its inbound door.
//
// # What it is careful about
//
// A gate stands or falls with both of its sides reading the same bytes the same way. Hence:
//
//   - Data ends at CRLF "." CRLF and nowhere else (RFC 5321 section 4.1.1.4). Lone CR and LF are refused, or
//     normalised so that no new end can appear.
//   - Whatever goes wrong while a message is read ends the connection: message text is never read as commands.
//   - A path is handed on as it was written, quotes included, so that the mailbox looked up is the mailbox relayed.
//   - Message bytes stay in the read buffer and dot-stuffed; nothing is copied, decoded or repaired.
//   - Plaintext that arrives ahead of a TLS handshake ends the connection.
//
// # A session
//
//	c := wire.NewConn(nc, wire.Options{Buffers: shared})
//	c.ReplyLines(220, []string{"mx.example.com ESMTP"})
//	for {
//		cmd, err := c.Next() // sends queued replies before it waits
//		...
//		case wire.DATA:
//			c.Reply(&smtp.SMTPError{Code: 354, Message: "Go ahead"})
//			content := c.Content()
//			header, err := wire.ReadHeader(content, buf, limits)
//			for b, err := content.Next(); err == nil; b, err = content.Next() { ... }
//	}
//
// A Conn belongs to one goroutine; only Interrupt may be called from others.
package wire
