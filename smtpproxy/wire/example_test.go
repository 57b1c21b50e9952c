package wire_test

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// A server that takes one session and prints what it is sent; the client is go-smtp's.
func Example() {
	client, server := net.Pipe()
	go sendMail(client)

	c := wire.NewConn(server, wire.Options{})
	defer func() { _ = c.Close() }()
	c.ReplyLines(220, []string{"mx.example.com ESMTP"})
	for {
		cmd, err := c.Next()
		if err != nil {
			return
		}
		switch cmd.Verb {
		case wire.EHLO:
			c.ReplyLines(250, []string{"mx.example.com", "PIPELINING", "SIZE"})
		case wire.RCPT:
			path, err := wire.ParseRcpt(cmd.Arg)
			fmt.Println(path.Mailbox, err)
			c.Reply(ok)
		case wire.DATA:
			c.Reply(&smtp.SMTPError{Code: 354, Message: "Go ahead"})
			printMessage(c.Content())
			c.Reply(ok)
		default:
			c.Reply(ok)
		}
	}
	// Output:
	// "ann lee"@example.com <nil>
	// Subject: "Hello"
	// body: "..and a dot\r\n"
}

var ok = &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "OK"}

func printMessage(content *wire.Content) {
	header, err := wire.ReadHeader(content, nil, wire.Limits{})
	if err != nil {
		return
	}
	subject, _ := header.First("subject")
	fmt.Printf("Subject: %q\n", subject)
	for chunk, err := content.Next(); err == nil; chunk, err = content.Next() {
		fmt.Printf("body: %q\n", chunk)
	}
}

func sendMail(nc net.Conn) {
	c := smtp.NewClient(nc)
	defer func() { _ = c.Close() }()
	_ = c.Mail("news@example.org", nil)
	_ = c.Rcpt(`"ann lee"@example.com`, nil)
	if w, err := c.Data(); err == nil {
		_, _ = io.Copy(w, strings.NewReader("Subject: Hello\r\n\r\n.and a dot\r\n"))
		_ = w.Close()
	}
}
