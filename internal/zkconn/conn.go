package zkconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// ErrTimeout says that a call was not answered in time; whether it was done is unknown.
var ErrTimeout = errors.New("no answer from the server in time")

// answer is what a call of the library returned.
type answer[T any] struct {
	value T
	err   error
}

// Call runs a call of the library with a deadline. One that is left behind ends with the connection at the
// latest.
func Call[T any](ctx context.Context, timeout time.Duration, f func() (T, error)) (T, error) {
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
			return none, ErrTimeout
		}
		return none, ctx.Err()
	}
}

// Hosts gives the library the servers as they were written, in random order, round and round. Names are resolved when
// they are dialed, so that a server that moved is found again.
type Hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	failed  int // since the last success
}

// Init takes the servers.
func (h *Hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = slices.Clone(servers)
	rand.Shuffle(len(h.servers), func(i, j int) { h.servers[i], h.servers[j] = h.servers[j], h.servers[i] })
	return nil
}

// Len returns their number.
func (h *Hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next returns the next one, and whether all were tried in vain, after which the library pauses for a second.
func (h *Hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next%len(h.servers)]
	h.next++
	h.failed++
	return server, h.failed > len(h.servers) && (h.failed-1)%len(h.servers) == 0
}

// Connected is called when a session is there.
func (h *Hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = 0
}

// dialMax bounds one attempt to connect, names and all their addresses included.
const dialMax = 3 * time.Second

// NewDialer returns the library's way to connect: it resolves names, makes connections that end with ctx, and tells how
// it went. The timeout that the library gives is too short for a name with several addresses.
func NewDialer(ctx context.Context, readMax time.Duration, report func(error)) zk.Dialer {
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
