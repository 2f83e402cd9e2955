package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// listen binds an address. key is the setting to change if that fails.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: another process listens on %s already; end it, or choose another address with --%s",
			key, address, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: this user may not listen on %s; choose a port above 1023 with --%s", key, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: this machine has no address %s; choose another one with --%s", key, address, key)
	}
	return nil, fmt.Errorf("%s: listen on %s: %w", key, address, err)
}

// advertised returns the address that clients are told: the one that was set, else the bound one, with the first
// address of this machine that is not loopback if all interfaces are bound.
func advertised(set string, bound net.Addr, interfaces []net.Addr) string {
	if set != "" {
		return set
	}
	address, err := netip.ParseAddrPort(bound.String())
	if err != nil || !address.Addr().IsUnspecified() {
		return bound.String()
	}
	host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is4() && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			host = prefix.Addr()
			break
		}
	}
	return netip.AddrPortFrom(host, address.Port()).String()
}
