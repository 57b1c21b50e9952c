package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// readOnlyFor is how long lookups are refused after a write was: a server that was made a replica goes on answering
// them, with what its new master had a while ago. Whoever watches the store pings it more often.
const readOnlyFor = 3 * time.Second

var errReadOnly = errors.New("the server takes no writes: it was made a replica, and what it says of people may be old")

// Lineage names the histories that the masters write: another name says that one of them was restarted or replaced, and
// that what was last written may be lost with it.
func (s *Store) Lineage(ctx context.Context) (string, error) {
	masters, err := s.masters(ctx)
	if err != nil {
		return "", unavailable(err)
	}
	names := make([]string, len(masters))
	for i, m := range masters {
		info, err := m.Info(ctx, "replication").Result()
		if err != nil {
			return "", unavailable(err)
		}
		_, after, _ := strings.Cut(info, "master_replid:")
		names[i], _, _ = strings.Cut(after, "\r")
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// heed remembers whether a write was refused for being one.
func (s *Store) heed(err error) {
	switch {
	case err == nil:
		s.readOnly.Store(0)
	case redis.HasErrorPrefix(err, "READONLY"):
		s.readOnly.Store(time.Now().Add(readOnlyFor).UnixNano())
	}
}

// isReadOnly reports whether that was a moment ago. A Cluster's replica sends lookups on to its master, so that there
// it concerns nobody.
func (s *Store) isReadOnly() bool {
	until := s.readOnly.Load()
	return until != 0 && s.cluster == nil && time.Now().UnixNano() < until
}

// refuse answers n lookups with an error.
func refuse(n int, err error) []gate.Lookup {
	out := make([]gate.Lookup, n)
	for i := range out {
		out[i].Err = unavailable(err)
	}
	return out
}
