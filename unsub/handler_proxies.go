package unsub

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// hopsField is where HTTPS servers say from whom a request came: each adds the one that it heard it from at the end.
const hopsField = "X-Forwarded-For"

// BehindProxies has every request of next come from where it began, as far as trusted servers say so: RemoteAddr is the
// last hop that is not one of theirs, and no X-Forwarded-For is left that anybody could have written. Without trusted
// servers that is whoever connected.
func BehindProxies(trusted []netip.Prefix, log *slog.Logger, next http.Handler) http.Handler {
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops := r.Header.Values(hopsField)
		if len(hops) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && !within(trusted, peer.Addr()) && near(peer.Addr()) {
			once.Do(func() {
				log.Warn("X-Forwarded-For is not believed, so all requests count as one network's: "+
					"name the HTTPS server in unsubscribe.trusted_proxies", "server", peer.Addr().Unmap().String())
			})
		}
		own := *r
		own.Header = maps.Clone(r.Header)
		own.Header.Del(hopsField)
		if err == nil {
			own.RemoteAddr = netip.AddrPortFrom(origin(peer.Addr(), hops, trusted), 0).String()
		}
		next.ServeHTTP(w, &own)
	})
}

// origin walks back from the peer as long as the hop is a trusted one, and stops at what cannot be read.
func origin(at netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	list := strings.Split(strings.Join(hops, ","), ",")
	for i := len(list) - 1; i >= 0 && within(trusted, at); i-- {
		before, ok := hop(strings.TrimSpace(list[i]))
		if !ok {
			break
		}
		at = before.WithZone("")
	}
	return at.Unmap()
}

// hop reads an address, with a port as some servers write it.
func hop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a, true
	}
	p, err := netip.ParseAddrPort(s)
	return p.Addr(), err == nil
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// near reports whether an address is of this host or a private network, as one's own servers are.
func near(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate()
}
