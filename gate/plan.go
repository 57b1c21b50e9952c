package gate

import "slices"

// Copy is one upstream transaction of a message. Recipients are the caller's indices, in the order of the envelope.
type Copy struct {
	Recipients   []int
	PerRecipient bool // header lines of its own are added for its one recipient
}

// Plan lists the copies that reach the permitted recipients: one for each where the stream adds lines per recipient,
// otherwise one for all, cut where the upstream takes no more than rcptMax recipients (0: no limit). Nobody permitted
// makes no copy.
func Plan(s *Stream, permitted []int, rcptMax int) []Copy {
	size := rcptMax
	switch {
	case len(permitted) == 0:
		return nil
	case s.PerRecipient():
		size = 1
	case size <= 0:
		size = len(permitted)
	}
	copies := make([]Copy, 0, (len(permitted)+size-1)/size)
	for part := range slices.Chunk(permitted, size) {
		copies = append(copies, Copy{Recipients: part, PerRecipient: s.PerRecipient()})
	}
	return copies
}
