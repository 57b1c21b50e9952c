package unsub

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// network is where a request comes from, no closer than a /24 or /48: as much as evidence needs. Behind an HTTPS server it
// is what BehindProxies made of the hops. The zero Prefix is nowhere.
func network(r *http.Request) netip.Prefix {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := peer.Addr().Unmap(), 48
	if addr.Is4() {
		bits = 24
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}

// Bounds of sign-ups from one network.
const (
	signUpsPerNetwork = 60
	signUpsWithin     = 10 * time.Minute
	networksKept      = 10_000
)

// rates counts sign-ups by network, within one span of time after another. The zero rates is empty.
type rates struct {
	mu    sync.Mutex
	since time.Time
	n     map[netip.Prefix]int
}

// take reports whether one more is within bounds. With too many networks to remember, those that are new are refused:
// a flood from everywhere is no sign-up either.
func (r *rates) take(from netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil || now.Sub(r.since) >= signUpsWithin {
		r.since, r.n = now, make(map[netip.Prefix]int)
	}
	if _, known := r.n[from]; !known && len(r.n) >= networksKept || r.n[from] >= signUpsPerNetwork {
		return false
	}
	r.n[from]++
	return true
}
