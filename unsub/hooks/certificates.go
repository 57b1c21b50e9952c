package hooks

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is fetched from SNS.
const (
	fetchTimeout    = 5 * time.Second
	maxFetched      = 64 << 10
	maxCertificates = 32
	maxFetches      = 4 // at once
)

// Fetch gets a URL and returns the body of a 200. It follows no redirect.
type Fetch func(ctx context.Context, url string) ([]byte, error)

// fetchHTTPS is the Fetch that is used outside tests. It keeps no connection: there is a fetch a month.
func fetchHTTPS(ctx context.Context, url string) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Close = true
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxFetched))
}

// certificates keeps the keys that SNS signs with, by the URL of the certificate. The certificate of a URL never
// changes: SNS gives a new one a new name.
type certificates struct {
	fetch Fetch
	slots chan struct{} // a token for each fetch under way

	mu   sync.Mutex
	keys map[string]*rsa.PublicKey
}

func newCertificates(f Fetch) *certificates {
	return &certificates{fetch: f, slots: make(chan struct{}, maxFetches), keys: make(map[string]*rsa.PublicKey)}
}

// key returns the key of the certificate at a URL, which the caller has found to be Amazon's own. What makes it SNS's is
// that it came from there over TLS.
func (c *certificates) key(ctx context.Context, url string) (*rsa.PublicKey, error) {
	c.mu.Lock()
	key := c.keys[url]
	c.mu.Unlock()
	if key != nil {
		return key, nil
	}
	body, err := c.get(ctx, url)
	if err != nil {
		return nil, err
	}
	if key, err = parseCertificate(body); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxCertificates {
		clear(c.keys)
	}
	c.keys[url] = key
	return key, nil
}

// get fetches, some at a time: whoever posts rubbish may make us ask Amazon, but not often.
func (c *certificates) get(ctx context.Context, url string) ([]byte, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return nil, errors.New("too many fetches from SNS at once")
	}
	body, err := c.fetch(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("fetch from SNS: %w", err)
	}
	return body, nil
}

func parseCertificate(body []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("what SNS sent is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate of SNS: %w", err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("certificate of SNS: no RSA key")
	}
	return key, nil
}
