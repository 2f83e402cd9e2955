package callback

import (
	"net/netip"
	"slices"
)

// Which addresses are nobody's business unless an operator lists them. The classes are those of IANA's registries of
// special-purpose addresses, and the addresses at which clouds give credentials to whoever asks.

// networks names what the classes are made of.
type networks struct {
	special4, special6 []netip.Prefix
	global6            netip.Prefix // whatever is not in it is special
	nat64              netip.Prefix
	// Other IPv6 networks with an IPv4 address inside.
	localNAT64, sixToFour, teredo, compatible netip.Prefix
}

var known = func() networks {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	return networks{
		special4: prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
			"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
			"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
		special6:   prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
		global6:    netip.MustParsePrefix("2000::/3"),
		nat64:      netip.MustParsePrefix("64:ff9b::/96"),
		localNAT64: netip.MustParsePrefix("64:ff9b:1::/48"),
		sixToFour:  netip.MustParsePrefix("2002::/16"),
		teredo:     netip.MustParsePrefix("2001::/32"),
		compatible: netip.MustParsePrefix("::/96"),
	}
}()

// credentials are the addresses at which clouds give credentials away.
var credentials = func() map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	for _, text := range []string{
		"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", // nearly all clouds
		"169.254.170.2", "169.254.170.23", "fd00:ec2::23", // containers of AWS
		"168.63.129.16", "100.100.100.200", "192.0.0.192", // Azure, Alibaba, Oracle
	} {
		m[netip.MustParseAddr(text)] = true
	}
	return m
}()

// metadata reports whether clouds serve credentials at an address. It has to be listed by itself: that the network
// round it is listed is not enough.
func metadata(a netip.Addr) bool { return credentials[a] }

// embedded returns the IPv4 address inside an IPv6 one to which a packet may end up going.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case known.nat64.Contains(a), known.compatible.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case known.localNAT64.Contains(a): // RFC 6052, section 2.2, for a prefix of 48 bits
		return netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}), true
	case known.sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case known.teredo.Contains(a): // the client's, with all bits turned
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}

// special reports whether an address is not one of the public internet. An address of the well-known prefix for NAT64
// is what the IPv4 address in it is.
func special(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is4() {
		return within(known.special4, a) || metadata(a)
	}
	inner, found := embedded(a)
	if known.nat64.Contains(a) || found && special(inner) {
		return special(inner)
	}
	return !known.global6.Contains(a) || within(known.special6, a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
