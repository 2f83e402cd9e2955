package client

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

const patience = 60 * time.Second // how long a test waits for what must happen

// fakeTC is a coordinator whose answers the test decides.
type fakeTC struct {
	t        *testing.T
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	frames []seata.Frame // that came, but registrations and heartbeats
	came   chan struct{} // one slot: a frame came
	// answer writes the answers to a frame; nil answers nothing. It is called on the reader of its connection.
	answer func(conn *fakeConn, f seata.Frame)
	refuse bool // registrations
	mute   bool // heartbeats are not answered
}

// fakeConn is a connection of a fake.
type fakeConn struct {
	net.Conn
	f *fakeTC
}

func newFake(t *testing.T, answer func(conn *fakeConn, f seata.Frame)) *fakeTC {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTC{t: t, listener: listener, answer: answer, came: make(chan struct{}, 1)}
	f.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			f.running.Go(func() { f.serve(&fakeConn{conn, f}) })
		}
	})
	t.Cleanup(func() {
		f.mu.Lock()
		for _, conn := range f.conns {
			_ = conn.Close()
		}
		f.mu.Unlock()
		f.end()
	})
	return f
}

// end accepts no more and waits until all connections have ended.
func (f *fakeTC) end() {
	_ = f.listener.Close()
	f.running.Wait()
}

func (f *fakeTC) serve(conn *fakeConn) {
	defer func() { _ = conn.Close() }()
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			frame, err := seata.DecodeFrame(buf, seata.DecodeOptions{Version: seata.MakeClientVersion(2, 2, 0)})
			if errors.Is(err, seata.ErrShort) {
				break
			}
			if err != nil {
				f.t.Errorf("client sent a bad frame: %v", err)
				return
			}
			buf = buf[frame.Header.Len():]
			f.take(conn, frame)
		}
		if err != nil {
			return
		}
	}
}

func (f *fakeTC) take(conn *fakeConn, frame seata.Frame) {
	f.mu.Lock()
	refuse, mute, answer := f.refuse, f.mute, f.answer
	switch frame.Message.(type) {
	case *seata.RegisterTMRequest, *seata.RegisterRMRequest, *seata.Heartbeat:
	default:
		f.frames = append(f.frames, frame)
	}
	f.mu.Unlock()
	select {
	case f.came <- struct{}{}:
	default:
	}
	switch m := frame.Message.(type) {
	case *seata.RegisterTMRequest:
		conn.send(seata.Response, frame.Header.ID, &seata.RegisterTMResponse{Identified: !refuse, Version: "2.2.0"})
	case *seata.RegisterRMRequest:
		conn.send(seata.Response, frame.Header.ID, &seata.RegisterRMResponse{Identified: !refuse, Version: "2.2.0"})
	case *seata.Heartbeat:
		if m.Ping && !mute {
			conn.send(seata.HeartbeatResponse, frame.Header.ID, &seata.Heartbeat{})
		}
	default:
		if answer != nil {
			answer(conn, frame)
		}
	}
}

// send writes a frame.
func (c *fakeConn) send(kind seata.MessageType, id int32, msg seata.Message) {
	b, err := seata.AppendFrame(nil, seata.Envelope{
		MsgType: kind, Codec: seata.CodecSeata, ID: id, Version: seata.MakeClientVersion(2, 2, 0),
	}, msg)
	if err != nil {
		c.f.t.Error(err)
		return
	}
	c.write(b)
}

func (c *fakeConn) write(b []byte) {
	if _, err := c.Write(b); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
		c.f.t.Logf("write: %v", err)
	}
}

// wait waits until a condition on the frames that came holds.
func (f *fakeTC) wait(what string, is func(frames []seata.Frame) bool) {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		ok := is(f.frames)
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-f.came:
		case <-late:
			f.t.Fatalf("never: %s", what)
		}
	}
}

// seen are the frames that came.
func (f *fakeTC) seen() []seata.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.frames)
}

// conn is the connection that was made last.
func (f *fakeTC) conn() *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &fakeConn{f.conns[len(f.conns)-1], f}
}

// open connects a client to fakes.
func open(t *testing.T, o Options, fakes ...*fakeTC) *Client {
	t.Helper()
	if o.Nodes == nil {
		var addresses []string
		for _, f := range fakes {
			addresses = append(addresses, f.listener.Addr().String())
		}
		o.Nodes = Static(addresses...)
	}
	o.Application = "test"
	if o.ReconnectMin == 0 {
		o.ReconnectMin, o.ReconnectMax = time.Millisecond, 20*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}

// children are the requests in a frame.
func children(f seata.Frame) (msgs []seata.Message, ids []int32) {
	if m, ok := f.Message.(*seata.MergedRequest); ok {
		return m.Messages, m.IDs
	}
	return []seata.Message{f.Message}, []int32{f.Header.ID}
}

// statusOf answers a status request, with a status that its xid tells.
func statusOf(m seata.Message) seata.Message {
	q := m.(*seata.GlobalStatusRequest)
	return &seata.GlobalStatusResponse{Result: seata.Succeeded(), Status: seata.GlobalStatus(q.XID[len(q.XID)-1] - '0')}
}
