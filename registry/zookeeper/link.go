package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// errTimeout says that a call was not answered in time; whether it was done is unknown.
var errTimeout = errors.New("no answer from the server in time")

// link is one connection of the library, which survives any number of TCP connections and sessions.
type link struct {
	conn   *zk.Conn
	cancel context.CancelFunc // ends dials, and the present TCP connection
	gone   chan struct{}      // closed when the library's goroutines have ended
	born   time.Time
	authed bool // owned by whoever has the turn

	mu       sync.Mutex
	lost     time.Time // since when there is no session; zero: there is one
	watching bool      // a watch on the node's own entry is set
	refused  error     // why the last dial failed; nil: it did not
}

// newLink connects. changed is called at each event, from the library's goroutines, and must not block.
func newLink(o Options, path string, changed func(zk.State)) (*link, error) {
	ctx, cancel := context.WithCancel(context.Background())
	now := time.Now()
	l := &link{cancel: cancel, gone: make(chan struct{}), born: now, lost: now}
	conn, events, err := zk.Connect(o.Servers, o.SessionTimeout,
		zk.WithHostProvider(&hosts{}), zk.WithDialer(newDialer(ctx, o.SessionTimeout, l.dialed)),
		zk.WithLogger(libraryLog{o.Logger}), zk.WithLogInfo(false), zk.WithMaxBufferSize(16<<20),
		zk.WithEventCallback(func(e zk.Event) {
			l.note(e, path)
			changed(e.State)
		}))
	if err != nil {
		cancel()
		return nil, err
	}
	l.conn = conn
	go func() {
		defer close(l.gone)
		for range events { // its end is the only sign that the library is done
		}
	}()
	return l, nil
}

// note remembers what an event says.
func (l *link) note(e zk.Event, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Type == zk.EventNotWatching || e.Type != zk.EventSession && e.Path == path:
		l.watching = false
	case e.Type == zk.EventSession && e.State == zk.StateHasSession:
		l.lost = time.Time{}
	case e.Type == zk.EventSession && l.lost.IsZero():
		l.lost = time.Now()
	}
}

func (l *link) dialed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// trouble says why there is no session.
func (l *link) trouble(servers []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil {
		return fmt.Errorf("no session with ZooKeeper at %s: %w", strings.Join(servers, ","), l.refused)
	}
	return fmt.Errorf("no session with ZooKeeper at %s, which accepts connections but gives none",
		strings.Join(servers, ","))
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

// watch returns whether a watch on the entry is to be set, and takes it for set.
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

// close ends the session, which removes its entry at once if the server hears of it, and waits for the library.
func (l *link) close() {
	if l.away() > 0 {
		l.cancel() // nobody to say goodbye to
	}
	l.conn.Close()
	l.cancel()
	<-l.gone
}

// answer is what a call of the library returned.
type answer[T any] struct {
	value T
	err   error
}

// call runs a call of the library with a deadline. One that is left behind ends with the link at the latest.
func call[T any](ctx context.Context, timeout time.Duration, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan answer[T], 1)
	go func() {
		v, err := f()
		done <- answer[T]{v, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return none, errTimeout
		}
		return none, ctx.Err()
	}
}

// hosts gives the library the servers as they were written, in random order, round and round. Names are resolved when
// they are dialed, so that a server that moved is found again.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	failed  int // since the last success
}

// Init takes the servers.
func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = slices.Clone(servers)
	rand.Shuffle(len(h.servers), func(i, j int) { h.servers[i], h.servers[j] = h.servers[j], h.servers[i] })
	return nil
}

// Len returns their number.
func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next returns the next one, and whether all were tried in vain, after which the library pauses for a second.
func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next%len(h.servers)]
	h.next++
	h.failed++
	return server, h.failed > len(h.servers) && (h.failed-1)%len(h.servers) == 0
}

// Connected is called when a session is there.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = 0
}

// dialMax bounds one attempt to connect, names and all their addresses included.
const dialMax = 3 * time.Second

// newDialer returns the library's way to connect: it resolves names, makes connections that end with ctx, and tells how
// it went. The timeout that the library gives is too short for a name with several addresses.
func newDialer(ctx context.Context, readMax time.Duration, report func(error)) zk.Dialer {
	return func(network, address string, _ time.Duration) (net.Conn, error) {
		n := net.Dialer{Timeout: dialMax}
		c, err := n.DialContext(ctx, network, address)
		report(err)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		return &boundedConn{Conn: c, timeout: readMax, stop: stop}, nil
	}
}

// boundedConn never reads without a deadline, nor with a far one.
type boundedConn struct {
	net.Conn
	timeout time.Duration
	stop    func() bool
}

// SetReadDeadline sets t or the bound, whichever is earlier; no deadline means the bound.
func (c *boundedConn) SetReadDeadline(t time.Time) error {
	bound := time.Now().Add(c.timeout)
	if t.IsZero() || t.After(bound) {
		t = bound
	}
	return c.Conn.SetReadDeadline(t)
}

// Close closes the connection.
func (c *boundedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// libraryLog has the library's lines at the level for details; what matters is logged by the registry itself.
type libraryLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l libraryLog) Printf(format string, args ...any) {
	l.logger.Debug("zookeeper client", "says", fmt.Sprintf(format, args...))
}
