package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	getty "github.com/apache/dubbo-getty"

	"github.com/concord-tx/concord/tc/seata"
)

// link is one connection to a coordinator, from the dial to its end. It is getty's reader and listener for that
// connection, so all methods that getty calls run on one goroutine, the reader; a second goroutine writes.
type link struct {
	client *Client
	node   *node
	conn   net.Conn
	remote string        // "ip:port", by which xids may name a coordinator that we know by a host name
	slots  chan struct{} // one for each request under way
	wake   chan struct{} // one slot: there is something to write
	done   chan struct{} // closed when the link is dead
	ended  chan struct{} // closed when its goroutines have ended
	halves sync.WaitGroup

	lastRead    atomic.Int64 // nanoseconds since opened
	opened      time.Time
	compressors seata.Compressors

	mu      sync.Mutex
	dead    bool
	cause   error // why it is dead; read only after done
	queue   []*request
	answers []outgoing         // go before the queue
	writing bool               // the writer has taken something and not written it
	pending map[int32]*request // sent, by id
	merged  map[int32]*batch   // merged frames that are not answered completely
	ids     []int64            // of branches, given ahead; see seata.HeadNextBranch

	in incoming // the reader's own: the frame between getty's calls Read and OnMessage
}

// outgoing is a message that is no request of ours.
type outgoing struct {
	kind seata.MessageType
	id   int32
	msg  seata.Message
}

// dial connects to a node. getty's client cannot be told to stop dialling, nor says why it cannot connect, so a
// connection of our own shows first whether there is somebody. getty's client is closed as soon as it has dialled: then
// it does not know its session any more, and never connects again by itself (reference: rocketmq-and-getty.md, 5.5 and
// 5.6).
func dial(ctx context.Context, n *node) (*link, error) {
	if err := probe(ctx, n.address, n.client.o.TLS); err != nil {
		return nil, err
	}
	l := newLink(n)
	options := []getty.ClientOption{
		getty.WithServerAddress(n.address), getty.WithConnectionNumber(1), getty.WithReconnectInterval(1),
	}
	if secure := n.client.o.TLS; secure != nil {
		options = append(options, getty.WithClientSslEnabled(true), getty.WithClientTlsConfigBuilder(tlsBuilder{secure}))
	}
	endpoint := getty.NewTCPClient(options...)
	opened := make(chan struct{})
	var given atomic.Bool // to one session, or to nobody if the time is over
	dialled := make(chan struct{})
	go func() {
		defer close(dialled)
		endpoint.RunEventLoop(func(s getty.Session) error {
			if !given.CompareAndSwap(false, true) {
				return ErrClosed
			}
			endpoint.Close()
			l.attach(s)
			close(opened)
			return nil
		})
	}()
	select {
	case <-opened:
	case <-ctx.Done():
		if given.CompareAndSwap(false, true) {
			endpoint.Close()
			<-dialled
			return nil, fmt.Errorf("connect to %s: %w", n.address, ctx.Err())
		}
		<-opened
	}
	<-dialled // getty has started its reader
	return l, nil
}

// probe connects and closes at once.
func probe(ctx context.Context, address string, secure *tls.Config) error {
	var conn net.Conn
	var err error
	if secure != nil {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_ = conn.Close()
	return nil
}

// tlsBuilder hands a configuration to getty.
type tlsBuilder struct{ config *tls.Config }

// BuildTlsConfig implements getty.TlsConfigBuilder.
func (b tlsBuilder) BuildTlsConfig() (*tls.Config, error) { return b.config, nil }

func newLink(n *node) *link {
	return &link{
		client: n.client, node: n, slots: make(chan struct{}, n.client.o.PendingMax), wake: make(chan struct{}, 1),
		done: make(chan struct{}), ended: make(chan struct{}), opened: time.Now(),
		pending: map[int32]*request{}, merged: map[int32]*batch{},
	}
}

// gettyReadTimeout only wakes getty's reader; links are closed by closing the connection.
const gettyReadTimeout = 30 * time.Second

// attach takes the session that getty has dialled.
func (l *link) attach(s getty.Session) {
	l.conn = s.Conn()
	l.remote = l.conn.RemoteAddr().String()
	if tcp, ok := plain(l.conn).(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
	}
	s.SetName("concord")
	s.SetPkgHandler(l)
	s.SetEventListener(l)
	s.SetMaxMsgLen(seata.FrameBytesMax)
	s.SetReadTimeout(gettyReadTimeout)
	s.SetWaitTime(1) // getty takes it for seconds; a greater one has close(2) wait for the peer
	l.halves.Add(2)  // the reader, which ends in OnClose, and the writer
	go l.write()
	go func() {
		l.halves.Wait()
		close(l.ended)
	}()
}

// plain returns the connection under TLS, or conn itself.
func plain(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// kill ends the link: what waits fails with what is known about it. It does not block; only the first call counts.
func (l *link) kill(why error) {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return
	}
	l.dead, l.cause = true, why
	queue, pending := l.queue, l.pending
	for _, r := range queue {
		r.over = true
	}
	for _, r := range pending {
		r.over = true
	}
	l.queue, l.answers = nil, nil
	l.pending, l.merged = map[int32]*request{}, map[int32]*batch{}
	l.mu.Unlock()
	close(l.done)
	_ = plain(l.conn).Close() // getty's pending read returns; closing TLS in good order could wait for the peer
	for _, r := range queue {
		r.finish(nil, &lostError{sent: false, cause: why})
	}
	for _, r := range pending {
		r.finish(nil, &lostError{sent: true, cause: why})
	}
}

// load is how many requests are under way.
func (l *link) load() int { return len(l.slots) }

// drain waits until no request is under way.
func (l *link) drain(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for l.load() > 0 {
		select {
		case <-tick.C:
		case <-l.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settle waits until the answers to second phases are written, but not for ever.
func (l *link) settle(until time.Time) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.owes() && time.Now().Before(until) {
		select {
		case <-tick.C:
		case <-l.done:
		}
	}
}

// owes reports whether answers are not written.
func (l *link) owes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.dead && (len(l.answers) > 0 || l.writing)
}

// now is the time since the link was opened.
func (l *link) now() int64 { return int64(time.Since(l.opened)) }
