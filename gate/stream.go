package gate

// Kind is what a stream's mail is. The set is closed.
type Kind string

// The stream kinds. Marketing is what any mail counts as until config says otherwise.
const (
	KindMarketing     Kind = "marketing"
	KindTransactional Kind = "transactional"
	KindService       Kind = "service"
	KindConfirmation  Kind = "confirmation"
)

// OnBlock is what a blocked recipient's client hears.
type OnBlock string

// Reject answers 550 at RCPT; Discard (marketing only) answers 250, never forwards and logs durably first.
const (
	OnBlockReject  OnBlock = "reject"
	OnBlockDiscard OnBlock = "discard"
)

// Mode is whether blocks are enforced.
type Mode string

// Observe decides and logs would_block but delivers unchanged; recorded refusals are enforced even then.
const (
	ModeEnforce Mode = "enforce"
	ModeObserve Mode = "observe"
)

// Stream is a named flow of mail that serves one purpose.
type Stream struct {
	Name         string
	Kind         Kind
	Purpose      string
	Jurisdiction string   // names the pack where the record names none; the only way to an opt-out pack
	Audience     string   // "b2b" or empty for b2c
	Match        []string // reverse-path patterns: exact, *@domain, prefix+*@domain
	Unsubscribe  []string // "https", "mailto": which List-Unsubscribe URIs the stream asks for
	ListID       string   // value of List-Id, empty for none
	FeedbackID   string   // value of Feedback-ID, empty for none
	OnBlock      OnBlock
	Mode         Mode
	Evidence     bool // evidence: required
	ByMail       bool // confirmation streams: request: by_mail
}

// PerRecipient reports whether each recipient gets header lines of their own, so that a message to several is split.
func (s *Stream) PerRecipient() bool { return len(s.Unsubscribe) > 0 && s.Mode != ModeObserve }
