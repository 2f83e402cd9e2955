package propagation

import (
	"net/netip"
	"strings"
)

// Own reports whether a host looks like one of one's own: loopback, private or link-local addresses, names without a
// dot, such as those of containers and Kubernetes services, and names that end in .local, .localhost, .internal, .svc,
// .lan, .home.arpa, or .test. It is the default of Options.Only. It judges by the text and looks nothing up.
func Own(host string) bool {
	host = plainHost(host)
	if host == "" {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
	}
	if !strings.Contains(host, ".") {
		return true
	}
	for _, suffix := range []string{".local", ".localhost", ".internal", ".svc", ".lan", ".home.arpa", ".test"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// Hosts returns an Options.Only for listed hosts, and no others: "stock.example.com" is one, "*.example.com" are all
// below it. Ports do not matter, nor does case. Combine it with [Own] by a function of your own.
func Hosts(names ...string) func(host string) bool {
	exact, below := map[string]bool{}, []string(nil)
	for _, name := range names {
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			below = append(below, strings.ToLower(suffix))
			continue
		}
		exact[plainHost(name)] = true
	}
	return func(host string) bool {
		host = plainHost(host)
		if exact[host] {
			return true
		}
		for _, suffix := range below {
			if strings.HasPrefix(suffix, ".") && len(host) > len(suffix) && strings.HasSuffix(host, suffix) {
				return true
			}
		}
		return false
	}
}

// plainHost is a host in lower case without the dot of the root, brackets and zone.
func plainHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").String()
	}
	return host
}
