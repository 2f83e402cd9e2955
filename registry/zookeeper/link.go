package zookeeper

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/internal/zkconn"
)

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
		zk.WithHostProvider(&zkconn.Hosts{}), zk.WithDialer(zkconn.NewDialer(ctx, o.SessionTimeout, l.dialed)),
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

// libraryLog has the library's lines at the level for details; what matters is logged by the registry itself.
type libraryLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l libraryLog) Printf(format string, args ...any) {
	l.logger.Debug("zookeeper client", "says", fmt.Sprintf(format, args...))
}
