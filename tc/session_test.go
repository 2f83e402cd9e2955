package tc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

func TestPingBeforeRegistration(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t)
	if a := c.call(&seata.Heartbeat{Ping: true}).(*seata.Heartbeat); a.Ping {
		t.Error("PING was answered with a PING")
	}
	c.send(0, &seata.Heartbeat{}) // a PONG asks for nothing
	c.call(&seata.Heartbeat{Ping: true})
}

func TestRegistrationsAddUp(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).tm("1.8.0", "orders").rm("1.8.0", "orders", "a,b")
	id := c.send(seata.RequestOneway, &seata.RegisterRMRequest{
		Version: "1.8.0", ApplicationID: "orders", TransactionServiceGroup: "group", ResourceIDs: "b,c,,",
	})
	if frame := c.next(); frame.Header.ID != id {
		t.Errorf("late registration was answered with %+v", frame)
	}
	c.rm("1.8.0", "orders", "")
	got := f.Sessions()
	got[0].Since, got[0].UnsentBytes = time.Time{}, 0 // the writer may be about to note that it has written
	want := []SessionInfo{{
		Client: c.id("orders"), Application: "orders", Group: "group", IP: "127.0.0.1", TM: true, RM: true,
		TMVersion: "1.8.0", RMVersion: "1.8.0", Codec: "SEATA", Resources: []string{"a", "b", "c"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRegistrationOverALimitIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	long := string(bytes.Repeat([]byte("x"), 5000))
	var many bytes.Buffer
	for i := range resourcesMax + 1 {
		fmt.Fprintf(&many, "r%d,", i)
	}
	for _, msg := range []seata.Message{
		&seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: long},
		&seata.RegisterRMRequest{Version: "1.8.0", TransactionServiceGroup: long},
		&seata.RegisterRMRequest{Version: "1.8.0", ResourceIDs: "a," + long},
		&seata.RegisterRMRequest{Version: "1.8.0", ResourceIDs: many.String()},
	} {
		c := f.dial(t)
		c.send(seata.RequestSync, msg)
		before := c.closed()
		if len(before) != 1 {
			t.Fatalf("got %d frames", len(before))
		}
		switch m := before[0].Message.(type) {
		case *seata.RegisterTMResponse:
			if m.Identified {
				t.Error("was accepted")
			}
		case *seata.RegisterRMResponse:
			if m.Identified {
				t.Error("was accepted")
			}
		default:
			t.Errorf("answered %T", m)
		}
	}
}

func TestUnregisteredSession(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t) // could be seata-go
	if a := c.call(&seata.GlobalBeginRequest{}).(*seata.GlobalBeginResponse); a.Code != seata.Success {
		t.Errorf("answered %+v", a)
	}
	if s := f.Sessions(); !s[0].Paced {
		t.Error("what could be seata-go is not paced")
	}
	c = f.dial(t) // merges, so it is Java
	c.send(seata.RequestOneway, &seata.MergedRequest{Messages: []seata.Message{&seata.GlobalBeginRequest{}}})
	c.closed()
	c = f.dial(t) // speaks PROTOBUF, so it is Java
	c.env.Codec, c.env.Package = seata.CodecProtobuf, seata.ProtoPackageIO
	c.send(seata.RequestSync, &seata.GlobalBeginRequest{TransactionName: "x"})
	c.closed()
	enforcing := setup(t, func(o *Options) { o.Auth = AuthEnforce })
	c = enforcing.dial(t)
	c.send(seata.RequestSync, &seata.GlobalBeginRequest{})
	c.closed()
	eventually(t, "faults are counted", func() bool {
		return f.Stats().Faults[FaultUnregistered] == 2 && enforcing.Stats().Faults[FaultUnregistered] == 1
	})
}

