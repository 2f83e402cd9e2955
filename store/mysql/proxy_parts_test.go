//go:build parts

package mysql

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a store and the database, and cuts connections when it is told to.
type proxy struct {
	t        testing.TB
	listener net.Listener
	target   atomic.Pointer[string]
	// before and after count how many COMMITs are still to be lost: with the request, or with its answer only.
	before, after atomic.Int64
	// lies counts how many answers to COMMITs are still to be replaced by an error, although the server has committed.
	lies atomic.Int64
	// bytes is how much may still pass until all connections are cut; 0: no limit.
	bytes atomic.Int64
	cuts  atomic.Int64
	// hold, unless nil, has COMMITs wait until it is closed, with the connection open.
	hold atomic.Pointer[chan struct{}]
	// down refuses connections.
	down atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: l, conns: map[net.Conn]bool{}}
	p.target.Store(&target)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cutAll()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) port() string {
	_, port, _ := net.SplitHostPort(p.listener.Addr().String())
	return port
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", *p.target.Load())
		if err != nil || p.down.Load() {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		var mute, lie atomic.Bool // answers are lost from here on; the next one is replaced
		p.wg.Go(func() { p.pump(client, server, &mute, &lie, true) })
		p.wg.Go(func() { p.pump(server, client, &mute, &lie, false) })
	}
}

// interrupted is a server's answer: error 1317, query execution was interrupted.
const interrupted = "\x0f\x00\x00\x01\xff\x25\x05#70100interr"

// pump copies one direction.
func (p *proxy) pump(from, to net.Conn, mute, lie *atomic.Bool, requests bool) {
	defer p.forget(from, to)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			commit := requests && bytes.Equal(buf[4:n], []byte("\x03COMMIT"))
			if hold := p.hold.Load(); commit && hold != nil {
				p.cuts.Add(1)
				<-*hold
			}
			if commit && take(&p.before) {
				p.cuts.Add(1)
				return
			}
			if commit && take(&p.after) {
				p.cuts.Add(1)
				mute.Store(true)
			}
			if commit && take(&p.lies) {
				lie.Store(true)
			}
			if !requests && lie.Swap(false) {
				n = copy(buf, interrupted)
			}
			if !requests && mute.Load() {
				return // the server has done it, the client never hears of it
			}
			if left := p.bytes.Load(); left > 0 && p.bytes.Add(-int64(n)) <= 0 {
				p.bytes.Store(0)
				p.cuts.Add(1)
				_, _ = to.Write(buf[:n/2])
				p.cutAll()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// take counts n down, if it is not 0.
func take(n *atomic.Int64) bool {
	for {
		v := n.Load()
		if v <= 0 {
			return false
		}
		if n.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}
