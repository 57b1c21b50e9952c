package smtpproxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

const (
	// ledgerTTL is how long a partly delivered message is remembered for the client's retry.
	ledgerTTL = 7 * 24 * time.Hour
	// unheardTTL is the same for one whose 250 nobody heard. It is shorter, since the client may not try again at all.
	unheardTTL = 12 * time.Hour
	// ledgerTime bounds a call to the ledger. It writes durably, which takes longer than a lookup.
	ledgerTime = 5 * time.Second
	// leaveTime bounds giving a lease back: one that stays is free for this gate and ends by itself.
	leaveTime = time.Second
	// leaseMargin is added to the longest that a delivery may take: the last copy's answer may come late.
	leaseMargin = 2 * time.Minute
)

// ledgerKey names the message: reverse-path and content. The members under it are recipient ids, so nothing in the
// ledger names a person. It is asked for when the whole message has been read.
func (d *delivery) ledgerKey() string {
	if d.key == "" {
		_, _ = d.sum.hash.Write([]byte("\x00" + d.tx.sender.Canonical()))
		d.key = "message:" + hex.EncodeToString(d.sum.hash.Sum(nil))
	}
	return d.key
}

// digest is the SHA-256 of a message that passes. One that nobody has to know is given up where it becomes costly. Nil
// is none at all.
type digest struct {
	hash   hash.Hash
	needed bool
	size   int // of the body so far
}

// digestMost is how many octets of a body are hashed without need: 40 microseconds.
const digestMost = 64 << 10

func newDigest(needed bool) *digest { return &digest{hash: sha256.New(), needed: needed} }

// begin takes the header, which is bounded.
func (s *digest) begin(header []byte) {
	if s != nil {
		_, _ = s.hash.Write(header)
	}
}

// need keeps a digest to the end of its message. It is called before the body comes.
func (s *digest) need() {
	if s != nil {
		s.needed = true
	}
}

// add takes a piece of the body.
func (s *digest) add(p []byte) {
	if s == nil {
		return
	}
	if s.size += len(p); s.known() {
		_, _ = s.hash.Write(p)
	}
}

func (s *digest) known() bool { return s != nil && (s.needed || s.size <= digestMost) }

// note writes down who has the message, so that a retry of the same bytes leaves them out. Where that fails the retry
// sends to them again.
func (d *delivery) note(ctx context.Context, recipients []int, ttl time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
	defer cancel()
	if err := d.ses.srv.opt.Ledger.Note(ctx, d.ledgerKey(), d.members(recipients), ttl); err != nil {
		d.count(gate.CountLedgerFailed)
		d.ses.log.Error("who has the message could not be noted, its retry repeats them", "recipients", len(recipients), "err", err)
	}
}

// members are recipients as the ledger knows them.
func (d *delivery) members(recipients []int) []string {
	out := make([]string, len(recipients))
	for i, r := range recipients {
		out[i] = d.tx.rcpts[r].member()
	}
	return out
}

// member is the recipient as the ledger knows it: the id, and where its mailbox is spelled otherwise than the id's, two
// octets that tell spellings apart, since each gets a copy. Two say nothing about the address to whom it is not known.
func (r *recipient) member() string {
	if r.path.Mailbox == r.addr.Canonical() {
		return r.id.String()
	}
	spelling := sha256.Sum256([]byte(r.path.Mailbox))
	return r.id.String() + "." + hex.EncodeToString(spelling[:2])
}

// enter takes the message's lease, so that nobody else sends it at the same time, and leaves out what an earlier try
// delivered. The lease is this gate's: its sessions exclude each other here, and one that lost its lease to a timeout
// is not in the way of the client's retry.
//
// Without the ledger nothing is sent, a copy twice is worse than a copy later, but for transactional mail: that does
// not wait for the store.
func (d *delivery) enter(ctx context.Context) error {
	srv, key := d.ses.srv, d.ledgerKey()
	if !srv.delivering.enter(key, 1) {
		return beingDelivered
	}
	d.entered = true
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	members, free, err := srv.opt.Ledger.Enter(ctx, key, srv.owner, d.ses.set.Limits.Deliver+leaseMargin)
	switch {
	case err != nil && d.tx.stream.Kind == gate.KindTransactional:
		d.count(gate.CountWithoutLedger)
		d.ses.log.Warn("sent without the delivery ledger", "err", err)
	case err != nil:
		return err
	case !free:
		return beingDelivered
	}
	d.leaveOut(members)
	return nil
}

// leaveOut takes those out of the copies who have the message from an earlier try.
func (d *delivery) leaveOut(members []string) {
	d.noted = len(members) > 0
	if !d.noted {
		return
	}
	has := make(map[string]bool, len(members))
	for _, m := range members {
		has[m] = true
	}
	served := func(r int) bool { return has[d.tx.rcpts[r].member()] }
	for i, c := range d.copies {
		for _, r := range c.Recipients {
			if served(r) {
				d.results[r] = result{fate: accepted}
			}
		}
		d.copies[i].Recipients = slices.DeleteFunc(slices.Clone(c.Recipients), served)
	}
	d.copies = slices.DeleteFunc(d.copies, func(c gate.Copy) bool { return len(c.Recipients) == 0 })
}

// leave gives the lease back, one too that may have been taken without an answer, and where the message is done ends
// the notes about its recipients. What cannot be removed ends by itself.
func (d *delivery) leave(ctx context.Context, done bool) {
	if !d.entered {
		return
	}
	srv, bound := d.ses.srv, leaveTime
	if done && d.noted {
		bound = ledgerTime
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	var err error
	if done && d.noted {
		err = srv.opt.Ledger.Forget(ctx, d.ledgerKey(), srv.owner, d.members(d.owed))
	} else {
		err = srv.opt.Ledger.Leave(ctx, d.ledgerKey(), srv.owner)
	}
	if err != nil {
		d.ses.log.Warn("delivery ledger", "err", err)
	}
	srv.delivering.leave(d.ledgerKey())
	d.entered = false
}

// handOn sends the 250 of a message and sees whether anybody is left to hear it. Where nobody is, the client will try
// again: what the ledger has is answered 250 then and not sent. A message that was not hashed, since it has one
// recipient or is large, is sent again.
func (d *delivery) handOn(ctx context.Context) {
	s := d.ses
	if !d.acknowledged || s.conn.Buffered() || s.present() && s.conn.Flush() == nil {
		return
	}
	d.count(gate.CountUnheard)
	s.log.Warn("the client left before it heard that its message was accepted", "stream", d.tx.stream.Name,
		"message_id", d.tx.messageID, "recipients", len(d.owed))
	if d.sum.known() {
		d.note(ctx, d.owed, unheardTTL)
	}
}
