package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestASMIMESignatureStillVerifiesBehindTheGateAndPostfix: S/MIME, signed and verified by OpenSSL, with a link of the
// gate's on top.
func TestASMIMESignatureStillVerifiesBehindTheGateAndPostfix(t *testing.T) {
	t.Parallel()
	box, web := startPostfix(t), freeAddr(t)
	conf := configFile(t, `
default_stream: newsletter
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+box.addr+`"}]
streams:
  newsletter: {kind: marketing, purpose: marketing, unsubscribe: [https]}
unsubscribe: {listen: "`+web+`", public_url: "http://`+web+`"}
`)
	g := startGate(t, embedded(t), "--config", conf)
	g.grant("ann@example.com", "active")
	cert, key := certificate(t)
	text := "Content-Type: text/plain; charset=utf-8\r\n\r\nCaf\xc3\xa9\r\n.dot\r\n  blanks at the end  \r\n\r\n"
	signed := openssl(t, []byte(text), "smime", "-sign", "-crlfeol", "-signer", cert, "-inkey", key, "-from", sender, "-to", "ann@example.com", "-subject", "signed")
	signed = bytes.ReplaceAll(bytes.ReplaceAll(signed, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))

	if o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com"}, Data: signed}); o.Code != 250 || len(o.Refused) != 0 {
		t.Fatalf("smtplib: %+v", o)
	}
	got := box.wait(1)[0].data
	behindOurLines(t, got, string(signed))
	unsubscribeLink(t, got)
	if verified := openssl(t, got, "smime", "-verify", "-noverify", "-certfile", cert); !strings.Contains(string(verified), "Caf\xc3\xa9") {
		t.Errorf("OpenSSL read %q", verified)
	}
}

// openssl runs one of its commands on a message and returns what it makes of it.
func openssl(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, in, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t, "openssl"), append(args, "-in", file)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[1], err, stderr.String())
	}
	return out
}
