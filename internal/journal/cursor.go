package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// cursor is a place in the journal: a segment's number and an offset in it.
type cursor struct {
	seg uint64
	off int64
}

func (c cursor) before(d cursor) bool { return c.seg < d.seg || c.seg == d.seg && c.off < d.off }

// mark is the cursor on disk: segment (8), offset (8), CRC-32C (4), written in place. Torn, it reads as the beginning.
type mark struct {
	file *os.File
	at   cursor
	when time.Time
}

const markSize = 20

func (m *mark) open(dir string) (cursor, error) {
	f, err := os.OpenFile(filepath.Join(dir, "cursor"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return cursor{}, err
	}
	m.file = f
	var b [markSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return cursor{}, errors.Join(err, f.Close())
	}
	if checksum(b[:16]) != binary.LittleEndian.Uint32(b[16:]) {
		return cursor{}, nil
	}
	m.at.seg = binary.LittleEndian.Uint64(b[:])
	m.at.off = max(0, int64(binary.LittleEndian.Uint64(b[8:])))
	return m.at, nil
}

// save puts the cursor on disk. Ship's alone, so it needs no lock.
func (j *Journal) save(at cursor) error {
	m := &j.saved
	if at == m.at {
		return nil
	}
	var b [markSize]byte
	binary.LittleEndian.PutUint64(b[:], at.seg)
	binary.LittleEndian.PutUint64(b[8:], uint64(at.off))
	binary.LittleEndian.PutUint32(b[16:], checksum(b[:16]))
	if _, err := m.file.WriteAt(b[:], 0); err != nil {
		return j.fault(err)
	}
	if err := m.file.Sync(); err != nil {
		return j.fault(err)
	}
	m.at, m.when = at, j.o.Now()
	return nil
}

func (m *mark) close() error { return m.file.Close() }
