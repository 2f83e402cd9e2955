package zkconn

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// patience bounds each wait of a test.
const patience = 60 * time.Second

// server is a ZooKeeper that gives sessions, and answers nothing but farewells.
type server struct {
	address string

	mu    sync.Mutex
	mute  bool // gives no session either
	conns []net.Conn
	bye   chan struct{} // closed at the first farewell
}

func startServer(t *testing.T, mute bool) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: listener.Addr().String(), mute: mute, bye: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			mute := s.mute
			s.mu.Unlock()
			serving.Go(func() { s.serve(c, mute) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.cut()
		serving.Wait()
	})
	return s
}

// cut ends all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// serve answers one connection until it ends.
func (s *server) serve(c net.Conn, mute bool) {
	defer func() { _ = c.Close() }()
	if _, err := frame(c); err != nil || mute {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	// ConnectResponse: the version of the protocol, the session's timeout in ms, its id, and a password of 16 bytes.
	session := binary.BigEndian.AppendUint32(nil, 0)
	session = binary.BigEndian.AppendUint32(session, 10_000)
	session = binary.BigEndian.AppendUint64(session, 0x5e55)
	session = binary.BigEndian.AppendUint32(session, 16)
	send(c, append(session, make([]byte, 16)...))
	for {
		request, err := frame(c) // RequestHeader: its number and its kind
		if err != nil {
			return
		}
		if binary.BigEndian.Uint32(request[4:]) == 0xffff_fff5 { // closeSession, -11
			close(s.bye)
			send(c, append(slices.Clone(request[:4]), make([]byte, 12)...)) // no zxid, no error
			return
		}
	}
}

func frame(c net.Conn) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(c, body)
	return body, err
}

func send(c net.Conn, body []byte) {
	_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

// opened is a link of a test, and the states that it told.
type opened struct {
	*Link
	states chan zk.State
}

func open(t *testing.T, address string) opened {
	t.Helper()
	states := make(chan zk.State, 100)
	l, err := Open([]string{address}, time.Second, slog.New(slog.DiscardHandler), func(s zk.State) {
		select {
		case states <- s:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return opened{l, states}
}

// await returns when the link has told a state.
func (o opened) await(t *testing.T, want zk.State) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case s := <-o.states:
			if s == want {
				return
			}
		case <-timer.C:
			t.Fatalf("state %s was not told", want)
		}
	}
}

func TestLinkKnowsSinceWhenItHasNoSession(t *testing.T) {
	t.Parallel()
	s := startServer(t, false)
	l := open(t, s.address)
	l.await(t, zk.StateHasSession)
	if away := l.Away(); away != 0 || l.Refused() != nil {
		t.Errorf("away for %s, refused with %v, while there is a session", away, l.Refused())
	}
	s.mu.Lock()
	s.mute = true
	s.mu.Unlock()
	began := time.Now()
	s.cut()
	l.await(t, zk.StateDisconnected)
	l.await(t, zk.StateConnected) // the next state does not make it younger
	if away := l.Away(); away <= 0 || away > time.Since(began) {
		t.Errorf("away for %s, lost %s ago", away, time.Since(began))
	}
}

func TestLinkThatIsRefusedSaysWhy(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	l := open(t, listener.Addr().String())
	if l.Away() == 0 {
		t.Error("there is a session before anything was said")
	}
	l.await(t, zk.StateConnecting)
	l.await(t, zk.StateConnecting) // the first attempt is over
	if !errors.Is(l.Refused(), syscall.ECONNREFUSED) {
		t.Errorf("refused with %v", l.Refused())
	}
}

func TestServerThatSaysNothingRefusesNothing(t *testing.T) {
	t.Parallel()
	l := open(t, startServer(t, true).address)
	l.await(t, zk.StateConnected)
	if l.Away() == 0 || l.Refused() != nil {
		t.Errorf("away for %s, refused with %v", l.Away(), l.Refused())
	}
	l.await(t, zk.StateDisconnected) // within the session timeout, not ten times that
	began := time.Now()
	l.Close()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("closing took %s", took)
	}
}

func TestCloseSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := startServer(t, false)
	l := open(t, s.address)
	l.await(t, zk.StateHasSession)
	l.Close()
	select {
	case <-s.bye:
	default:
		t.Error("the server was not told that the session is over")
	}
	l.Close()
}

func TestAbandonedLinkLeavesItsSession(t *testing.T) {
	t.Parallel()
	s := startServer(t, false)
	l := open(t, s.address)
	l.await(t, zk.StateHasSession)
	l.Abandon()
	l.await(t, zk.StateDisconnected)
	l.Close()
	select {
	case <-s.bye:
		t.Error("the server was told that the session is over")
	default:
	}
}

func TestWatchIsSetOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		event func(l *Link)
		again bool
	}{
		{"nothing happened", func(*Link) {}, false},
		{"the session's state changed", func(l *Link) {
			l.note(zk.Event{Type: zk.EventSession, State: zk.StateDisconnected})
		}, false},
		{"the watch fired", func(l *Link) { l.note(zk.Event{Type: zk.EventNodeChildrenChanged, Path: "/a"}) }, true},
		{"the watch is gone", func(l *Link) { l.note(zk.Event{Type: zk.EventNotWatching, Path: "/a"}) }, true},
		{"it could not be set", (*Link).Unwatch, true},
	} {
		l := &Link{}
		if !l.Watch() {
			t.Errorf("%s: the first one is not to be set", tt.name)
		}
		if tt.event(l); l.Watch() != tt.again {
			t.Errorf("%s: set again %v, want %v", tt.name, !tt.again, tt.again)
		}
	}
}
