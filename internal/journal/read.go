package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Replay hands every record appended at or after since to fn, oldest first, shipped or not, until fn returns an error.
// The record must not be kept after fn returns.
func (j *Journal) Replay(since time.Time, fn func(at time.Time, rec []byte) error) error {
	return j.each(cursor{}, func(r record) error {
		if r.at.Before(since) {
			return nil
		}
		return fn(r.at, r.data)
	})
}

// Unshipped hands every record that Ship has yet to deliver to fn, as Replay does.
func (j *Journal) Unshipped(fn func(at time.Time, rec []byte) error) error {
	return j.each(j.place(), func(r record) error { return fn(r.at, r.data) })
}

func (j *Journal) each(from cursor, fn func(record) error) error {
	for {
		next, err := j.walk(from, j.o.BatchRecords, fn)
		if err != nil || next == from {
			return err
		}
		from = next
	}
}

// tail returns what stands at c or, where nothing does, at the first record behind it, and where that is. Nothing at
// all is the end of the journal.
func (j *Journal) tail(c cursor) ([]byte, cursor, error) {
	f, from, size, err := j.locate(c)
	if f == nil || err != nil {
		return nil, from, err
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, from.off)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, from, errors.Join(err, f.Close())
}

// locate opens the segment that c points into; open, it can be read even while sweep removes it.
func (j *Journal) locate(c cursor) (*os.File, cursor, int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		from := cursor{seg: s.num}
		if s.num == c.seg {
			from = c
		}
		if s.num < c.seg || from.off >= s.size {
			continue
		}
		f, err := os.Open(j.path(s.num))
		if errors.Is(err, fs.ErrNotExist) { // sweep would have taken it off the list
			j.note(Damage{File: j.path(s.num), Bytes: s.size})
			continue
		}
		return f, from, s.size - from.off, err
	}
	return nil, j.end(), 0, nil
}

// end is the cursor behind the last record. mu is held.
func (j *Journal) end() cursor {
	last := j.segments[len(j.segments)-1]
	return cursor{seg: last.num, off: last.size}
}

// walk hands at most limit records of one segment to fn, from c on, and returns where the next one stands. It returns
// c itself at the end of the journal.
func (j *Journal) walk(c cursor, limit int, fn func(record) error) (cursor, error) {
	b, c, err := j.tail(c)
	if err != nil {
		return c, err
	}
	base, pos := c.off, 0
	for n := 0; n < limit && pos < len(b); n++ {
		r, start, end, ok := nextFrame(b, pos)
		if start > pos {
			j.spoilt(cursor{seg: c.seg, off: base + int64(pos)}, start-pos)
		}
		if ok {
			if err := fn(r); err != nil {
				return cursor{seg: c.seg, off: base + int64(pos)}, err
			}
		}
		pos = end
	}
	return cursor{seg: c.seg, off: base + int64(pos)}, nil
}

// spoilt notes damage found while reading, so that the segment is kept.
func (j *Journal) spoilt(at cursor, octets int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(Damage{File: j.path(at.seg), Offset: at.off, Bytes: int64(octets)})
	for i := range j.segments {
		if j.segments[i].num == at.seg {
			j.segments[i].damaged = true
		}
	}
}
