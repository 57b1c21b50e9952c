package gate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Sentinels; wrapped with %w by whoever returns them.
var (
	// ErrInvalidAddress: the text is no mailbox of RFC 5321 section 4.1.2 / RFC 6531 that the gate accepts.
	ErrInvalidAddress = errors.New("invalid address")
	// ErrInvalidEvent: a field of an event is missing or wrong; the text names the field and what to do.
	ErrInvalidEvent = errors.New("invalid event")
	// ErrUnavailable: the store did not answer, or its answer cannot be trusted (an emptied shard, an old schema).
	// It is neither consent nor refusal.
	ErrUnavailable = errors.New("store unavailable")
	// ErrChanged: a recipient was changed since they were read; read again.
	ErrChanged = errors.New("recipient was changed meanwhile")
	// ErrUninitialised: the store is empty and was never made a consent store.
	ErrUninitialised = errors.New("store is not initialised")
	// ErrUnfinished: the store is a copy that was not completed. People are missing from it, refusals among them, so it
	// answers for nobody; it wraps ErrUnavailable.
	ErrUnfinished = fmt.Errorf("%w: an unfinished copy: run store copy --update again", ErrUnavailable)
)

// Reader reads the consent records of many recipients in one round trip.
type Reader interface {
	// Records answers every id, in order. It blocks at most until ctx ends.
	Records(ctx context.Context, ids []ID) []Lookup
}

// Change is an event on its way into a store: the recipient by id, the sealed address beside it.
type Change struct {
	ID     ID
	Sealed string // sealed address, empty where the store keeps none
	Event  Event  // without Recipient
	// Live marks an act of the person that happens now: it is timed after everything recorded before it, so that a
	// clock that runs behind cannot lose it.
	Live bool
}

// Applied is what became of one Change.
type Applied struct {
	Record    Record
	Duplicate bool  // an event of this id stood already; nothing changed
	Err       error // nil, or wraps ErrUnavailable
}

// Applier appends events and folds them into records, each Change atomically by itself.
type Applier interface {
	// Apply answers every change, in order; one that fails leaves the others alone.
	Apply(ctx context.Context, changes []Change) []Applied
}

// Person is all that a store holds about one recipient.
type Person struct {
	ID     ID
	Record Record
	Sealed string
	Events []Event // in the order they were applied
}

// Historian reads one recipient's whole history. Somebody unknown is a Person without events.
type Historian interface {
	Person(ctx context.Context, id ID) (Person, error)
}

// Scanner walks every recipient once, in no order; a recipient changed meanwhile may show either state.
type Scanner interface {
	Persons(ctx context.Context) iter.Seq2[Person, error]
}

// Rewrite replaces all that stands about one recipient. Unlike a Change it is taken as it is: nothing in it is
// validated, timed or folded.
type Rewrite struct {
	Was uint64 // version of the record that must stand; 0: nobody
	// Person is what stands afterwards; without events nothing does. The record's version is Was or later, later where
	// the events change, and not below their number.
	Person Person
}

// Rewriter replaces histories: for erasure, for sealing addresses with another key, for copying a store. Each Rewrite
// is atomic by itself.
type Rewriter interface {
	// Rewrite answers every rewrite in order: nil, or an error that wraps ErrChanged or ErrUnavailable.
	Rewrite(ctx context.Context, rewrites []Rewrite) []error
}

// BlockQuery selects block entries; zero fields do not select.
type BlockQuery struct {
	Since, Until time.Time
	Reason       Reason
	Stream       string
	Recipient    ID
	Limit        int // 0: all
}

// Matches reports whether e is selected, Limit aside. Since and Until are inclusive.
func (q BlockQuery) Matches(e BlockEntry) bool {
	return (q.Since.IsZero() || !e.Time.Before(q.Since)) &&
		(q.Until.IsZero() || !e.Time.After(q.Until)) &&
		(q.Reason == "" || e.Reason == q.Reason) &&
		(q.Stream == "" || e.Stream == q.Stream) &&
		(q.Recipient.IsZero() || e.RecipientID == q.Recipient)
}

// BlockLog keeps block entries. Entries arrive at least once: the same ID twice is one entry.
type BlockLog interface {
	AppendBlocks(ctx context.Context, entries []BlockEntry) error
	// Blocks yields matching entries, newest first.
	Blocks(ctx context.Context, q BlockQuery) iter.Seq2[BlockEntry, error]
}

// BlockTrimmer forgets old block entries.
type BlockTrimmer interface {
	// TrimBlocks removes entries that are older than before, in steps that keep nobody waiting, and returns how many
	// went. A store may count an entry's age from its arrival.
	TrimBlocks(ctx context.Context, before time.Time) (removed int, err error)
}

