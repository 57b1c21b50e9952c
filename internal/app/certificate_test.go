package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/config"
)

func TestARenewedCertificateIsTakenUpAndAHalfWrittenOneIsNot(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{TLS: config.TLS{
		Certificate: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem"),
	}}
	begun := time.Now()
	now := begun
	writePair(t, cfg.TLS, 1, begun)
	c, err := newCertificate(cfg, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, serial int64) {
		t.Helper()
		if got := serialOf(t, c); got != serial {
			t.Errorf("%s: certificate %d is used, want %d", when, got, serial)
		}
	}
	expect("at first", 1)
	writePair(t, cfg.TLS, 2, begun.Add(time.Second))
	expect("before the files are looked at again", 1)
	now = now.Add(certificateAge)
	expect("after that", 2)
	stamped(t, cfg.TLS.Certificate, []byte("-----BEGIN CERT"), begun.Add(2*time.Second))
	now = now.Add(certificateAge)
	expect("with half a file", 2)
	writePair(t, cfg.TLS, 3, begun.Add(3*time.Second))
	now = now.Add(certificateAge)
	expect("with the whole one", 3)
}

func serialOf(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	inner, err := c.GetConfigForClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(inner.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.Int64()
}

// writePair writes a self-signed certificate and its key, with a modification time of its own.
func writePair(t *testing.T, files config.TLS, serial int64, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	stamped(t, files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), at)
	stamped(t, files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), at)
}

func stamped(t *testing.T, name string, data []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}
