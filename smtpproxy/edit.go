package smtpproxy

import (
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// edit is what becomes of a message's header beside the trace field: the same for every copy.
type edit struct {
	top         []field     // lines that every copy gets
	unsubscribe bool        // each recipient's List-Unsubscribe goes on top
	header      wire.Header // the message's own, as it stands below our lines
	kept        bool        // it brings a List-Unsubscribe or its -Post, and ours stays away
	signed      []string    // names of lines that the stream asks for and a DKIM signature forbids
}

// field is a header line of ours.
type field struct{ name, value string }

// The fields of RFC 2369 and RFC 8058. They come and go together, so that there are never two of either, and never our
// -Post beside the URL of somebody else.
const (
	listUnsubscribe     = "List-Unsubscribe"
	listUnsubscribePost = "List-Unsubscribe-Post"
)

// newEdit decides which of the lines that the stream asks for can stand on a message. ours makes the lines of
// List-Unsubscribe for any one recipient; nil where none are wanted.
func newEdit(h wire.Header, st *gate.Stream, ours func() []byte) edit {
	e := edit{header: h}
	signatures := signaturesOf(h)
	for _, f := range []field{{"List-Id", st.ListID}, {"Feedback-ID", st.FeedbackID}} {
		switch {
		case f.value == "" || h.Count(f.name) > 0:
		case anyBreaks(signatures, h, change{name: f.name, adds: true}):
			e.signed = append(e.signed, f.name)
		default:
			e.top = append(e.top, f)
		}
	}
	if ours != nil {
		e.decideUnsubscribe(st.Existing, signatures, ours)
	}
	return e
}

// decideUnsubscribe deals with List-Unsubscribe and List-Unsubscribe-Post, both or neither.
func (e *edit) decideUnsubscribe(existing gate.ExistingHeader, signatures []signature, ours func() []byte) {
	own := e.header.Count(listUnsubscribe)+e.header.Count(listUnsubscribePost) > 0
	if own && existing != gate.ExistingReplace {
		e.kept = true
		return
	}
	if len(signatures) > 0 && e.unsubscribeBreaks(signatures, wire.Header{Raw: ours()}) {
		e.signed = append(e.signed, listUnsubscribe)
		return
	}
	if own {
		e.header = e.header.Without(listUnsubscribe, listUnsubscribePost)
	}
	e.unsubscribe = true
}

// unsubscribeBreaks reports whether a signature forbids ours in the place of what the message brings.
func (e *edit) unsubscribeBreaks(signatures []signature, ours wire.Header) bool {
	return slices.ContainsFunc([]string{listUnsubscribe, listUnsubscribePost}, func(name string) bool {
		return anyBreaks(signatures, e.header, change{name: name, removes: true, adds: ours.Count(name) > 0})
	})
}

func anyBreaks(signatures []signature, h wire.Header, c change) bool {
	return slices.ContainsFunc(signatures, func(s signature) bool { return s.breaks(h, c) })
}

// editHeader decides about the message's header, counts what is left out, and refuses a message that cannot carry what
// its stream asks for where the stream wants that. Mode observe changes nothing, and a message without copies has
// nothing to change.
func (d *delivery) editHeader() error {
	st := d.tx.stream
	if st.Mode == gate.ModeObserve || len(d.copies) == 0 {
		d.edit.header = d.header
		return nil
	}
	d.edit = newEdit(d.header, st, d.anyLinks())
	if d.edit.kept {
		d.count(gate.CountListKept)
	}
	if len(d.edit.signed) == 0 {
		return nil
	}
	if st.OnSigned == gate.SignedRefuse {
		return d.blockSigned()
	}
	if slices.Contains(d.edit.signed, listUnsubscribe) {
		d.count(gate.CountListSigned)
	}
	d.ses.log.Info("header lines left out, a DKIM signature covers them", "stream", st.Name, "lines", d.edit.signed)
	return nil
}

// anyLinks makes the lines of one recipient, to look at which fields they are; nil where the stream asks for none.
func (d *delivery) anyLinks() func() []byte {
	if !d.copies[0].PerRecipient {
		return nil
	}
	id := d.tx.rcpts[d.copies[0].Recipients[0]].id
	return func() []byte { return d.ses.set.Links.AppendHeader(nil, id, d.tx.stream) }
}

func (d *delivery) blockSigned() error {
	return d.ses.blockAll(d.tx, "data", gate.Decision{
		Verdict: gate.Block, Reason: gate.ReasonUnsubscribeImpossible, Rule: "dkim",
		Hint: "a DKIM signature covers " + strings.Join(d.edit.signed, ", ") + ": send through the gate before signing",
	})
}