func TestForeignPeersAreClosed(t *testing.T) {
	t.Parallel()
	header := func(change ...byte) []byte {
		b := []byte{0xDA, 0xDA, 1, 0, 0, 0, 16, 0, 16, 3, 1, 0, 0, 0, 0, 1}
		for i := 0; i < len(change); i += 2 {
			b[change[i]] = change[i+1]
		}
		return b
	}
	for name, c := range map[string]struct {
		bytes []byte
		fault Fault
	}{
		"http":           {[]byte("GET /health HTTP/1.1\r\n\r\n"), FaultHTTP},
		"http2":          {[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), FaultHTTP},
		"tls":            {[]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}, FaultTLS},
		"garbage":        {[]byte("\x00\x01\x02\x03\x04\x05\x06\x07"), FaultForeign},
		"version 0":      {[]byte{0xDA, 0xDA, 0, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, FaultVersion},
		"version 2":      {header(2, 2), FaultVersion},
		"too large":      {header(3, 1), FaultTooLarge},
		"negative":       {header(3, 0xFF), FaultFrame},
		"too short":      {header(6, 15), FaultFrame},
		"head too large": {header(7, 1), FaultFrame},
		"head too short": {header(8, 15), FaultFrame},
		"kryo":           {append(header(6, 20, 9, 0, 10, 4), 1, 2, 3, 4), FaultCodec},
		"7z":             {append(header(6, 20, 9, 0, 11, 3), 1, 2, 3, 4), FaultCodec},
		"corrupt gzip":   {append(header(6, 20, 9, 0, 11, 1), 1, 2, 3, 4), FaultBody},
		"no body":        {header(9, 0), FaultBody},
		"head map":       {append(header(6, 18, 8, 18), 0x7F, 0x7F), FaultFrame},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			conn := f.dial(t)
			conn.write(c.bytes)
			if before := conn.closed(); len(before) != 0 {
				t.Errorf("answered %+v", before)
			}
			eventually(t, "fault is counted", func() bool { return f.Stats().Faults[c.fault] == 1 })
			eventually(t, "one line is logged", func() bool { return f.log.count("session closed by the coordinator") == 1 })
		})
	}
}

func TestFloodOfBadPeersIsNotAFloodOfLines(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for range 3 * throttleBurst {
		conn := f.dial(t)
		conn.write([]byte("GET / HTTP/1.1\r\n"))
		conn.closed()
	}
	eventually(t, "all are counted", func() bool { return f.Stats().Faults[FaultHTTP] == 3*throttleBurst })
	if n := f.log.count("session closed"); n < throttleBurst || n > throttleBurst+10 {
		t.Errorf("%d lines", n)
	}
}

func TestBombIsNotDecompressed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).tm("1.8.0", "orders")
	packed, err := new(seata.Compressors).Compress(seata.CompressorGzip, make([]byte, 9<<20))
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{0xDA, 0xDA, 1, 0, 0, 0, 0, 0, 16, 0, 1, 1, 0, 0, 0, 1}
	n := len(b) + len(packed)
	b[4], b[5], b[6] = byte(n>>16), byte(n>>8), byte(n)
	c.write(append(b, packed...))
	c.closed()
	eventually(t, "fault is counted", func() bool { return f.Stats().Faults[FaultTooLarge] == 1 })
}

func TestFrameSizesBeforeAndAfterRegistration(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.ReceiveBytesMax = 6 << 20 })
	big := &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", LockKey: "t:" + strings.Repeat("1", 4<<20)}
	c := f.dial(t).rm("1.8.0", "orders", "r")
	if a := c.call(big).(*seata.BranchRegisterResponse); a.Code != seata.Success {
		t.Errorf("answered %+v", a)
	}
	if n := len(f.fake.branches[0].LockKey); n != 4<<20+2 {
		t.Errorf("lock key of %d bytes", n)
	}
	second := f.dial(t).rm("1.8.0", "orders", "r") // 4 MiB are kept for the first
	second.send(seata.RequestSync, big)
	second.closed()
	stranger := f.dial(t)
	stranger.send(seata.RequestSync, big)
	stranger.closed()
	eventually(t, "faults are counted", func() bool {
		faults := f.Stats().Faults
		return faults[FaultMemory] == 1 && faults[FaultTooLarge] == 1
	})
	_ = c.conn.Close()
	eventually(t, "memory is given back", func() bool { return f.receiving.Load() == 0 })
}

func TestIdleSessions(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	f := setup(t, func(o *Options) { o.Limits.IdleLimit = limit })
	silent := f.dial(t)                           // never says anything
	noHeartbeat := f.dial(t).tm("1.8.0", "quiet") // heartbeats are switched off
	start := time.Now()
	beating := f.dial(t).tm("1.8.0", "orders")
	beating.call(&seata.Heartbeat{Ping: true})
	dripping := f.dial(t).tm("1.8.0", "orders")
	dripping.write([]byte{0xDA, 0xDA, 1})
	silent.closed()
	dripping.closed()
	beating.closed()
	if d := time.Since(start); d < limit {
		t.Errorf("closed after %s", d)
	}
	noHeartbeat.call(&seata.GlobalStatusRequest{XID: xid7})
	eventually(t, "faults are counted", func() bool {
		faults := f.Stats().Faults
		return faults[FaultIdle] == 2 && faults[FaultSlowFrame] == 1
	})
}

