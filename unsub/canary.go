package unsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// canaryAnswer is what no other server answers by chance.
const canaryAnswer = "consentgate hears one-click POSTs here\n"

// Canary returns an address like that of a recipient for which a one-click POST changes and records nothing.
func (l *Links) Canary() string { return l.base + l.tokens.Make(gate.ID{}, "", TokenCanary) }

// sing answers a POST to the canary.
func sing(w http.ResponseWriter, fields url.Values) {
	if !isOneClick(fields) {
		refuse(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, canaryAnswer) // the reader may have left
}

// TryCanary sends a one-click POST to the address of Canary as mail providers do. Its error is one sentence about what
// they would meet there, and does not hold the address. c brings the time limit; its CheckRedirect is not used.
func TryCanary(ctx context.Context, c http.Client, address string) error {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	body := strings.NewReader("List-Unsubscribe=One-Click")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "consentgate self-test")
	resp, err := c.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return heard(resp)
}

// heard judges the answer to a POST to the canary.
func heard(resp *http.Response) error {
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		host := "another address"
		if u, err := url.Parse(to); err == nil && u.Host != "" {
			host = u.Scheme + "://" + u.Host
		}
		return fmt.Errorf("answers %s to %s: mail providers follow no redirect (RFC 8058 section 3.1)", resp.Status, host)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answers %s instead of 200", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(len(canaryAnswer))+1))
	if err != nil {
		return fmt.Errorf("the answer breaks off: %w", err)
	}
	if string(body) != canaryAnswer {
		return errors.New("answers 200 with another body, so it is not this gate that hears it")
	}
	return nil
}
