package journal_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/journal"
)

// FuzzReplay opens arbitrary octets as the segments of a journal: nothing panics, and what is handed out stood there
// with a right checksum.
func FuzzReplay(f *testing.F) {
	one := journal.Frame(time.UnixMilli(1_700_000_000_000), []byte("one"))
	two := journal.Frame(time.UnixMilli(1_700_000_000_001), []byte("two"))
	both := append(bytes.Clone(one), two...)
	f.Add([]byte(nil), []byte(nil))
	f.Add(both, one)
	f.Add(both[:len(both)-2], both[3:])
	f.Add(append([]byte("junk"), both...), append(both, "junk"...))
	f.Add(make([]byte, 64), bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, first, last []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{"0000000001.log1": first, "0000000002.log1": last} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j := open(t, dir, journal.Options{})
		err := j.Replay(time.Time{}, func(at time.Time, rec []byte) error {
			if frame := reference(at, rec); !bytes.Contains(first, frame) && !bytes.Contains(last, frame) {
				t.Errorf("record %q never stood there", rec)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		appendAll(t, j, "the journal still works")
		if got := replay(t, j); got[len(got)-1] != "the journal still works" {
			t.Errorf("the new record is not the last of %q", got)
		}
	})
}

// reference frames a record as frame.go documents it.
func reference(at time.Time, rec []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(rec)))
	b = binary.LittleEndian.AppendUint64(b, uint64(at.UnixMilli()))
	b = append(b, rec...)
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return append(binary.LittleEndian.AppendUint32(nil, sum), b...)
}
