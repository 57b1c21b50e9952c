// Package store opens the consent store that a URL names: Redis or Valkey, or the embedded SQLite file.
//
// It knows the URLs and nothing of records; redisstore and sqlitestore keep them. Commands and internal/app import it.
package store

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store/redisstore"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// DefaultFile is the name of the embedded store in the data folder.
const DefaultFile = "consent.db"

// Options are what the URL does not say.
type Options struct {
	Entries int64        // block entries that are kept; 0: 1,000,000
	DataDir string       // folder of the embedded store where the URL names no path
	Logger  *slog.Logger // nil: nothing is logged
}

// Open returns the store that url names:
//
//	redis://[username:password@]host[:port][/db]        rediss:// with TLS
//	unix:[//[username:password@]]/path/to/socket[?db=n]
//	redis+sentinel://[username:password@]host[:port],…/master[/db]
//	redis+cluster://[username:password@]host[:port],…   rediss+sentinel:// and rediss+cluster:// with TLS
//	sqlite:path                                         sqlite: or "" is DefaultFile in Options.DataDir
//
// It neither connects nor creates anything: a store that is down makes calls return gate.ErrUnavailable, one that is
// not there or empty makes Meta return gate.ErrUninitialised. The error is that of a wrong URL, in one sentence that
// never holds the password.
func Open(_ context.Context, url string, o Options) (gate.Store, error) {
	t, err := parse(url, o)
	if err != nil {
		return nil, err
	}
	if t.sqlite {
		return sqlitestore.Open(sqlitestore.Options{Path: t.path, Entries: o.Entries})
	}
	t.redis.Entries = o.Entries
	t.redis.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return redisstore.Open(t.redis)
}
