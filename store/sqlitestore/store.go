// Package sqlitestore keeps consent records in one SQLite file: the embedded default.
//
// The file is in WAL mode with synchronous=FULL, so that what was acknowledged survives a power cut, and a second
// process (the command line) may read and write while the gate runs. Writers share transactions; one that has much to
// write gives the lock up every few milliseconds, so that a withdrawal from another process gets its turn.
//
// Reading never creates a store: a missing file is an uninitialised store, and only Init makes one. The fold is
// gate's; SQL knows nothing of consent. The package imports gate and nothing else of ours but
// store/internal/combine; store and tests import it.
package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store/internal/combine"
)

// defaultEntries is how many block entries are kept where Options says nothing.
const defaultEntries = 1_000_000

// Options says where the file is.
type Options struct {
	Path    string
	Entries int64            // how many block entries are kept; 0: 1,000,000
	Now     func() time.Time // clock of times to live; nil: time.Now
}

// Store is a [gate.Store] in a file. It is safe for concurrent use, by several processes too.
type Store struct {
	path    string
	entries int64
	now     func() time.Time
	writes  *combine.Group[*job]

	mu    sync.Mutex
	file  *file // nil until the file is there and holds our schema
	moved bool  // the path leads to another file, or to none, since; as of the last Meta
}

// errMoved: other processes do not see the file that is open here, nor we what they write.
var errMoved = errors.New("the file was removed or replaced while it was in use: put it back, or restart to use what is there now")

var _ gate.Store = (*Store)(nil)

// Open returns a store that opens its file when it is first used: one that is missing now makes calls say so until
// Init, here or in another process, has made it.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("sqlite: no path given")
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	s := &Store{path: path, entries: o.Entries, now: o.Now}
	if s.entries == 0 {
		s.entries = defaultEntries
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.writes = combine.New(s.commit)
	return s, nil
}

// Close waits for writes that run and closes the file.
func (s *Store) Close() error {
	s.writes.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.close()
}

// opened returns the open file.
func (s *Store) opened(ctx context.Context) (*file, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.unavailable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		f, err := openFile(ctx, s.path)
		if err != nil {
			return nil, s.unavailable(err)
		}
		s.file = f
	}
	if s.moved {
		return nil, s.unavailable(errMoved)
	}
	return s.file, nil
}

// locate finds out whether the path still leads to the file that is open.
func (s *Store) locate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return
	}
	info, err := os.Stat(s.path)
	s.moved = err != nil || !os.SameFile(info, s.file.info)
}

// unavailable wraps what SQLite or the file system said.
func (s *Store) unavailable(err error) error {
	if err == nil || errors.Is(err, gate.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: sqlite: %s: %w", gate.ErrUnavailable, s.path, err)
}
