package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// suffix of a segment's name; the digit is the version of the frame.
const suffix = ".log1"

// segment is one file of records, named by its number.
type segment struct {
	num     uint64
	size    int64 // end of the last whole record
	first   time.Time
	newest  time.Time
	damaged bool
}

func (s *segment) add(at time.Time, octets int) {
	if s.size == 0 {
		s.first = at
	}
	s.size += int64(octets)
	s.newest = at
}

func (j *Journal) path(num uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%010d%s", num, suffix))
}

func openSegment(name string) (file, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
}

// hold takes the directory's lock, which ends with the process.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// load surveys the segments, cuts the torn tail of the last and readies it for writing.
func (j *Journal) load() error {
	nums, err := j.numbers()
	if err != nil {
		return err
	}
	for i, num := range nums {
		if err := j.survey(num, i == len(nums)-1); err != nil {
			return err
		}
	}
	if j.at, err = j.saved.open(j.dir); err != nil {
		return err
	}
	if len(nums) == 0 {
		err = j.start()
	} else {
		err = j.resume()
	}
	if err != nil {
		return errors.Join(err, j.saved.close())
	}
	// A cursor behind the end is left by a crash before the records that it counted were on disk.
	if end := j.end(); end.before(j.at) {
		j.at = end
	}
	return nil
}

// numbers lists the segments, oldest first.
func (j *Journal) numbers() ([]uint64, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, err
	}
	var nums []uint64
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), suffix)
		num, err := strconv.ParseUint(base, 10, 64)
		if ok && err == nil && num > 0 {
			nums = append(nums, num)
		}
	}
	slices.Sort(nums)
	return nums, nil
}

// survey reads a segment through. Behind the last record of the last segment stands at most what a crash tore off.
func (j *Journal) survey(num uint64, last bool) error {
	b, err := os.ReadFile(j.path(num))
	if err != nil {
		return err
	}
	s := segment{num: num}
	for pos := 0; pos < len(b); {
		r, start, end, ok := nextFrame(b, pos)
		if !ok && last {
			j.o.Log.Warn("journal cut where a crash tore it", "file", j.path(num), "bytes", len(b)-pos)
			break
		}
		if start > pos {
			s.damaged = true
			j.note(Damage{File: j.path(num), Offset: int64(pos), Bytes: int64(start - pos)})
		}
		if ok {
			s.add(r.at, 0)
		}
		s.size, pos = int64(end), end
	}
	if s.first.IsZero() {
		s.first = j.o.Now()
		s.newest = s.first
	}
	j.segments = append(j.segments, s)
	return nil
}

// start begins the first segment, behind whatever the cursor remembers.
func (j *Journal) start() error {
	f, err := j.create(j.at.seg + 1)
	if err == nil {
		j.begin(j.at.seg+1, f)
	}
	return err
}

// resume opens the last segment for writing behind its last record.
func (j *Journal) resume() error {
	last := j.segments[len(j.segments)-1]
	f, err := j.o.open(j.path(last.num))
	if err != nil {
		return err
	}
	if err := f.Truncate(last.size); err != nil {
		return errors.Join(err, f.Close())
	}
	j.active = f
	return nil
}

// create makes a segment and its name durable.
func (j *Journal) create(num uint64) (file, error) {
	f, err := j.o.open(j.path(num))
	if err != nil {
		return nil, err
	}
	if err := syncDir(j.dir); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(j.path(num)))
	}
	return f, nil
}

// begin makes f, segment num, the one being written. mu is held, or nobody else has the journal yet.
func (j *Journal) begin(num uint64, f file) {
	j.active = f
	j.segments = append(j.segments, segment{num: num})
	j.torn, j.suspect = false, false
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// turn begins the next segment where the current one is large, old or suspect.
func (j *Journal) turn(now time.Time) error {
	j.mu.Lock()
	due := j.due(now)
	j.mu.Unlock()
	if !due {
		return nil
	}
	j.commit.enter()
	defer j.commit.leave()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.due(now) {
		return nil
	}
	return j.rotate()
}

func (j *Journal) due(now time.Time) bool {
	last := j.segments[len(j.segments)-1]
	if j.closed || last.size == 0 {
		return false
	}
	return j.suspect || last.size >= j.o.SegmentSize || now.Sub(last.first) >= j.o.SegmentAge
}

// rotate makes the next segment the one being written, once the last is fsynced. commit and mu are held.
func (j *Journal) rotate() error {
	num := j.segments[len(j.segments)-1].num + 1
	f, err := j.create(num)
	if err != nil {
		return j.fault(err)
	}
	err = j.retire()
	j.begin(num, f)
	return err
}

// note remembers and logs a damaged stretch once. mu is held, or nobody else has the journal yet.
func (j *Journal) note(d Damage) {
	if slices.Contains(j.damage, d) {
		return
	}
	j.damage = append(j.damage, d)
	j.o.Log.Error("journal is damaged", "file", d.File, "offset", d.Offset, "bytes", d.Bytes)
}

// sweep removes the segments that are shipped and past retention. Damaged ones are renamed, for somebody to look at.
func (j *Journal) sweep(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = slices.DeleteFunc(j.segments, func(s segment) bool {
		if s.num >= j.at.seg || now.Sub(s.newest) < j.o.Retention {
			return false
		}
		err := j.discard(s)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.o.Log.Warn("journal segment stays", "file", j.path(s.num), "error", err)
			return false
		}
		return true
	})
}

func (j *Journal) discard(s segment) error {
	name := j.path(s.num)
	if s.damaged {
		return os.Rename(name, name+".damaged")
	}
	return os.Remove(name)
}

// Held reports whether a process has the journal of the directory open. A journal that is about to be opened at this very
// moment may find itself held.
func Held(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // which also lets go of the lock
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
