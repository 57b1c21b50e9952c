//go:build linux

package load

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Permitted asks whether a recipient is taken, on a connection that is kept: MAIL, RCPT, RSET. A reply other than 250
// and 550 is an error.
func (c *Conn) Permitted(from, to string) (bool, error) {
	if err := c.command("MAIL FROM:<"+from+">", 250); err != nil {
		return false, err
	}
	if err := c.write([]byte("RCPT TO:<" + to + ">\r\n")); err != nil {
		return false, err
	}
	code, text, err := c.reply()
	if err != nil {
		return false, err
	}
	if code != 250 && code != 550 {
		return false, fmt.Errorf("got %q, want 250 or 550", strings.TrimSpace(text))
	}
	return code == 250, c.command("RSET", 250)
}

// Withdraw is a one-click unsubscribe (RFC 8058) at a gate's public listener, answered 200.
func Withdraw(ctx context.Context, addr, path string) error {
	if err := loopback(addr); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("one-click: %s", answer.Status)
	}
	_ = answer.Body.Close() // its status is all that counts
	return err
}
