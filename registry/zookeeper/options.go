package zookeeper

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Options say which node is entered where.
type Options struct {
	// Servers are ZooKeeper's, each as HOST:PORT. The last may have a path behind it, which is then put before Root.
	Servers []string
	// Cluster is the name under which clients look; "" means "default".
	Cluster string
	// Root is the path of all clusters; "" means "/registry/zk".
	Root string
	// SessionTimeout is the time after which the entry of a node that is gone disappears; 0 means 6 s, as with Seata.
	// Servers bound it, by default to 4 s at the least.
	SessionTimeout time.Duration
	// Digest is USER:PASSWORD, or "". What is created is then changed by this user only, and read by all.
	Digest string
	// Address is this node's, as HOST:PORT. "" enters nothing: such a registry only reads.
	Address string
	// Wait has Open succeed while no server can be reached.
	Wait bool
	// Logger is required.
	Logger *slog.Logger
}

// What is used where nothing else is said.
const (
	defaultCluster        = "default"
	defaultRoot           = "/registry/zk"
	defaultSessionTimeout = 6 * time.Second
)

// complete fills in what was left out, and checks the rest. Errors name the setting to change.
func (o *Options) complete() error {
	if o.Cluster == "" {
		o.Cluster = defaultCluster
	}
	if o.Root == "" {
		o.Root = defaultRoot
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = defaultSessionTimeout
	}
	var prefix string
	servers, err := splitServers(o.Servers, &prefix)
	if err != nil {
		return fmt.Errorf("zookeeper.servers (--zookeeper): %w", err)
	}
	o.Servers = servers
	o.Root = prefix + o.Root
	if err := checkPath(o.Root); err != nil {
		return fmt.Errorf("zookeeper.root: %w", err)
	}
	if strings.ContainsAny(o.Cluster, "/ ") || o.Cluster == "." || o.Cluster == ".." {
		return fmt.Errorf("zookeeper.cluster: %q is not one name", o.Cluster)
	}
	if user, password, ok := strings.Cut(o.Digest, ":"); o.Digest != "" && (!ok || user == "" || password == "") {
		return fmt.Errorf("zookeeper.digest: write USER:PASSWORD")
	}
	if o.SessionTimeout < time.Second || o.SessionTimeout > time.Minute {
		return fmt.Errorf("zookeeper.sessionTimeout: %s is not between 1s and 1m", o.SessionTimeout)
	}
	if o.Address != "" {
		if err := checkAddress(o.Address); err != nil {
			return fmt.Errorf("advertise (--advertise): %w", err)
		}
	}
	return nil
}

// splitServers checks the servers and cuts the path off the last one.
func splitServers(given []string, prefix *string) ([]string, error) {
	var servers []string
	for i, s := range given {
		s = strings.TrimSpace(s)
		if at := strings.IndexByte(s, '/'); at >= 0 {
			if i != len(given)-1 {
				return nil, fmt.Errorf("%q: the path belongs behind the last server", s)
			}
			s, *prefix = s[:at], strings.TrimRight(s[at:], "/")
		}
		if _, _, err := splitAddress(s); err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("name at least one server as HOST:PORT")
	}
	return servers, nil
}

// splitAddress splits HOST:PORT as Seata's clients do, at the last colon.
func splitAddress(s string) (host string, port int, err error) {
	at := strings.LastIndexByte(s, ':')
	if at <= 0 || strings.ContainsAny(s, " \t/") {
		return "", 0, fmt.Errorf("%q is not HOST:PORT", s)
	}
	port, err = strconv.Atoi(s[at+1:])
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not HOST:PORT, the port is a number from 1 to 65535", s)
	}
	return s[:at], port, nil
}

// checkAddress refuses what clients could not connect to.
func checkAddress(s string) error {
	host, _, err := splitAddress(s)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && ip.IsUnspecified() {
		return fmt.Errorf("%q is no address that clients can connect to", s)
	}
	return nil
}

// checkPath refuses what ZooKeeper does not take for a path below the root.
func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || p == "/" {
		return fmt.Errorf("%q is not a path like %s", p, defaultRoot)
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%q is not a path like %s", p, defaultRoot)
		}
	}
	return nil
}
