package journal

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// MaxRecord is the longest record, in octets.
const MaxRecord = 64 << 10

// A record is framed, little endian, as
//
//	CRC-32C of what follows (4) | length of the record (4) | time in Unix milliseconds (8) | record
//
// The checksum covers the length, so that octets of zero are no record.
const frameHead = 16

// record is one record of the journal and when it was appended.
type record struct {
	at   time.Time
	data []byte
}

// checksum is CRC-32C (Castagnoli, RFC 3720 section 12.1). MakeTable returns one shared table.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendFrame appends the framed record to b, which must be empty.
func appendFrame(b []byte, at time.Time, rec []byte) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rec)))
	b = binary.LittleEndian.AppendUint64(b, uint64(at.UnixMilli()))
	b = append(b, rec...)
	binary.LittleEndian.PutUint32(b, checksum(b[4:]))
	return b
}

// parseFrame reads the frame that b begins with and returns its length.
func parseFrame(b []byte) (r record, n int, ok bool) {
	if len(b) < frameHead {
		return record{}, 0, false
	}
	size := binary.LittleEndian.Uint32(b[4:])
	if size > MaxRecord || int(size) > len(b)-frameHead {
		return record{}, 0, false
	}
	n = frameHead + int(size)
	if checksum(b[4:n]) != binary.LittleEndian.Uint32(b) {
		return record{}, 0, false
	}
	at := time.UnixMilli(int64(binary.LittleEndian.Uint64(b[8:]))).UTC()
	return record{at: at, data: b[frameHead:n:n]}, n, true
}

// nextFrame finds the first whole record at or behind pos. It begins at start (start > pos: what lies between is
// damaged) and ends at end. Without one, start and end are len(b).
func nextFrame(b []byte, pos int) (r record, start, end int, ok bool) {
	for start = pos; start+frameHead <= len(b); start++ {
		if r, n, ok := parseFrame(b[start:]); ok {
			return r, start, start + n, true
		}
	}
	return record{}, len(b), len(b), false
}
