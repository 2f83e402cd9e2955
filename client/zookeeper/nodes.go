package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/internal/zkconn"
)

// Options say where coordinators are entered. Servers is required; the zero value of everything else means its default,
// given in brackets.
type Options struct {
	// Servers are ZooKeeper's, each as HOST:PORT.
	Servers []string
	// Cluster is the name under which coordinators are entered ["default"].
	Cluster string
	// Root is the path of all clusters ["/registry/zk"].
	Root string
	// Digest is USER:PASSWORD, if reading needs one [none].
	Digest string
	// SessionTimeout is ZooKeeper's, and the bound of each call [6 s].
	SessionTimeout time.Duration
	// Logger gets details [discarded].
	Logger *slog.Logger
}

// Nodes returns the coordinators that are entered in ZooKeeper. One value may be used by several clients; each has a
// connection of its own to ZooKeeper.
func Nodes(o Options) client.Nodes {
	o.Servers = slices.Clone(o.Servers)
	o.Cluster = cmp.Or(o.Cluster, "default")
	o.Root = cmp.Or(o.Root, "/registry/zk")
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 6*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &nodes{o}
}

type nodes struct{ o Options }

// Check says what is wrong with the options. client.Open calls it.
func (n *nodes) Check() error {
	if len(n.o.Servers) == 0 {
		return errors.New("no ZooKeeper server is named")
	}
	for _, s := range n.o.Servers {
		if !isAddress(s) {
			return fmt.Errorf("ZooKeeper server %q is not HOST:PORT", s)
		}
	}
	path := n.o.Root + "/" + n.o.Cluster
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.Contains(n.o.Cluster, "/") {
		return fmt.Errorf("%q is no path of a cluster", path)
	}
	if user, password, ok := strings.Cut(n.o.Digest, ":"); n.o.Digest != "" && (!ok || user == "" || password == "") {
		return errors.New("digest is not USER:PASSWORD")
	}
	if n.o.SessionTimeout < 0 {
		return errors.New("the session timeout is negative")
	}
	return nil
}

func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && port != "" && !strings.ContainsAny(s, " /=")
}

// Times between two looks.
const (
	checkEvery = 30 * time.Second // if all is well
	retryFirst = 200 * time.Millisecond
	retryMax   = 5 * time.Second
	absent     = time.Second // while nobody has made the path yet, which cannot be watched
)

// Watch implements client.Nodes. It returns an error when there was no session for twice the session timeout.
func (n *nodes) Watch(ctx context.Context, update func(addresses []string)) error {
	l, err := n.connect()
	if err != nil {
		return err
	}
	defer l.Close()
	var last []string
	told, delay := false, retryFirst
	for {
		wait := checkEvery
		addresses, err := n.read(ctx, l)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, zk.ErrNoNode):
			wait = absent
		case err != nil:
			if l.Away() > 2*n.o.SessionTimeout {
				return fmt.Errorf("no session with ZooKeeper at %s: %w", strings.Join(n.o.Servers, ","), err)
			}
			n.o.Logger.Debug("reading coordinators from zookeeper failed, trying again", "err", err)
			wait, delay = delay, min(2*delay, retryMax)
		case !told || !slices.Equal(addresses, last):
			delay = retryFirst
			if len(addresses) > 0 {
				told, last = true, addresses
				update(slices.Clone(addresses))
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// read lists the coordinators and has their changes wake the link. Names that are no addresses are left out.
func (n *nodes) read(ctx context.Context, l *link) ([]string, error) {
	if l.Away() > 0 {
		return nil, l.trouble()
	}
	path, watch := n.o.Root+"/"+n.o.Cluster, l.Watch()
	names, err := zkconn.Call(ctx, n.o.SessionTimeout, func() (names []string, err error) {
		if watch { // the callback is told of its event, as of all events; one is set at a time
			names, _, _, err = l.Conn.ChildrenW(path)
		} else {
			names, _, err = l.Conn.Children(path)
		}
		return names, err
	})
	if err != nil {
		l.Unwatch()
		return nil, err
	}
	names = slices.DeleteFunc(names, func(s string) bool { return !isAddress(s) })
	slices.Sort(names)
	return names, nil
}

var errNoSession = errors.New("no session")

// link is a connection, and what wakes the one who watches.
type link struct {
	*zkconn.Link
	wake chan struct{} // one slot: something may have changed
}

func (n *nodes) connect() (*link, error) {
	wake := make(chan struct{}, 1)
	l, err := zkconn.Open(n.o.Servers, n.o.SessionTimeout, n.o.Logger, func(zk.State) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	if n.o.Digest != "" {
		go func() { _ = l.Conn.AddAuth("digest", []byte(n.o.Digest)) }() // ends with the connection at the latest
	}
	return &link{l, wake}, nil
}

// trouble says why there is no session.
func (l *link) trouble() error { return cmp.Or(l.Refused(), errNoSession) }