// BlockEraser takes a person out of the block entries.
type BlockEraser interface {
	// EraseBlocks takes from the recipient's entries what BlockEntry.Erase takes, leaves them in their order, and returns
	// how many those were. It is the last step of an erasure: what earlier steps removed is overwritten too, where a store
	// would leave it lying.
	EraseBlocks(ctx context.Context, id ID) (int, error)
}

// Counters keeps sums per UTC day, e.g. "blocked.newsletter.no_consent".
type Counters interface {
	AddCounts(ctx context.Context, day time.Time, counts map[string]int64) error
	Counts(ctx context.Context, from, to time.Time) (map[string]map[string]int64, error) // by day "2026-11-23", inclusive
}

// Ledger remembers which copies of a partly delivered message were accepted, and lends what only one may do at a time.
type Ledger interface {
	// Enter takes the lease of key for owner and ttl and returns the members noted under it, in one round trip. A lease
	// that owner has already begins anew. Where somebody else has it, free is false and nothing is taken.
	Enter(ctx context.Context, key, owner string, ttl time.Duration) (members []string, free bool, err error)
	// Leave gives owner's lease back; somebody else's stays, and so does what is noted.
	Leave(ctx context.Context, key, owner string) error
	// Note adds members to key. All that are noted under it stand for ttl from now on, or longer where they would have.
	Note(ctx context.Context, key string, members []string, ttl time.Duration) error
	// Forget removes members from key, and the lease where it is owner's. Others that are noted stay: a message may come
	// in several transactions.
	Forget(ctx context.Context, key, owner string, members []string) error
	// Open reports whether members are noted under any key. It is cheap, and may say true a while too long.
	Open(ctx context.Context) (bool, error)
}

// Invalidations keeps the marks on sources.
type Invalidations interface {
	// Mark adds a mark. The same ID twice is one.
	Mark(ctx context.Context, m Mark) error
	// Marks returns every mark ever added, in no order. A store that lost them says ErrUnavailable.
	Marks(ctx context.Context) ([]Mark, error)
}

// Trail is the audit log: operators' acts, append-only, each entry chained to the one before it.
type Trail interface {
	// AppendAct adds the act after the head that stands at that moment.
	AppendAct(ctx context.Context, a Act) (AuditEntry, error)
	// Acts yields the entries that stand from the from-th on (from 1), oldest first, as they stand: see CheckTrail.
	Acts(ctx context.Context, from uint64) iter.Seq2[AuditEntry, error]
}

// Wordings keeps the texts that people were shown, for ever.
type Wordings interface {
	// AddWording keeps a text; the error wraps ErrWordingStands where another stands under its id, version and language.
	AddWording(ctx context.Context, w WordingText) error
	// WordingTexts returns those of an id, or all where it is empty, sorted by id, version and language.
	WordingTexts(ctx context.Context, id string) ([]WordingText, error)
}

// Meta is what a store says of itself.
type Meta struct {
	Schema      int
	Fingerprint string // of the id key; see internal/seal
	Created     time.Time
	Unfinished  bool // a copy into it was begun and is not verified
}

// Keeper makes and identifies a store.
type Keeper interface {
	// Meta returns ErrUninitialised where the store is empty, and ErrUnfinished beside what it read where it is an
	// unfinished copy: nobody but who completes the copy goes on then.
	Meta(ctx context.Context) (Meta, error)
	// Init makes an empty store a consent store, an unfinished copy where m says so; it is an error where one stands with
	// another fingerprint, or unfinished and m does not say so.
	Init(ctx context.Context, m Meta) error
	// SetUnfinished marks a store as an unfinished copy before a copy writes to it, and takes the mark away once the
	// copy is verified.
	SetUnfinished(ctx context.Context, unfinished bool) error
	// Ping answers once the store can serve reads and writes.
	Ping(ctx context.Context) error
	// RememberStreams keeps stream code → purpose for ever, so that the tokens of renamed or removed streams still
	// withdraw; Streams reads all that was ever remembered.
	RememberStreams(ctx context.Context, streams map[string]string) error
	Streams(ctx context.Context) (map[string]string, error)
	// Notes checks the settings that keep a store from losing records and returns what is wrong, in sentences.
	Notes(ctx context.Context) ([]string, error)
	Close() error
}

// Store is every port; implementations serve all, users take the small ones.
type Store interface {
	Reader
	Applier
	Historian
	Scanner
	Rewriter
	BlockLog
	BlockTrimmer
	BlockEraser
	Counters
	Ledger
	Invalidations
	Trail
	Wordings
	Keeper
}
