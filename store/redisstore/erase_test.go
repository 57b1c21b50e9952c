package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// What Redis would write to disk of any key (DUMP) holds nothing of a person who was erased.
func TestAnErasureLeavesNoMarkerInRedis(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	// Without compression a marker cannot hide.
	server.MustDo("CONFIG", "SET", "rdbcompression", "no")
	server.MustDo("CONFIG", "SET", "list-compress-depth", "0")
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { c.Close() })
	gatetest.TestErasure(t, open(t, redisstore.Options{Addrs: []string{server.Addr}}), func(ctx context.Context) (found []byte) {
		keys := c.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			dump, err := c.Dump(ctx, keys.Val()).Result()
			if err != nil {
				t.Fatal(err)
			}
			found = append(append(found, keys.Val()...), dump...)
		}
		if err := keys.Err(); err != nil {
			t.Fatal(err)
		}
		return found
	})
}