func TestEndlessFrameIsClosed(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.FrameLimit = 150 * time.Millisecond })
	c := f.dial(t).tm("1.8.0", "orders")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	c.write([]byte{0xDA, 0xDA, 1, 0, 1, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 1})
	eventually(t, "frame is given up", func() bool {
		<-tick.C
		_, _ = c.conn.Write([]byte{1})
		return f.Stats().Faults[FaultSlowFrame] == 1
	})
	c.closed()
}

func TestFrameInPieces(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t)
	b, err := seata.AppendFrame(nil, seata.Envelope{Codec: seata.CodecSeata, ID: 9}, &seata.RegisterTMRequest{
		Version: "1.8.0", ApplicationID: "orders", TransactionServiceGroup: "group",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		c.write(b[i : i+1])
	}
	if m, ok := c.next().Message.(*seata.RegisterTMResponse); !ok || !m.Identified {
		t.Errorf("answered %+v", m)
	}
}

func TestSlowReaderIsClosed(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.UnsentBytesMax, o.Limits.WriteLimit = 1<<20, time.Hour })
	f.flood(t)
	eventually(t, "session is closed", func() bool {
		s := f.Stats()
		return s.Faults[FaultSlowReader] == 1 && s.Sessions == 0
	})
}

func TestStuckWriteIsClosed(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.UnsentBytesMax, o.Limits.WriteLimit = 1<<30, 100*time.Millisecond })
	f.flood(t)
	eventually(t, "session is closed", func() bool {
		s := f.Stats()
		return s.Faults[FaultWrite] == 1 && s.Sessions == 0
	})
}

// flood has a peer ask for long answers and read none, until it is closed.
func (f *fixture) flood(t *testing.T) {
	t.Helper()
	f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) {
		done(0, &txn.IllegalEventError{XID: txn.XID{Prefix: strings.Repeat("x", 500), ID: 1}})
	}
	conn, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	requests, err := seata.AppendFrame(nil, seata.Envelope{Codec: seata.CodecSeata},
		&seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = conn.Write(requests); err != nil {
		t.Fatal(err)
	}
	requests = requests[:0]
	for i := range 1000 {
		requests, err = seata.AppendFrame(requests, seata.Envelope{Codec: seata.CodecSeata, ID: int32(i)},
			&seata.BranchRegisterRequest{XID: "a:1:1", ResourceID: "r"})
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.SetWriteDeadline(time.Now().Add(patience))
	for err == nil {
		_, err = conn.Write(requests)
	}
}

func TestSeataGoGetsOneFramePerWrite(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, c := range map[string]struct {
		join  func(*client) *client
		paced bool
	}{
		"seata-go TM":   {func(c *client) *client { return c.tm("1.1.0", "go") }, true},
		"seata-go RM":   {func(c *client) *client { return c.rm("1.5.2", "go", "r") }, true},
		"Java 1.5.2 TM": {func(c *client) *client { return c.tm("1.5.2", "java") }, false},
		"Java 1.8.0 RM": {func(c *client) *client { return c.rm("1.8.0", "java", "r") }, false},
		"Java 1.5.2 RM": {func(c *client) *client {
			c = c.rm("1.5.2", "java", "r")
			c.call(&seata.MergedRequest{})
			return c
		}, false},
		"seata-go, later": {func(c *client) *client { return c.tm("1.1.0", "go").rm("1.5.2", "go", "r") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(o *Options) { o.Limits.PaceEvery = 2 * time.Millisecond })
			cl := c.join(f.dial(t))
			before := f.Stats().Writes
			var b []byte
			for i := range n {
				b, _ = seata.AppendFrame(b, seata.Envelope{Codec: seata.CodecSeata, ID: int32(i)},
					&seata.GlobalStatusRequest{XID: xid7})
			}
			start := time.Now()
			cl.write(b)
			for range n {
				cl.next()
			}
			writes, took := f.Stats().Writes-before, time.Since(start)
			if c.paced && (writes != n || took < (n-2)*2*time.Millisecond) {
				t.Errorf("%d frames in %d writes and %s", n, writes, took)
			}
			if f.Sessions()[0].Paced != c.paced {
				t.Errorf("paced %v", !c.paced)
			}
		})
	}
}

