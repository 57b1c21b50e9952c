package redisstore_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/consentgate/consentgate/store/redisstore"
)

func TestTheClockIsTheServers(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m.SetTime(at)
	s := ready(t, redisstore.Options{Addrs: []string{m.Addr()}})
	if got, err := s.Clock(t.Context()); err != nil || !got.Equal(at) {
		t.Errorf("clock %v, error %v, want %v", got, err, at)
	}
	m.Close()
	if _, err := s.Clock(t.Context()); err == nil {
		t.Error("a server that is away has a clock")
	}
}
