package relay

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/tc/seata"
)

// deaf is a coordinator that nobody asks anything; it takes the ends of attempts.
type deaf struct{ told chan told }

func (deaf) Begin(_ orchestrator.BeginRequest, done func(txn.XID, error)) {
	done(txn.XID{}, orchestrator.ErrBusy)
}
func (deaf) Register(_ orchestrator.RegisterRequest, done func(int64, error)) {
	done(0, orchestrator.ErrBusy)
}
func (deaf) Report(_ orchestrator.ReportRequest, done func(error)) { done(orchestrator.ErrBusy) }
func (deaf) Decide(_ orchestrator.DecideRequest, done func(*txn.Global, error)) {
	done(nil, orchestrator.ErrBusy)
}
func (deaf) Get(_ int64, done func(*txn.Global, error)) { done(nil, orchestrator.ErrNotFound) }
func (deaf) Locked(_ int64, _, _ string, done func(*orchestrator.LockedError, error)) {
	done(nil, nil)
}
func (d deaf) Reply(id int64, r txn.Reply) { d.told <- told{id, r} }
func (deaf) ReserveID() (int64, error)     { return 0, orchestrator.ErrBusy }

// served is a node with a real server for Seata clients.
type served struct {
	*node
	seata *tc.Server
	drain func() // ends the server as SIGTERM does
}

func (d *directory) serve(t *testing.T, id string) *served {
	t.Helper()
	server, err := tc.Listen(tc.Options{Address: "127.0.0.1:0", Limits: tc.Limits{
		DrainLimit: patience, FinishLimit: 100 * time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	n := d.join(t, id, func(o *Options) {
		o.Local, o.Sessions, o.Changed = server, server.SessionEntries, server.SessionsChanged()
	})
	server.Bind(deaf{n.told})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	s := &served{node: n, seata: server, drain: sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})}
	t.Cleanup(s.drain)
	return s
}

// rm is a raw resource manager of the application "orders".
type rm struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

func (s *served) rm(resource string) *rm {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.seata.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	t, ok := s.t.(*testing.T)
	if !ok {
		s.t.Fatal("not a test")
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &rm{t: t, conn: conn}
	c.write(seata.RequestSync, 1, &seata.RegisterRMRequest{
		Version: "1.8.0", ApplicationID: "orders", TransactionServiceGroup: "group", ResourceIDs: resource,
	})
	if m, ok := c.read().Message.(*seata.RegisterRMResponse); !ok || !m.Identified {
		t.Fatal("RM was refused")
	}
	return c
}

func (c *rm) write(kind seata.MessageType, id int32, m seata.Message) {
	c.t.Helper()
	b, err := seata.AppendFrame(nil, seata.Envelope{
		MsgType: kind, Codec: seata.CodecSeata, ID: id, Version: seata.MakeClientVersion(1, 8, 0),
	}, m)
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *rm) read() seata.Frame {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	chunk := make([]byte, 64<<10)
	for {
		f, err := seata.DecodeFrame(c.buf, seata.DecodeOptions{Version: seata.MakeClientVersion(1, 8, 0)})
		if err == nil {
			c.buf = c.buf[f.Header.Len():]
			return f
		}
		n, err := c.conn.Read(chunk)
		if err != nil {
			c.t.Fatal(err)
		}
		c.buf = append(c.buf, chunk[:n]...)
	}
}

// asked waits for a command to commit and returns how to confirm it.
func (c *rm) asked() (m *seata.BranchCommitRequest, confirm func()) {
	c.t.Helper()
	f := c.read()
	m, ok := f.Message.(*seata.BranchCommitRequest)
	if !ok {
		c.t.Fatalf("got %T", f.Message)
	}
	return m, func() {
		c.write(seata.Response, f.Header.ID, &seata.BranchCommitResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchCommitted,
		})
	}
}

func TestRealClientsAreReachedFromTheOtherNode(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, b := d.serve(t, "a"), d.serve(t, "b")
	atA, atB := a.rm("ra"), b.rm("rb")
	a.sees("rb", 1)
	b.sees("ra", 1)
	for _, c := range []struct {
		from     *served
		at       *rm
		resource string
	}{{a, atB, "rb"}, {b, atA, "ra"}} {
		cmd := commit(7, txn.TCC, c.resource)
		c.from.send(cmd)
		m, confirm := c.at.asked()
		if m.XID != cmd.XID.String() || m.ResourceID != c.resource || m.ApplicationData != cmd.Data || m.BranchID != 8 {
			t.Errorf("asked %+v", m)
		}
		confirm()
		if r := c.from.want(txn.ResultDone); r.id != 7 || r.BranchID != 8 || r.Attempt != 3 {
			t.Errorf("told %+v", r)
		}
	}
	a.send(commit(8, txn.TCC, "rb"))
	atB.asked()
	_ = atB.conn.Close()
	a.want(txn.ResultNoAnswer)
	a.sees("rb", 0)
	if len(a.told)+len(b.told) > 0 {
		t.Error("somebody was told too much")
	}
}

func TestNodeThatRejoinsHasItsClientsBack(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, b := d.serve(t, "a"), d.serve(t, "b")
	b.rm("r")
	a.sees("r", 1)
	b.seata.DropSessions()
	a.sees("r", 0)
	back := b.rm("r")
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	_, confirm := back.asked()
	confirm()
	a.want(txn.ResultDone)
}

// TestDrainingNodeFinishesWhatOthersAskedFor drains in the order that a cluster needs: first the server for Seata
// clients, while the relay goes on, then the relay.
func TestDrainingNodeFinishesWhatOthersAskedFor(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, b := d.serve(t, "a"), d.serve(t, "b")
	client := b.rm("r")
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	_, confirm := client.asked()
	drained := make(chan struct{})
	go func() {
		b.drain()
		close(drained)
	}()
	eventually(t, "no more clients are accepted", func() bool {
		conn, err := net.Dial("tcp", b.seata.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	confirm()
	a.want(txn.ResultDone)
	<-drained
	a.sees("r", 0)
	b.stop()
	if s := b.Stats(); s.BroughtBack != 1 || s.Kept != 0 {
		t.Errorf("stats %+v", s)
	}
}
