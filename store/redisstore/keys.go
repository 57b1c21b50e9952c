package redisstore

import (
	"iter"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// schema is the layout that this package reads and writes; the sentinels and cg:meta hold it.
const schema = "1"

// The keys that are one each.
const (
	metaKey   = "cg:meta"
	blocksKey = "cg:blocks"
)

// recordPattern matches record keys and nothing else of ours: tt is 2 characters, an id 22.
const recordPattern = "cg:{??}:??????????????????????"

// recordPrefix is the length of "cg:{tt}:" before the id in a record key.
const recordPrefix = len("cg:{tt}:")

// keys are those of one recipient.
type keys struct{ sentinel, record, history string }

func keysOf(id gate.ID) keys {
	text := id.String()
	record := "cg:{" + text[:2] + "}:" + text
	return keys{sentinel: record[:recordPrefix-1], record: record, history: record + ":h"}
}

// sentinelCount is the number of values of tt.
const sentinelCount = 64 * 64

// sentinels yields the sentinel keys.
func sentinels() iter.Seq[string] {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return func(yield func(string) bool) {
		for _, a := range alphabet {
			for _, b := range alphabet {
				if !yield("cg:{" + string(a) + string(b) + "}") {
					return
				}
			}
		}
	}
}

func countKey(day time.Time) string { return "cg:n:" + day.UTC().Format(time.DateOnly) }

func ledgerKey(key string) string { return "cg:l:{" + key + "}" }

func leaseKey(key string) string { return ledgerKey(key) + ":c" }

// openKey is a sorted set: the ledger's keys that have members, by when those expire.
const openKey = "cg:l:{open}"
