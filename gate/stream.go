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

// ExistingHeader is what becomes of a List-Unsubscribe that a message brings.
type ExistingHeader string

// ExistingKeep, also where nothing is set, leaves the message's own and adds none; ExistingReplace takes it out and puts
// ours on top.
const (
	ExistingKeep    ExistingHeader = "keep"
	ExistingReplace ExistingHeader = "replace"
)

// OnSigned is what becomes of a message whose DKIM signature a header line of ours would break.
type OnSigned string

// SignedLeave, also where nothing is set, sends the message without the line; SignedRefuse blocks it as
// ReasonUnsubscribeImpossible.
const (
	SignedLeave  OnSigned = "leave"
	SignedRefuse OnSigned = "refuse"
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
	Existing     ExistingHeader
	OnSigned     OnSigned
	OnBlock      OnBlock
	Mode         Mode
	Evidence     bool // evidence: required
	ByMail       bool // confirmation streams: request: by_mail
}

// PerRecipient reports whether each recipient gets header lines of their own, so that a message to several is split.
func (s *Stream) PerRecipient() bool { return len(s.Unsubscribe) > 0 && s.Mode != ModeObserve }
