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
	"sync"
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
	defer l.close()
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
			if l.away() > 2*n.o.SessionTimeout {
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
	if l.away() > 0 {
		return nil, l.trouble()
	}
	path, watch := n.o.Root+"/"+n.o.Cluster, l.watch()
	names, err := zkconn.Call(ctx, n.o.SessionTimeout, func() (names []string, err error) {
		if watch { // the callback is told of its event, as of all events; one is set at a time
			names, _, _, err = l.conn.ChildrenW(path)
		} else {
			names, _, err = l.conn.Children(path)
		}
		return names, err
	})
	if err != nil {
		l.unwatch()
		return nil, err
	}
	names = slices.DeleteFunc(names, func(s string) bool { return !isAddress(s) })
	slices.Sort(names)
	return names, nil
}

var errNoSession = errors.New("no session")

// link is one connection of the library.
type link struct {
	conn   *zk.Conn
	cancel context.CancelFunc // ends dials, and the present TCP connection
	gone   chan struct{}      // closed when the library's goroutines have ended
	wake   chan struct{}      // one slot: something may have changed

	mu       sync.Mutex
	lost     time.Time // since when there is no session; zero: there is one
	refused  error     // why the last dial failed
	watching bool      // a watch is set
}

func (n *nodes) connect() (*link, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{cancel: cancel, gone: make(chan struct{}), wake: make(chan struct{}, 1), lost: time.Now()}
	conn, events, err := zk.Connect(n.o.Servers, n.o.SessionTimeout,
		zk.WithHostProvider(&zkconn.Hosts{}), zk.WithDialer(zkconn.NewDialer(ctx, n.o.SessionTimeout, l.dialed)),
		zk.WithLogger(libraryLog{n.o.Logger}), zk.WithLogInfo(false), zk.WithMaxBufferSize(16<<20),
		zk.WithEventCallback(l.note))
	if err != nil {
		cancel()
		return nil, err
	}
	l.conn = conn
	if n.o.Digest != "" {
		go func() { _ = conn.AddAuth("digest", []byte(n.o.Digest)) }() // ends with the connection at the latest
	}
	go func() {
		defer close(l.gone)
		for range events { // its end is the only sign that the library is done
		}
	}()
	return l, nil
}

// note remembers what an event says. The library calls it from its goroutines.
func (l *link) note(e zk.Event) {
	l.mu.Lock()
	switch {
	case e.Type != zk.EventSession: // the watch has fired, or is gone
		l.watching = false
	case e.State == zk.StateHasSession:
		l.lost = time.Time{}
	case l.lost.IsZero():
		l.lost = time.Now()
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) dialed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// away returns for how long there has been no session; 0 means that there is one.
func (l *link) away() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost.IsZero() {
		return 0
	}
	return max(time.Since(l.lost), 1)
}

// watch returns whether a watch is to be set, and takes it for set.
func (l *link) watch() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.watching
	l.watching = true
	return !was
}

func (l *link) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = false
}

// trouble says why there is no session.
func (l *link) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil {
		return l.refused
	}
	return errNoSession
}

// close ends the session and waits for the library.
func (l *link) close() {
	if l.away() > 0 {
		l.cancel() // nobody to say goodbye to
	}
	l.conn.Close()
	l.cancel()
	<-l.gone
}

// libraryLog has the library's lines at the level for details.
type libraryLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l libraryLog) Printf(format string, args ...any) {
	l.logger.Debug("zookeeper client", "says", fmt.Sprintf(format, args...))
}
