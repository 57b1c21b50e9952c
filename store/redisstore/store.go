package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// defaultEntries is how many block entries are kept where Options says nothing.
const defaultEntries = 1_000_000

// Store is a [gate.Store] in Redis. It is safe for concurrent use.
type Store struct {
	quick   redis.UniversalClient // for lookups: gives up early and tries once more
	patient redis.UniversalClient // for all else: bounded by the caller's context, never sends a command twice
	cluster *redis.ClusterClient  // patient, where it is a Cluster's
	script  *redis.Script
	addNew  *redis.Script // for a bulk of recipients that are new
	ledger  ledger
	entries int64

	lanes sync.Map // address of a master → *lane
	// newcomers says that the last bulk of changes met mostly recipients without a record, so that the next need not
	// read before it writes.
	newcomers atomic.Bool
	// readOnly is until when (Unix nanoseconds) the server counts as one that takes no writes; 0: it takes them.
	readOnly atomic.Int64
}

var _ gate.Store = (*Store)(nil)

// Open returns a store that connects when it is first used: a server that is down now makes calls return
// [gate.ErrUnavailable] until it is up.
func Open(o Options) (*Store, error) {
	if len(o.Addrs) == 0 {
		return nil, errors.New("redis: no address given")
	}
	if o.Entries == 0 {
		o.Entries = defaultEntries
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	redis.SetLogger(quiet{o.Logger})
	s := &Store{
		quick:   newClient(o, lookupTimeout, 1),
		patient: newClient(o, workTimeout, -1),
		script:  redis.NewScript(applyText),
		addNew:  redis.NewScript(addNewText),
		ledger:  newLedger(),
		entries: o.Entries,
	}
	s.cluster, _ = s.patient.(*redis.ClusterClient)
	return s, nil
}

// Close closes the connections and waits for lookups that run.
func (s *Store) Close() error {
	s.lanes.Range(func(_, l any) bool {
		l.(*lane).lookups.Close()
		return true
	})
	return errors.Join(s.quick.Close(), s.patient.Close())
}

// unavailable wraps what Redis or the way to it said.
func unavailable(err error) error {
	if errors.Is(err, gate.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: redis: %w", gate.ErrUnavailable, err)
}

// orUnavailable is unavailable for calls that may have gone well.
func orUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}

// pipe runs what fill queues in one trip. The error is that of the trip or of the first command that failed; a
// missing key is none.
func pipe(ctx context.Context, c redis.UniversalClient, fill func(p redis.Pipeliner)) error {
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		fill(p)
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
