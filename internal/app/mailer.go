package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
)

// mailTime bounds handing over a message of our own: somebody waits before a page for it.
const mailTime = 20 * time.Second

var errRefused = errors.New("the upstream refused it")

// mailer hands messages of our own to the upstream in force.
type mailer struct{ pool func() *upstream.Pool }

// Send implements unsub.Mailer.
func (m mailer) Send(ctx context.Context, from, to gate.Address, message []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTime)
	defer cancel()
	message = stuffed(message)
	need := upstream.Need{SMTPUTF8: from.NeedsUTF8() || to.NeedsUTF8(), Size: int64(len(message))}
	lease, err := m.pool().Get(ctx, need)
	if err != nil {
		return err
	}
	defer lease.Release()
	if err := begin(lease, need, from, to); err != nil {
		return err
	}
	if _, err := lease.Write(message); err != nil {
		return err
	}
	lease.Dot()
	reply, err := lease.Result()
	switch {
	case errors.Is(err, upstream.ErrUnknown):
		return fmt.Errorf("%w: %w", unsub.ErrUncertain, err)
	case err != nil:
		return err
	case !reply.Positive():
		return refusal(reply)
	}
	return nil
}

// refusal is an upstream's reply without its text, which often repeats the address: errors are logged.
func refusal(r upstream.Reply) error {
	e := r.Enhanced
	return fmt.Errorf("%w: %d %d.%d.%d", errRefused, r.Code, e[0], e[1], e[2])
}

// begin sends the envelope and sees it accepted.
func begin(lease *upstream.Lease, need upstream.Need, from, to gate.Address) error {
	mail := "<" + from.String() + ">"
	if need.SMTPUTF8 {
		mail += " SMTPUTF8"
	}
	lease.Within(mailTime)
	lease.Envelope(upstream.Envelope{Mail: mail, Rcpts: []string{"<" + to.String() + ">"}})
	a, err := lease.Await()
	if err != nil {
		return err
	}
	for _, r := range []upstream.Reply{a.Mail, a.Rcpts[0]} {
		if !r.Positive() {
			return refusal(r)
		}
	}
	if !a.Go() {
		return refusal(a.Data)
	}
	return nil
}

// stuffed is a message whose lines end in CRLF, ready for DATA (RFC 5321 section 4.5.2).
func stuffed(message []byte) []byte {
	if bytes.HasPrefix(message, []byte(".")) {
		message = append([]byte("."), message...)
	}
	message = bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if !bytes.HasSuffix(message, []byte("\r\n")) {
		message = append(message, "\r\n"...)
	}
	return message
}
