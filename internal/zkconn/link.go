package zkconn

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// bufferMax bounds an answer of the server, in bytes.
const bufferMax = 16 << 20

// Link is one connection of the library, which survives any number of TCP connections and sessions. Its methods may be
// called concurrently.
type Link struct {
	// Conn makes the calls, each within [Call].
	Conn *zk.Conn

	cancel context.CancelFunc // ends dials, and the present TCP connection
	gone   chan struct{}      // closed when the library's goroutines have ended

	mu       sync.Mutex
	lost     time.Time // since when there is no session; zero: there is one
	watching bool      // the watch is set
	refused  error     // why the last dial failed; nil: it did not
}

// Open begins to connect to any of the servers and returns at once. The library's lines are logged as details. changed
// is called after each event with the state that it tells, from the library's goroutines, perhaps before Open returns,
// and must not block. The caller closes the link.
func Open(servers []string, sessionTimeout time.Duration, logger *slog.Logger, changed func(zk.State)) (*Link, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Link{cancel: cancel, gone: make(chan struct{}), lost: time.Now()}
	conn, events, err := zk.Connect(servers, sessionTimeout,
		zk.WithHostProvider(&Hosts{}), zk.WithDialer(NewDialer(ctx, sessionTimeout, l.dialed)),
		zk.WithLogger(libraryLog{logger}), zk.WithLogInfo(false), zk.WithMaxBufferSize(bufferMax),
		zk.WithEventCallback(func(e zk.Event) { // and not the channel, from which events are dropped when it is full
			l.note(e)
			changed(e.State)
		}))
	if err != nil {
		cancel()
		return nil, err
	}
	l.Conn = conn
	go func() {
		defer close(l.gone)
		for range events { // its end is the only sign that the library is done
		}
	}()
	return l, nil
}

// note remembers what an event says.
func (l *Link) note(e zk.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Type != zk.EventSession: // the watch has fired, or is gone
		l.watching = false
	case e.State == zk.StateHasSession:
		l.lost = time.Time{}
	case l.lost.IsZero():
		l.lost = time.Now()
	}
}

func (l *Link) dialed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// Away returns for how long there has been no session; 0 means that there is one.
func (l *Link) Away() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost.IsZero() {
		return 0
	}
	return max(time.Since(l.lost), 1)
}

// Refused returns why the last attempt to connect failed, and nil if a server accepted, which does not yet mean that it
// gives a session.
func (l *Link) Refused() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// Watch returns whether a watch is to be set with the next call, and takes it for set until an event tells that it
// fired or is gone. A link has one watch at a time, whatever it is on; a second one would leave its channel and its
// entry in the library behind.
func (l *Link) Watch() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.watching
	l.watching = true
	return !was
}

// Unwatch says that the watch could not be set.
func (l *Link) Unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = false
}

// Abandon cuts the connection without a farewell, so that the server keeps the session until its timeout, and ends all
// attempts to connect. Close has still to be called.
func (l *Link) Abandon() { l.cancel() }

// Close ends the session, which the server hears of at once if there is one, and waits for the library's goroutines. It
// may be called more than once.
func (l *Link) Close() {
	if l.Away() > 0 {
		l.cancel() // nobody to say goodbye to
	}
	l.Conn.Close()
	l.cancel()
	<-l.gone
}

// libraryLog has the library's lines at the level for details; what matters is logged by those who use the link.
type libraryLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l libraryLog) Printf(format string, args ...any) {
	l.logger.Debug("zookeeper client", "says", fmt.Sprintf(format, args...))
}
