package formlint

import "net/netip"

// Public is public, for tests.
func Public(a netip.Addr) bool { return public(a) }

// Allow returns a Fetcher that takes one address for public beside those that are.
func Allow(f Fetcher, one netip.AddrPort) Fetcher {
	f.allowed = func(to netip.AddrPort) bool { return to == one || public(to.Addr()) }
	return f
}
