package testredis_test

import (
	"testing"

	"github.com/consentgate/consentgate/internal/testredis"
)

func TestAServerKeepsItsDataThroughACrash(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t, "--appendfsync", "always")
	s.MustDo("SET", "key", "value")
	s.Stop()
	if _, err := s.Do("PING"); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start()
	if got := s.MustDo("STRLEN", "key"); got != ":5" {
		t.Errorf("after the restart STRLEN key is %q, want :5", got)
	}
}

func TestAClusterServesEverySlot(t *testing.T) {
	t.Parallel()
	c := testredis.Cluster(t)
	served := 0
	for _, s := range c.Nodes {
		for _, key := range []string{"a", "b", "c", "d"} {
			if reply, err := s.Do("SET", key, "1"); err == nil && reply == "+OK" {
				served++
			}
		}
	}
	if served != 4 {
		t.Errorf("4 keys were taken %d times, want each by one node", served)
	}
}
