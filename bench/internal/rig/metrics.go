//go:build linux

package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// PrivateListener is the section of a gate's config that opens its private listener, which has its metrics.
const PrivateListener = "admin: {listen: 127.0.0.1:0}\n"

// metricsTime is how long a gate under load may take to tell its metrics.
const metricsTime = 30 * time.Second

// Goroutines is how many the gate has, by its own account. Its Settings have the section PrivateListener.
func (g *Gate) Goroutines(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Private+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	r.Close = true // a connection that is kept would be one of what is counted
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("metrics: %s", resp.Status)
	}
	return metric(resp.Body, "go_goroutines")
}

// metric reads one without labels from Prometheus's text format.
func metric(text io.Reader, name string) (float64, error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("metrics: there is no %s", name)
}
