package smtpproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// trace is what the Received fields of this gate hold and no other's do.
type trace struct {
	begin string
	mark  string
}

// traceOf is the trace of a gate of this name. The mark tells gates of the same name apart: it is a hash of name and
// instance, and leads back to neither.
func traceOf(hostname, instance string) trace {
	sum := sha256.Sum256([]byte(hostname + "\x00" + instance))
	return trace{begin: "by " + hostname + " (consentgate) with ", mark: "(gate " + hex.EncodeToString(sum[:4]) + ")"}
}

// passes is how often a message with this header went through the gate before. Relays put their fields on top of ours;
// one that writes ours anew may fold them elsewhere.
func (t trace) passes(h wire.Header) int {
	n := 0
	for f := range h.Fields() {
		if !f.Is("Received") || !bytes.Contains(f.Raw, []byte("(consentgate)")) {
			continue
		}
		value := strings.Join(strings.Fields(f.Value()), " ")
		if strings.HasPrefix(value, t.begin) && strings.Contains(value, t.mark) {
			n++
		}
	}
	return n
}
