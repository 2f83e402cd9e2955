package callback

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrBlocked says that a target is not one that may be called.
var ErrBlocked = errors.New("callback.allow does not permit the target")

// guard says who may be called. It is read only.
type guard struct {
	names    map[string][]rule // by the exact name
	suffixes []rule            // with the leading dot; "" is any name
	networks []rule
	insecure bool
}

// rule is one entry of the list.
type rule struct {
	suffix  string
	network netip.Prefix
	port    uint16 // 0: all
}

func (r rule) fits(port uint16) bool { return r.port == 0 || r.port == port }

// add takes an entry: a name, *.suffix, * for any name, an address or a network, each perhaps with a port.
func (g *guard) add(entry string) error {
	host, port, err := splitEntry(entry)
	if err != nil {
		return fmt.Errorf("%q: %w", entry, err)
	}
	r := rule{port: port}
	if strings.Contains(host, "/") {
		if r.network, err = netip.ParsePrefix(host); err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/8", entry)
		}
		if r.network != r.network.Masked() {
			return fmt.Errorf("%q has bits beyond its length: write %s", entry, r.network.Masked())
		}
		if r.network.Addr().Is4In6() {
			return fmt.Errorf("%q: write the IPv4 network", entry)
		}
		g.networks = append(g.networks, r)
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		r.network = netip.PrefixFrom(addr, addr.BitLen())
		g.networks = append(g.networks, r)
		return nil
	}
	name, wild := strings.CutPrefix(host, "*")
	if wild && name == "" {
		g.suffixes = append(g.suffixes, r)
		return nil
	}
	name = strings.ToLower(name)
	if bare, dotted := strings.CutPrefix(name, "."); wild && dotted {
		r.suffix = name
		name = bare
	} else if wild {
		return fmt.Errorf("%q: a star stands for whole labels, as in *.example.com", entry)
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("%q is no entry: write a host, *.suffix, an address or a network, with :PORT or without", entry)
	}
	if wild {
		g.suffixes = append(g.suffixes, r)
		return nil
	}
	if g.names == nil {
		g.names = map[string][]rule{}
	}
	g.names[name] = append(g.names[name], r)
	return nil
}

// splitEntry cuts the port off an entry. An IPv6 address or network with a port is in brackets: [fd00::/8]:8443.
func splitEntry(entry string) (host string, port uint16, err error) {
	host, rest := entry, ""
	if inner, found := strings.CutPrefix(entry, "["); found {
		var closed bool
		if host, rest, closed = strings.Cut(inner, "]"); !closed {
			return "", 0, errors.New("its bracket is not closed")
		}
	} else if strings.Count(entry, ":") == 1 {
		var number string
		host, number, _ = strings.Cut(entry, ":")
		rest = ":" + number
	}
	if rest == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
	if err != nil || n == 0 || rest[0] != ':' {
		return "", 0, errors.New("its port is not between 1 and 65535")
	}
	return host, uint16(n), nil
}

// admits says why a URL may not be called, as far as can be told without resolving its host.
func (g *guard) admits(e *endpoint) error {
	if !e.tls && !g.insecure && !e.loopback() {
		return fmt.Errorf("%w: %s is not encrypted; use https, or set callback.insecure", ErrBlocked, e.origin)
	}
	if e.addr.IsValid() {
		if !g.lists(e.addr, e.port) {
			return fmt.Errorf("%w: it lists neither the address %s nor a network of it with port %d; change callback.allow",
				ErrBlocked, e.host, e.port)
		}
		return nil
	}
	for _, r := range g.names[e.host] {
		if r.fits(e.port) {
			return nil
		}
	}
	for _, r := range g.suffixes {
		if r.fits(e.port) && strings.HasSuffix(e.host, r.suffix) {
			return nil
		}
	}
	return fmt.Errorf("%w: it lists no entry for %s:%d; change callback.allow", ErrBlocked, e.host, e.port)
}

// loopback reports whether the endpoint certainly is on this machine, so that nobody can listen.
func (e *endpoint) loopback() bool {
	return e.host == "localhost" || e.addr.IsValid() && e.addr.Unmap().IsLoopback()
}

// dials says why a connection may not be made, now that the address is known. This is the check that counts.
func (g *guard) dials(e *endpoint, addr netip.Addr, port uint16) error {
	if port != e.port {
		return fmt.Errorf("%w: port %d is not that of %s", ErrBlocked, port, e.origin)
	}
	addr = addr.Unmap().WithZone("")
	if !e.addr.IsValid() && !special(addr) || g.lists(addr, port) {
		if !e.tls && !g.insecure && !addr.IsLoopback() {
			return fmt.Errorf("%w: %s is not on this machine and not encrypted", ErrBlocked, addr)
		}
		return nil
	}
	return fmt.Errorf("%w: %s is %s, which is no public address; callback.allow has to list it or its network",
		ErrBlocked, e.host, addr)
}

// lists reports whether a network of the list contains the address. Addresses of metadata services have to be listed by
// themselves, also where they are hidden in another one.
func (g *guard) lists(addr netip.Addr, port uint16) bool {
	addr = addr.Unmap()
	if inner, found := embedded(addr); found && metadata(inner) && !g.listsAlone(inner, port) {
		return false
	}
	if metadata(addr) {
		return g.listsAlone(addr, port)
	}
	if inner, found := embedded(addr); found && known.nat64.Contains(addr) && g.lists(inner, port) {
		return true
	}
	for _, r := range g.networks {
		if r.fits(port) && r.network.Contains(addr) {
			return true
		}
	}
	return false
}

func (g *guard) listsAlone(addr netip.Addr, port uint16) bool {
	for _, r := range g.networks {
		if r.fits(port) && r.network.IsSingleIP() && r.network.Addr() == addr {
			return true
		}
	}
	return false
}