func TestSeataGoGetsNoNewExceptionCodes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) {
		done(0, &orchestrator.LockedError{RollingBack: true})
	}
	c := f.dial(t).tm("1.1.0", "go").rm("1.5.2", "go", "r")
	a := c.call(&seata.BranchRegisterRequest{
		XID: xid7, ResourceID: "r", ApplicationData: `{"autoCommit":false}`,
	}).(*seata.BranchRegisterResponse)
	if a.Exception != seata.ExceptionLockKeyConflict {
		t.Errorf("answered %s", a.Exception)
	}
}

func TestBoundOfSessions(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.SessionsMax = 2 })
	one := f.dial(t).tm("1.8.0", "orders")
	f.dial(t).tm("1.8.0", "orders")
	f.dial(t).closed()
	_ = one.conn.Close()
	eventually(t, "there is room again", func() bool { return f.Stats().Sessions == 1 })
	f.dial(t).tm("1.8.0", "orders")
	if n := f.Stats().Faults[FaultSessions]; n != 1 {
		t.Errorf("%d refused", n)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.DrainLimit = patience })
	held := make(chan func(int64, error), 1)
	f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { held <- done }
	tm := f.dial(t).tm("1.8.0", "orders")
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	rm.send(seata.RequestSync, &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r"})
	done := <-held
	if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
		t.Fatal(err)
	}
	cmd := rm.next()
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.stop() }()
	eventually(t, "nobody is accepted", func() bool {
		conn, err := net.DialTimeout("tcp", f.Addr().String(), time.Second)
		if err != nil {
			return true
		}
		_ = conn.Close()
		return false
	})
	if a := tm.call(&seata.GlobalBeginRequest{}).(*seata.GlobalBeginResponse); a.Exception != seata.ExceptionBeginFailed {
		t.Errorf("begin while stopping: %+v", a)
	}
	if a := tm.call(&seata.GlobalCommitRequest{XID: xid7}).(*seata.GlobalCommitResponse); a.Code != seata.Success {
		t.Errorf("commit while stopping: %+v", a)
	}
	done(77, nil)
	if a, ok := rm.next().Message.(*seata.BranchRegisterResponse); !ok || a.BranchID != 77 {
		t.Errorf("registration while stopping: %+v", a)
	}
	rm.sendAs(seata.Response, cmd.Header.ID, &seata.BranchCommitResponse{
		Result: seata.Succeeded(), XID: xid7, BranchID: 8, Status: seata.BranchCommitted,
	})
	if r := f.fake.reply(t); r.Result != txn.ResultDone {
		t.Errorf("reply %+v", r)
	}
	tm.closed()
	rm.closed()
	<-stopped
	if s := f.Stats(); s.Sessions != 0 || s.Requests != 0 {
		t.Errorf("left: %+v", s)
	}
}

func TestDrainGivesUp(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.register = func(orchestrator.RegisterRequest, func(int64, error)) {}
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	rm.send(seata.RequestSync, &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r"})
	eventually(t, "request is under way", func() bool { return f.Stats().Requests == 1 })
	start := time.Now()
	f.stop()
	if d := time.Since(start); d > patience/2 {
		t.Errorf("stopped after %s", d)
	}
}

func TestServerThatNeverRan(t *testing.T) {
	t.Parallel()
	s, err := Listen(Options{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(commit(txn.TCC, "r", "app:127.0.0.1:1")); err == nil {
		t.Error("sent a command to nobody")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, err = Listen(Options{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil {
		t.Error("ran without a coordinator")
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	f := setup(t)
	if _, err := Listen(Options{Address: f.Addr().String()}); err == nil {
		t.Error("listened twice")
	}
}

func TestTwoServersInOneProcess(t *testing.T) {
	t.Parallel()
	one, two := setup(t), setup(t)
	one.dial(t).tm("1.8.0", "orders")
	c := two.dial(t).tm("1.8.0", "orders")
	one.stop()
	c.call(&seata.GlobalBeginRequest{})
	if len(one.fake.begun) != 0 || len(two.fake.begun) != 1 {
		t.Error("servers are not apart")
	}
}
