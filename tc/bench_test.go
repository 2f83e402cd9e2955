package tc

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// instant is a coordinator that costs nothing: it says yes and sends two commands for each commit.
type instant struct {
	server *Server
	client string
	global txn.Global
	begun  int64
}

func (c *instant) Begin(_ orchestrator.BeginRequest, done func(txn.XID, error)) {
	c.begun++
	done(txn.XID{Prefix: prefix, ID: 1 << 40}, nil)
}
func (c *instant) Register(_ orchestrator.RegisterRequest, done func(int64, error)) { done(1<<41, nil) }
func (c *instant) Report(_ orchestrator.ReportRequest, done func(error))            { done(nil) }
func (c *instant) Decide(req orchestrator.DecideRequest, done func(*txn.Global, error)) {
	for range 2 {
		if err := c.server.Send(txn.Command{
			XID: txn.XID{Prefix: prefix, ID: req.ID}, BranchID: 1 << 41, Kind: txn.TCC, Op: txn.Commit, Resource: "action",
			Client: c.client, Data: `{"actionContext":{"a":1}}`, Attempt: 1,
		}); err != nil {
			panic(err)
		}
	}
	done(&c.global, nil)
}
func (c *instant) Get(_ int64, done func(*txn.Global, error)) { done(&c.global, nil) }
func (c *instant) Locked(_ int64, _, _ string, done func(*orchestrator.LockedError, error)) {
	done(nil, nil)
}
func (c *instant) Reply(int64, txn.Reply)    {}
func (c *instant) ReserveID() (int64, error) { return 1 << 41, nil }

// BenchmarkTwoBranches measures what this package costs per transaction of two TCC branches: begin, two registrations,
// commit, two commands and their answers, on one TM and one RM connection. The clients run in the same process but
// replay prepared bytes, so that most of the time measured is the server's.
func BenchmarkTwoBranches(b *testing.B) {
	for _, depth := range []int{1, 64} {
		b.Run(map[int]string{1: "depth=1", 64: "depth=64"}[depth], func(b *testing.B) { benchmarkTwoBranches(b, depth) })
	}
}

func benchmarkTwoBranches(b *testing.B, depth int) {
	s, err := Listen(Options{Address: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	c := &instant{server: s, global: txn.Global{Status: txn.Committed}}
	s.Bind(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f := &fixture{Server: s}
	tm, rm := f.raw(b, &seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: "orders"}),
		f.raw(b, &seata.RegisterRMRequest{Version: "1.8.0", ApplicationID: "orders", ResourceIDs: "action"})
	c.client = "orders:" + rm.LocalAddr().String()
	xid := prefix + ":1099511627776"
	begin := frames(b, depth, &seata.GlobalBeginRequest{
		TimeoutMillis: 60000, TransactionName: "createOrder(java.lang.String,int)",
	})
	register := frames(b, 2*depth, &seata.BranchRegisterRequest{
		XID: xid, BranchType: seata.BranchTCC, ResourceID: "action", ApplicationData: `{"actionContext":{"a":1}}`,
	})
	commits := frames(b, depth, &seata.GlobalCommitRequest{XID: xid})
	begun := len(frames(b, depth, &seata.GlobalBeginResponse{Result: seata.Succeeded(), XID: xid}))
	registered := len(frames(b, 2*depth, &seata.BranchRegisterResponse{Result: seata.Succeeded()}))
	committed := len(frames(b, depth, &seata.GlobalCommitResponse{Result: seata.Succeeded()}))
	command := &seata.BranchCommitRequest{XID: xid, BranchID: 1 << 41, BranchType: seata.BranchTCC, ResourceID: "action",
		ApplicationData: `{"actionContext":{"a":1}}`}
	answer := &seata.BranchCommitResponse{
		Result: seata.Succeeded(), XID: xid, BranchID: 1 << 41, Status: seata.BranchCommitted,
	}
	commands := make([]byte, len(frames(b, 2*depth, command)))
	one, answers := len(commands)/(2*depth), frames(b, 2*depth, answer)
	each := len(answers) / (2 * depth)
	buf := make([]byte, begun+registered+committed)
	exchange := func(conn net.Conn, send []byte, receive int) {
		if _, err := conn.Write(send); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf[:receive]); err != nil {
			b.Fatal(err)
		}
	}
	start := cpu()
	b.ReportAllocs()
	b.ResetTimer()
	for range (b.N + depth - 1) / depth {
		exchange(tm, begin, begun)
		exchange(rm, register, registered)
		exchange(tm, commits, committed)
		if _, err := io.ReadFull(rm, commands); err != nil {
			b.Fatal(err)
		}
		for i := range 2 * depth {
			copy(answers[i*each+12:i*each+16], commands[i*one+12:])
		}
		if _, err := rm.Write(answers); err != nil {
			b.Fatal(err)
		}
	}
	eventually(b, "all are answered", func() bool { return s.Stats().CommandsOpen == 0 })
	b.StopTimer()
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
	_, _ = tm.Close(), rm.Close()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// cpu is what the process has used, clients included.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// raw connects and registers.
func (f *fixture) raw(b *testing.B, m seata.Message) net.Conn {
	conn, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Write(frames(b, 1, m)); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 26)); err != nil {
		b.Fatal(err)
	}
	return conn
}

// frames returns n copies of a frame.
func frames(b *testing.B, n int, m seata.Message) (out []byte) {
	env := seata.Envelope{Codec: seata.CodecSeata, ID: 1}
	switch m.(type) {
	case *seata.GlobalBeginResponse, *seata.BranchRegisterResponse, *seata.GlobalCommitResponse,
		*seata.BranchCommitResponse:
		env.MsgType = seata.Response
	}
	for range n {
		var err error
		if out, err = seata.AppendFrame(out, env, m); err != nil {
			b.Fatal(err)
		}
	}
	return out
}
