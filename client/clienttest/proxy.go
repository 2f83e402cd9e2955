package clienttest

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

// Direction is where a frame goes.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// String returns "to server" or "to client".
func (d Direction) String() string {
	if d == ToServer {
		return "to server"
	}
	return "to client"
}

// Action is what a [Proxy] does with a frame.
type Action uint8

// The actions.
const (
	// Pass delivers the frame.
	Pass Action = iota
	// Swallow loses the frame and goes on.
	Swallow
	// CutBefore loses the frame and ends the connection, on both sides.
	CutBefore
	// CutAfter delivers the frame and ends the connection.
	CutAfter
)

// Frame is one frame of the protocol on its way through a [Proxy].
type Frame struct {
	Direction Direction
	// N is its number in its direction, over all connections, from 1 on; see [Proxy.Reset].
	N int
	// Connection is the number of the connection, from 1 on.
	Connection int
	// Bytes are valid during the call only.
	Bytes []byte
}

// Message decodes a frame of Seata's protocol; nil if it cannot be.
func (f Frame) Message() seata.Message {
	frame, err := seata.DecodeFrame(f.Bytes, seata.DecodeOptions{Version: seata.MakeClientVersion(2, 2, 0)})
	if err != nil {
		return nil
	}
	return frame.Message
}

// Proxy is a TCP proxy that knows frames and breaks connections where it is told to. All methods may be called
// concurrently.
type Proxy struct {
	listener net.Listener
	target   string
	frameLen func(buf []byte) int // of the frame at the start of buf; 0: more bytes are needed
	running  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	refuse  bool
	rst     bool
	rule    func(Frame) Action
	passed  func(Frame)
	counts  [2]int
	made    int
	pairs   map[*pair]struct{}
	passing chan struct{} // closed while frames pass
}

// pair is one connection and its other half.
type pair struct {
	n              int
	client, server net.Conn
}

// NewProxy starts a proxy for Seata's protocol to a target on a free port of 127.0.0.1; it ends with the test. It lets
// everything pass until it is told otherwise.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, func(buf []byte) int {
		n, err := seata.FrameLen(buf, 0)
		switch {
		case errors.Is(err, seata.ErrShort):
			return 0
		case err != nil:
			return len(buf) // what is no frame passes as it is
		}
		return n
	})
}

// NewMySQLProxy starts a proxy for MySQL's protocol without TLS; its frames are packets.
func NewMySQLProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, func(buf []byte) int {
		const headerBytes = 4
		if len(buf) < headerBytes {
			return 0
		}
		return headerBytes + int(binary.LittleEndian.Uint32(buf)&0xFFFFFF)
	})
}

func newProxy(t testing.TB, target string, frameLen func([]byte) int) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		listener: listener, target: target, frameLen: frameLen, pairs: map[*pair]struct{}{}, passing: make(chan struct{}),
	}
	close(p.passing)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is the address that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Rule has a function decide what is done with each frame from now on; nil lets all pass. It may block: what comes
// behind the frame in its direction waits.
func (p *Proxy) Rule(rule func(Frame) Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// Passed has a function called with each frame from now on when it is delivered, before anything else is done about its
// connection; nil: none. It may block, as a rule may.
func (p *Proxy) Passed(passed func(Frame)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed = passed
}

// CutBefore has the n-th frame of a direction from now on, and its connection with it, be lost. Later ones pass.
func (p *Proxy) CutBefore(d Direction, n int) { p.once(d, n, CutBefore) }

// CutAfter has the connection be lost after the n-th frame of a direction from now on. Later ones pass.
func (p *Proxy) CutAfter(d Direction, n int) { p.once(d, n, CutAfter) }

// Swallow loses the n-th frame of a direction from now on, and nothing else.
func (p *Proxy) Swallow(d Direction, n int) { p.once(d, n, Swallow) }

func (p *Proxy) once(d Direction, n int, do Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n += p.counts[d]
	p.rule = func(f Frame) Action {
		if f.Direction == d && f.N == n {
			return do
		}
		return Pass
	}
}

// Reset lets everything pass and counts anew.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule, p.passed, p.counts = nil, nil, [2]int{}
}

// Count is how many frames of a direction have come so far.
func (p *Proxy) Count(d Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[d]
}

// Connections is how many connections were made so far, with those that carried nothing.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// ResetConnections has connections that are cut from now on end with a reset instead of an end of stream.
func (p *Proxy) ResetConnections(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rst = yes
}

// Cut ends all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		p.end(c)
	}
}

// Refuse has new connections be closed at once, or not.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = yes
}

// Silence has nothing pass while connections stay open, or lets it go on.
func (p *Proxy) Silence(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.passing:
		if yes && !p.closed {
			p.passing = make(chan struct{})
		}
	default:
		if !yes {
			close(p.passing)
		}
	}
}

func (p *Proxy) close() {
	p.Silence(false)
	p.mu.Lock()
	p.closed = true
	for c := range p.pairs {
		p.end(c)
	}
	p.mu.Unlock()
	_ = p.listener.Close()
	p.running.Wait()
}

// end ends a connection. The mutex is held.
func (p *Proxy) end(c *pair) {
	for _, conn := range [...]net.Conn{c.client, c.server} {
		if tcp, ok := conn.(*net.TCPConn); ok && p.rst {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	delete(p.pairs, c)
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		if refuse {
			_ = in.Close()
			continue
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.made++
		c := &pair{n: p.made, client: in, server: out}
		p.pairs[c] = struct{}{}
		if p.closed {
			p.end(c)
		}
		p.mu.Unlock()
		p.running.Go(func() { p.pump(c, ToServer, in, out) })
		p.running.Go(func() { p.pump(c, ToClient, out, in) })
	}
}

// pump carries frames in one direction until its connection ends.
func (p *Proxy) pump(c *pair, d Direction, from, to net.Conn) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.end(c)
	}()
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := from.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			size := p.frameLen(buf)
			if size == 0 || size > len(buf) {
				break
			}
			if !p.carry(c, d, buf[:size], to) {
				return
			}
			buf = buf[size:]
		}
		if err != nil {
			return
		}
	}
}

// carry does with a frame what the rule says; false: the connection is to end.
func (p *Proxy) carry(c *pair, d Direction, frame []byte, to net.Conn) bool {
	p.mu.Lock()
	passing := p.passing
	p.mu.Unlock()
	<-passing
	p.mu.Lock()
	p.counts[d]++
	f := Frame{Direction: d, N: p.counts[d], Connection: c.n, Bytes: frame}
	rule, passed := p.rule, p.passed
	p.mu.Unlock()
	do := Pass
	if rule != nil {
		do = rule(f)
	}
	if do == Pass || do == CutAfter {
		if _, err := to.Write(frame); err != nil {
			return false
		}
		if passed != nil {
			passed(f)
		}
	}
	return do == Pass || do == Swallow
}
