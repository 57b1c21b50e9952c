package app

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"github.com/consentgate/consentgate/internal/config"
)

// certificateAge is how long a certificate is used before its files are looked at again: one that was renewed is
// taken up without a reload.
const certificateAge = time.Minute

// certificate is the one of the SMTP listeners, fresh from its files.
type certificate struct {
	cfg *config.Config
	now func() time.Time

	mu      sync.Mutex
	current *tls.Config
	stamp   [2]time.Time // modification times of certificate and key when they were read
	looked  time.Time
}

// newCertificate reads the files, nil where the config names none.
func newCertificate(cfg *config.Config, now func() time.Time) (*tls.Config, error) {
	first, err := cfg.TLSConfig()
	if err != nil || first == nil {
		return nil, err
	}
	c := &certificate{cfg: cfg, now: now, current: first, looked: now()}
	c.stamp = c.stamps()
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.config(), nil },
	}, nil
}

// config is the newest that could be read; half-written files leave the one before in use.
func (c *certificate) config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < certificateAge {
		return c.current
	}
	c.looked = now
	stamp := c.stamps()
	if stamp == c.stamp {
		return c.current
	}
	if next, err := c.cfg.TLSConfig(); err == nil {
		c.current, c.stamp = next, stamp
	}
	return c.current
}

func (c *certificate) stamps() (out [2]time.Time) {
	for i, name := range []string{c.cfg.TLS.Certificate, c.cfg.TLS.Key} {
		if info, err := os.Stat(name); err == nil {
			out[i] = info.ModTime()
		}
	}
	return out
}
