package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

func TestAServerIsFoundThroughItsSentinel(t *testing.T) {
	t.Parallel()
	_, sentinel, master := testredis.Sentinel(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{sentinel.Addr}, Master: testredis.MasterName}), spread(3)
	mustApply(t, s, grants(ids, "e"))
	wantUp(t, s, ids)
	master.Freeze()
	wantDown(t, s, ids)
	master.Thaw()
	wantUp(t, s, ids)
}

// A Cluster's client appends to its list of addresses; two that share one array would write each other's.
func TestTheNodesThatAClusterNamesLandInNobodyElsesAddresses(t *testing.T) {
	t.Parallel()
	addrs := append(make([]string, 0, 8), testredis.Cluster(t).Addrs[0])
	s, ids := ready(t, redisstore.Options{Addrs: addrs, Cluster: true}), spread(9)
	mustApply(t, s, grants(ids, "e"))
	wantUp(t, s, ids)
	for i, addr := range addrs[:cap(addrs)][1:] {
		if addr != "" {
			t.Errorf("the caller's array holds %q at %d, which it never wrote", addr, i+1)
		}
	}
}

func TestAServerIsReachedOverTLSAndHangsNoLookup(t *testing.T) {
	t.Parallel()
	cert, key, roots := certificate(t)
	server := testredis.Start(t, "--tls-port", "0", "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	addr := tlsAddr(t, server)
	o := redisstore.Options{Addrs: []string{addr}, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	s, ids := ready(t, o), spread(3)
	mustApply(t, s, grants(ids, "e"))
	wantUp(t, s, ids)
	server.Freeze()
	wantDown(t, s, ids)          // on connections that stand
	wantDown(t, open(t, o), ids) // in the handshake
	server.Thaw()
	wantUp(t, s, ids)

	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	wantDown(t, open(t, o), ids) // a certificate nobody vouches for
}

// tlsAddr moves the server's TLS listener to a free port.
func tlsAddr(t *testing.T, server *testredis.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	server.MustDo("CONFIG", "SET", "tls-port", port)
	return addr
}

// certificate makes one for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(text)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, content := range map[string][]byte{
		certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, roots
}
