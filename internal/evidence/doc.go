// Package evidence makes the proof of one recipient's consent: a signed JSON document after ISO/IEC TS 27560, and a page
// of it that people read and print.
//
// It computes from what it is given and reads no store, no clock and no file. It is not the record: what counts is what
// gate folds. cmd and admin may import it; of ours it imports gate only.
package evidence
