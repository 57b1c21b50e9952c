package redisstore_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// many returns n ids as they come from an HMAC.
func many(n int) []gate.ID {
	ids := make([]gate.ID, n)
	for i := range ids {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		ids[i] = gate.ID(sum[:16])
	}
	return ids
}

func BenchmarkRecords(b *testing.B) {
	server := testredis.Start(b)
	s, ids := ready(b, redisstore.Options{Addrs: []string{server.Addr}}), many(gatetest.BenchRecipients(b))
	for part := range slices.Chunk(ids, 1000) {
		mustApply(b, s, grants(part, "e"))
	}
	gatetest.BenchLookups(b, s, ids)
}

// BenchmarkRecords16 is what sixteen sessions do: one lookup each, all the time. The combiner is what it measures; the
// lookups of a store each of its own share nothing.
func BenchmarkRecords16(b *testing.B) {
	const callers = 16
	server := testredis.Start(b)
	o := redisstore.Options{Addrs: []string{server.Addr}}
	shared, ids := ready(b, o), many(10_000)
	mustApply(b, shared, grants(ids, "e"))
	var own []*redisstore.Store
	for range callers {
		own = append(own, open(b, o))
	}
	for _, c := range []struct {
		name  string
		store func(caller int) *redisstore.Store
	}{
		{"combined", func(int) *redisstore.Store { return shared }},
		{"each its own", func(caller int) *redisstore.Store { return own[caller] }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for caller := range callers {
				s := c.store(caller)
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						at := int(i) % len(ids)
						if l := s.Records(b.Context(), ids[at:at+1])[0]; l.Err != nil {
							b.Error(l.Err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkApplyOne(b *testing.B) {
	server := testredis.Start(b)
	s := ready(b, redisstore.Options{Addrs: []string{server.Addr}})
	ids := many(1 << 20)
	for i := 0; b.Loop(); i++ {
		mustApply(b, s, grants(ids[i:i+1], "e"))
	}
}

// BenchmarkImport is a bulk of new recipients from two writers; it reports records a second.
func BenchmarkImport(b *testing.B) {
	const batch, writers = 2048, 2
	server := testredis.Start(b)
	s, ids := ready(b, redisstore.Options{Addrs: []string{server.Addr}}), many(1<<20)
	changes := grants(ids, "e")
	mustApply(b, s, changes[:batch]) // learns that recipients are new
	var next atomic.Int64
	next.Store(batch)
	cpu := cpuSeconds(b, server)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := 0; i < b.N/writers; i += batch {
				from := int(next.Add(batch)) - batch
				if from+batch > len(changes) {
					b.Error("the benchmark has run out of recipients")
					return
				}
				for _, a := range s.Apply(b.Context(), changes[from:from+batch]) {
					if a.Err != nil {
						b.Error(a.Err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	records := float64(next.Load() - batch)
	b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric((cpuSeconds(b, server)-cpu)*1e6/records, "redis-µs/record")
}

// BenchmarkMemory reports what a recipient with one consent costs in Redis: the record alone, and its history.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		record := memoryOfEach(b, false)
		both := memoryOfEach(b, true)
		b.ReportMetric(record, "B/record")
		b.ReportMetric(both-record, "B/history")
	}
}

// memoryOfEach returns the bytes a recipient takes, with the history or without.
func memoryOfEach(b *testing.B, histories bool) float64 {
	b.Helper()
	const batch = 1000
	people := max(100_000, gatetest.BenchRecipients(b)) / batch * batch
	server := testredis.Start(b)
	defer server.Stop()
	s, ids := ready(b, redisstore.Options{Addrs: []string{server.Addr}}), many(people)
	before := usedMemory(b, server)
	for from := 0; from < people; from += batch {
		mustApply(b, s, grants(ids[from:from+batch], "e"))
		if !histories {
			deleteHistories(b, server, ids[from:from+batch])
		}
	}
	return (usedMemory(b, server) - before) / float64(people)
}

// deleteHistories leaves the records alone.
func deleteHistories(b *testing.B, server *testredis.Server, ids []gate.ID) {
	b.Helper()
	conn := dial(b, server)
	defer conn.Close()
	w := bufio.NewWriter(conn)
	for _, id := range ids {
		text := id.String()
		fmt.Fprintf(w, "DEL cg:{%s}:%s:h\r\n", text[:2], text)
	}
	go w.Flush()
	if _, err := io.CopyN(io.Discard, conn, int64(len(":1\r\n")*len(ids))); err != nil {
		b.Fatal(err)
	}
}

// usedMemory is what the data takes: the whole without the clients' buffers.
func usedMemory(b *testing.B, server *testredis.Server) float64 {
	b.Helper()
	used := info(b, server, "memory", "used_memory", "mem_clients_normal")
	return used[0] - used[1]
}

// cpuSeconds is what the server has used.
func cpuSeconds(b *testing.B, server *testredis.Server) float64 {
	b.Helper()
	used := info(b, server, "cpu", "used_cpu_user", "used_cpu_sys")
	return used[0] + used[1]
}

// info reads numbers of one section of INFO.
func info(b *testing.B, server *testredis.Server, section string, fields ...string) (numbers []float64) {
	b.Helper()
	conn := dial(b, server)
	defer conn.Close()
	fmt.Fprintf(conn, "INFO %s\r\nQUIT\r\n", section)
	text, err := io.ReadAll(conn)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range fields {
		_, after, _ := strings.Cut(string(text), "\n"+name+":")
		value, _, _ := strings.Cut(after, "\r")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			b.Fatalf("INFO %s, field %s: %v", section, name, err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func dial(b *testing.B, server *testredis.Server) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}
