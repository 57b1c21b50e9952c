package metrics_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/consentgate/consentgate/internal/metrics"
)

// More are added than one reading of the folder of descriptors returns, and than tests beside this one use.
func TestWhatTheProcessLeaksShows(t *testing.T) {
	t.Parallel()
	const many = 700
	m := newMetrics(nil)
	goroutines, files := value(t, m, "go_goroutines"), value(t, m, "process_open_fds")
	stop := make(chan struct{})
	defer close(stop)
	for range many {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		go func() { <-stop }()
	}
	for name, before := range map[string]float64{"go_goroutines": goroutines, "process_open_fds": files} {
		if grew := value(t, m, name) - before; grew < 0.9*many || grew > 1.1*many {
			t.Errorf("%s grew by %v, %d were added", name, grew, many)
		}
	}
}

func TestResidentMemoryIsWhatTheSystemShowsPeople(t *testing.T) {
	t.Parallel()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	shown := number(t, string(status), `(?m)^VmRSS:\s+(\d+) kB$`) * 1024
	if told := value(t, newMetrics(nil), "process_resident_memory_bytes"); told < shown/2 || told > 2*shown {
		t.Errorf("%v bytes, the system says %v", told, shown)
	}
}

func value(t *testing.T, m *metrics.Metrics, name string) float64 {
	t.Helper()
	return number(t, scrape(m), `(?m)^`+name+` (\S+)$`)
}

func number(t *testing.T, text, pattern string) float64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
