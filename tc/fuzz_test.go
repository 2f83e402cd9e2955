package tc

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// memoryConn is a connection to nobody.
type memoryConn struct{ closed bool }

func (c *memoryConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (c *memoryConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *memoryConn) Close() error                { c.closed = true; return nil }
func (c *memoryConn) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8091} }
func (c *memoryConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 4000}
}
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession feeds bytes to a session as getty does, in pieces. Whatever they are, nothing panics, nothing is left
// under way, what is answered is well formed, and the reader makes progress or ends the session.
func FuzzSession(f *testing.F) {
	for _, messages := range [][]seata.Message{
		{&seata.Heartbeat{Ping: true}},
		{&seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: "a"}, &seata.GlobalBeginRequest{TransactionName: "n"}},
		{&seata.RegisterRMRequest{Version: "1.5.2", ApplicationID: "a", ResourceIDs: "r,s"},
			&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", LockKey: "t:1", ApplicationData: `{"autoCommit":false}`},
			&seata.BranchReportRequest{XID: xid7, BranchID: 8, Status: seata.BranchPhaseOneFailed}},
		{&seata.RegisterTMRequest{Version: "2.2.0"}, &seata.MergedRequest{Messages: []seata.Message{
			&seata.GlobalCommitRequest{XID: xid7}, &seata.GlobalStatusRequest{XID: xid7},
			&seata.GlobalLockQueryRequest{ResourceID: "r", LockKey: "t:1"},
		}, IDs: []int32{1, 2, 3}}},
		{&seata.GlobalRollbackRequest{XID: xid7}, &seata.GlobalReportRequest{XID: xid7, Status: seata.GlobalCommitted}},
		{&seata.BranchCommitResponse{XID: xid7, BranchID: 8}, &seata.UndoLogDeleteRequest{ResourceID: "r"}},
	} {
		var b []byte
		for i, m := range messages {
			var err error
			if b, err = seata.AppendFrame(b, seata.Envelope{Codec: seata.CodecSeata, ID: int32(i)}, m); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(b, uint8(0))
		f.Add(seata.AppendEmptyAnswer(b, seata.CodecSeata, 3), uint8(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		s := newServer(Options{Limits: Limits{ReceiveBytesMax: 1 << 20}})
		s.coordinator = &fake{replies: make(chan reply, 1000)}
		conn := new(memoryConn)
		ss := newSession(s, conn)
		s.registry.add(ss)
		_ = s.Send(commit(txn.TCC, "r", ss.who.Load().client))
		feed(t, ss, b, int(piece)+1)
		out := ss.out.buf
		for len(out) > 0 {
			frame, err := seata.DecodeFrame(out, seata.DecodeOptions{Version: ss.who.Load().version})
			if err != nil {
				t.Fatalf("answered with a bad frame: %v", err)
			}
			out = out[frame.Header.Len():]
		}
		if n := s.requests.Load(); n != 0 {
			t.Fatalf("%d requests are under way", n)
		}
		if ss.dead.Load() != conn.closed {
			t.Fatal("dead and closed differ")
		}
		if s.stats.faults[FaultPanic].Load() != 0 || ss.dead.Load() && ss.reason == FaultPanic {
			t.Fatalf("panicked: %v", ss.cause)
		}
	})
}

// feed does what getty's handleTCPPackage does with bytes that arrive in pieces.
func feed(t *testing.T, s *session, b []byte, piece int) {
	var buf []byte
	for len(b) > 0 {
		n := min(piece, len(b))
		buf, b = append(buf, b[:n]...), b[n:]
		for len(buf) > 0 {
			pkg, n, err := s.Read(nil, buf)
			if err != nil {
				return
			}
			if pkg == nil {
				if n != 0 && n <= len(buf) {
					t.Fatalf("a whole frame of %d bytes was not taken", n)
				}
				break
			}
			if n <= 0 || n > len(buf) {
				t.Fatalf("took %d of %d bytes", n, len(buf))
			}
			s.OnMessage(nil, pkg)
			buf = buf[n:]
		}
	}
}
