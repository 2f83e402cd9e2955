package tc

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

const patience = 60 * time.Second // how long a test waits for what must happen

// fake is a coordinator whose answers the test decides. Zero functions have defaults that say yes.
type fake struct {
	mu       sync.Mutex
	id       int64
	begun    []orchestrator.BeginRequest
	branches []orchestrator.RegisterRequest
	reports  []orchestrator.ReportRequest
	decided  []orchestrator.DecideRequest

	begin    func(orchestrator.BeginRequest) (txn.XID, error)
	register func(orchestrator.RegisterRequest, func(int64, error))
	report   func(orchestrator.ReportRequest, func(error))
	decide   func(orchestrator.DecideRequest, func(*txn.Global, error))
	get      func(int64, func(*txn.Global, error))
	locked   func(int64, string, string, func(*orchestrator.LockedError, error))
	replies  chan reply
}

type reply struct {
	id int64
	txn.Reply
}

const prefix = "10.0.0.1:8091"

func (f *fake) next() int64 { f.id++; return f.id }

func (f *fake) ReserveID() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next(), nil
}

func (f *fake) Begin(req orchestrator.BeginRequest, done func(txn.XID, error)) {
	f.mu.Lock()
	f.begun = append(f.begun, req)
	xid, err := txn.XID{Prefix: prefix, ID: f.next()}, error(nil)
	if f.begin != nil {
		xid, err = f.begin(req)
	}
	f.mu.Unlock()
	done(xid, err)
}

func (f *fake) Register(req orchestrator.RegisterRequest, done func(int64, error)) {
	f.mu.Lock()
	f.branches = append(f.branches, req)
	register, id := f.register, req.BranchID
	if id == 0 {
		id = f.next()
	}
	f.mu.Unlock()
	if register != nil {
		register(req, done)
		return
	}
	done(id, nil)
}

func (f *fake) Report(req orchestrator.ReportRequest, done func(error)) {
	f.mu.Lock()
	f.reports = append(f.reports, req)
	report := f.report
	f.mu.Unlock()
	if report != nil {
		report(req, done)
		return
	}
	done(nil)
}

func (f *fake) Decide(req orchestrator.DecideRequest, done func(*txn.Global, error)) {
	f.mu.Lock()
	f.decided = append(f.decided, req)
	decide := f.decide
	f.mu.Unlock()
	if decide != nil {
		decide(req, done)
		return
	}
	status := txn.Committed
	if req.Outcome == txn.Rollback {
		status = txn.RolledBack
	}
	done(&txn.Global{XID: txn.XID{Prefix: prefix, ID: req.ID}, Status: status, Cause: req.Cause}, nil)
}

func (f *fake) Get(id int64, done func(*txn.Global, error)) {
	f.mu.Lock()
	get := f.get
	f.mu.Unlock()
	if get != nil {
		get(id, done)
		return
	}
	done(nil, orchestrator.ErrNotFound)
}

func (f *fake) Locked(id int64, resource, key string, done func(*orchestrator.LockedError, error)) {
	f.mu.Lock()
	locked := f.locked
	f.mu.Unlock()
	if locked != nil {
		locked(id, resource, key, done)
		return
	}
	done(nil, nil)
}

func (f *fake) Reply(id int64, r txn.Reply) { f.replies <- reply{id, r} }

// with changes the fake under its lock.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// reply waits for the end of an attempt.
func (f *fake) reply(t *testing.T) reply {
	t.Helper()
	select {
	case r := <-f.replies:
		return r
	case <-time.After(patience):
		t.Fatal("no reply was reported")
	}
	return reply{}
}

// fixture is a running server with a fake coordinator.
type fixture struct {
	*Server
	fake *fake
	log  *logBuffer
	stop func()
}

// logBuffer gathers log lines.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func setup(t testing.TB, change ...func(*Options)) *fixture {
	t.Helper()
	lines := new(logBuffer)
	o := Options{
		Address: "127.0.0.1:0",
		Logger:  slog.New(slog.NewTextHandler(lines, nil)),
		Limits:  Limits{DrainLimit: 200 * time.Millisecond, FinishLimit: 100 * time.Millisecond},
	}
	for _, c := range change {
		c(&o)
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{replies: make(chan reply, 10_000)}
	s.Bind(f)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &fixture{Server: s, fake: f, log: lines, stop: stop}
}

// client is a raw Seata client.
type client struct {
	t       testing.TB
	conn    net.Conn
	env     seata.Envelope
	frames  chan seata.Frame // closed when the connection ends
	nextID  int32
	version atomic.Int64 // as env.Version, for the reader
}

