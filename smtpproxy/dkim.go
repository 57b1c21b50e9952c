package smtpproxy

import (
	"strings"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// signature is the field names of one DKIM signature's h= tag, each as often as it is listed (RFC 6376 section 3.5).
// Nothing is verified: a signature that is void for other reasons counts all the same.
type signature []string

// signaturesOf reads every DKIM-Signature of a header.
func signaturesOf(h wire.Header) []signature {
	var all []signature
	for f := range h.Fields() {
		if f.Is("DKIM-Signature") {
			all = append(all, signedNames(f.Value()))
		}
	}
	return all
}

// signedNames reads the h= tag of a tag list. Blanks count nowhere, not even within a name, where RFC 6376 has none:
// some verifiers skip them there too. Of several h= tags, which make a list void, each counts.
func signedNames(tags string) signature {
	tags = strings.NewReplacer(" ", "", "\t", "").Replace(tags)
	var names signature
	for tag := range strings.SplitSeq(tags, ";") {
		if list, ok := strings.CutPrefix(tag, "h="); ok {
			names = append(names, strings.Split(list, ":")...)
		}
	}
	return names
}

// change is what is done to the fields of one name: all that the message has leave, one of ours comes on top.
type change struct {
	name    string
	removes bool
	adds    bool
}

// breaks reports whether the change of a header makes the signature fail. A signer takes fields of a name from the
// bottom, one for each time that the name is listed, and a listing without a field says that there is none (RFC 6376
// sections 5.4.2 and 8.15).
func (s signature) breaks(h wire.Header, c change) bool {
	listed, present := s.times(c.name), h.Count(c.name)
	switch {
	case listed == 0:
		return false
	case c.removes && present > 0:
		return true
	}
	return c.adds && listed > present
}

func (s signature) times(name string) int {
	n := 0
	for _, signed := range s {
		if len(signed) == len(name) && strings.EqualFold(signed, name) { // of one length: no letter outside ASCII folds
			n++
		}
	}
	return n
}
