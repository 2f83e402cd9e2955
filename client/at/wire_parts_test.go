//go:build parts

package at_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// wire stands between a driver and its database and cuts a connection at a chosen command.
type wire struct {
	t        testing.TB
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	armed bool
	left  int  // commands until the cut
	after bool // the command still reaches the database, its answer does not come back
	seen  int  // commands since it was armed
	fired bool
	call  func() // instead of a cut, if it is not nil
	gone  bool   // new connections are refused
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, target: target, listener: l, conns: make(map[net.Conn]bool)}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.closeAll()
		w.running.Wait()
	})
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

// cut has the connection cut at the n-th command from now on, counted from 0.
func (w *wire) cut(n int, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.left, w.after, w.seen, w.fired, w.call = true, n, after, 0, false, nil
}

// at has something called, which must be quick, before the n-th command from now on is passed on.
func (w *wire) at(n int, call func()) {
	w.cut(n, false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = call
}

// rest stops counting; it returns how many commands there were and whether a connection was cut.
func (w *wire) rest() (seen int, fired bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	return w.seen, w.fired
}

func (w *wire) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}

// refuse has new connections refused, and all others closed at the cut, or no longer.
func (w *wire) refuse(gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = gone
}

func (w *wire) isGone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.target)
		if err == nil && w.isGone() {
			_ = server.Close()
			_ = client.Close()
			continue
		}
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns[client], w.conns[server] = true, true
		w.mu.Unlock()
		w.running.Go(func() { w.serve(client, server) })
	}
}

func (w *wire) serve(client, server net.Conn) {
	muted, answered := make(chan struct{}), make(chan struct{}, 1)
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				_ = client.Close()
				return
			}
			select {
			case <-muted:
				select {
				case answered <- struct{}{}:
				default:
				}
			default:
				if _, err := client.Write(buffer[:n]); err != nil {
					_ = server.Close()
				}
			}
		}
	})
	w.forward(client, server, muted, answered)
	_ = client.Close()
	_ = server.Close()
	back.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, client)
	delete(w.conns, server)
}

// forward passes the client's packets on until the one at which the connection is cut.
func (w *wire) forward(client, server net.Conn, muted chan struct{}, answered chan struct{}) {
	for first := true; ; first = false {
		head := make([]byte, 4)
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		size := int(binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0}))
		packet := make([]byte, 4+size)
		copy(packet, head)
		if _, err := io.ReadFull(client, packet[4:]); err != nil {
			return
		}
		// A command has sequence number 0. Closing a statement or the connection has no answer, so it is none here.
		const comQuit, comStmtClose = 0x01, 0x19
		command := !first && head[3] == 0 && size > 0 && packet[4] != comQuit && packet[4] != comStmtClose
		cut, after := false, false
		if command {
			cut, after = w.next()
		}
		if cut && !after {
			return
		}
		if cut {
			close(muted)
		}
		if _, err := server.Write(packet); err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
		if cut {
			<-answered
			if w.isGone() {
				w.closeAll()
			}
			return
		}
	}
}

// next counts a command and tells whether it is the one.
func (w *wire) next() (cut, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.armed || w.fired {
		return false, false
	}
	w.seen++
	if w.left--; w.left >= 0 {
		return false, false
	}
	w.fired = true
	if w.call != nil {
		w.call()
		return false, false
	}
	return true, w.after
}