func (f *fixture) dial(t testing.TB) *client {
	t.Helper()
	return f.dialFrom(t, "127.0.0.1")
}

// dialFrom connects from an address of this machine.
func (f *fixture) dialFrom(t testing.TB, ip string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := dialer.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

// newClient speaks over a connection.
func newClient(t testing.TB, conn net.Conn) *client {
	t.Helper()
	c := &client{
		t: t, conn: conn, frames: make(chan seata.Frame, 100_000),
		env: seata.Envelope{Codec: seata.CodecSeata, Version: seata.MakeClientVersion(1, 8, 0)},
	}
	ended := make(chan struct{})
	go c.read(ended)
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return c
}

// read decodes what the server sends.
func (c *client) read(ended chan<- struct{}) {
	defer close(ended)
	defer close(c.frames)
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := c.conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			frame, err := seata.DecodeFrame(buf, seata.DecodeOptions{Version: seata.ClientVersion(c.version.Load())})
			if err == seata.ErrShort {
				break
			}
			if err != nil {
				c.t.Errorf("server sent a bad frame: %v", err)
				return
			}
			buf = buf[frame.Header.Len():]
			c.frames <- frame
		}
		if err != nil {
			return
		}
	}
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil && err != io.EOF {
		c.t.Logf("write: %v", err)
	}
}

// send writes msg with the next id.
func (c *client) send(kind seata.MessageType, msg seata.Message) int32 {
	c.t.Helper()
	c.nextID++
	c.sendAs(kind, c.nextID, msg)
	return c.nextID
}

func (c *client) sendAs(kind seata.MessageType, id int32, msg seata.Message) {
	c.t.Helper()
	env := c.env
	env.MsgType, env.ID = kind, id
	b, err := seata.AppendFrame(nil, env, msg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(b)
}

// next waits for a frame.
func (c *client) next() seata.Frame {
	c.t.Helper()
	select {
	case f, ok := <-c.frames:
		if !ok {
			c.t.Fatal("server closed the connection")
		}
		return f
	case <-time.After(patience):
		c.t.Fatal("server sent nothing")
	}
	return seata.Frame{}
}

// call sends a request and returns its answer.
func (c *client) call(msg seata.Message) seata.Message {
	c.t.Helper()
	id := c.send(seata.RequestSync, msg)
	f := c.next()
	if f.Header.ID != id || f.Header.MsgType != seata.Response && f.Header.MsgType != seata.HeartbeatResponse {
		c.t.Fatalf("answer has id %d and type %s, want %d", f.Header.ID, f.Header.MsgType, id)
	}
	return f.Message
}

// askStatus sends a request that is answered with a status, and returns that.
func (c *client) askStatus(msg seata.Message) seata.GlobalStatus {
	c.t.Helper()
	switch m := c.call(msg).(type) {
	case *seata.GlobalCommitResponse:
		return m.Status
	case *seata.GlobalRollbackResponse:
		return m.Status
	case *seata.GlobalStatusResponse:
		return m.Status
	}
	return seata.GlobalStatusNull
}

// closed waits for the end of the connection and returns what came before it.
func (c *client) closed() (before []seata.Frame) {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case f, ok := <-c.frames:
			if !ok {
				return before
			}
			before = append(before, f)
		case <-deadline:
			c.t.Fatal("server did not close the connection")
		}
	}
}

// tm registers as a transaction manager, rm as a resource manager.
func (c *client) tm(version, application string) *client {
	c.t.Helper()
	return c.register(version, &seata.RegisterTMRequest{
		Version: version, ApplicationID: application, TransactionServiceGroup: "group",
	})
}

func (c *client) rm(version, application, resources string) *client {
	c.t.Helper()
	return c.register(version, &seata.RegisterRMRequest{
		Version: version, ApplicationID: application, TransactionServiceGroup: "group", ResourceIDs: resources,
	})
}

func (c *client) register(version string, msg seata.Message) *client {
	c.t.Helper()
	if v, err := seata.ParseClientVersion(version); err == nil {
		c.env.Version = v
		c.version.Store(int64(v))
	}
	switch m := c.call(msg).(type) {
	case *seata.RegisterTMResponse:
		if !m.Identified {
			c.t.Fatal("TM was refused")
		}
	case *seata.RegisterRMResponse:
		if !m.Identified {
			c.t.Fatal("RM was refused")
		}
	default:
		c.t.Fatalf("registration was answered with %T", m)
	}
	return c
}

// id is the client id that the server makes of this connection.
func (c *client) id(application string) string {
	return application + ":" + c.conn.LocalAddr().String()
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func xid(id int64) txn.XID { return txn.XID{Prefix: prefix, ID: id} }
