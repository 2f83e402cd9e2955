package main

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

// fakeTC is a coordinator that keeps everything in memory and misbehaves on request.
type fakeTC struct {
	listener net.Listener
	wait     sync.WaitGroup

	mu       sync.Mutex
	nextID   int64
	globals  map[string]*fakeGlobal
	refuse   map[string]bool // lock keys that are taken
	swap     bool            // tell branches the other outcome
	repeat   bool            // tell branches twice
	astray   bool            // tell branches through whoever registered one last
	last     *fakeConn       // that registered a branch
	shortage int             // how many more begins are refused
}

type fakeGlobal struct {
	status   seata.GlobalStatus
	branches []fakeBranch
	left     int
	answer   func() // of a commit or rollback that waits for phase two
}

type fakeBranch struct {
	id       int64
	kind     seata.BranchType
	resource string
	conn     *fakeConn
}

type fakeConn struct {
	net.Conn
	mu   sync.Mutex
	next int32
}

func (c *fakeConn) send(env seata.Envelope, msg seata.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if env.MsgType == seata.RequestSync {
		c.next++
		env.ID = c.next
	}
	buf, err := seata.AppendFrame(nil, env, msg)
	if err != nil {
		panic(err)
	}
	_, _ = c.Write(buf) // the reader sees what is wrong with the connection
}

func startFake(t *testing.T) *fakeTC {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTC{listener: listener, globals: map[string]*fakeGlobal{}, refuse: map[string]bool{}}
	f.wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.wait.Go(func() { f.serve(&fakeConn{Conn: conn}) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.wait.Wait()
	})
	return f
}

func (f *fakeTC) serve(c *fakeConn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 0, 1<<16)
	for {
		if len(buf) == cap(buf) {
			return
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
		for {
			frame, err := seata.DecodeFrame(buf, seata.DecodeOptions{Version: clientVersion()})
			if err != nil {
				break
			}
			buf = buf[:copy(buf, buf[frame.Header.Len():])]
			f.take(c, frame)
		}
	}
}

func (f *fakeTC) take(c *fakeConn, frame seata.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := frame.Reply(clientVersion())
	switch m := frame.Message.(type) {
	case *seata.Heartbeat:
		c.send(env, &seata.Heartbeat{})
	case *seata.RegisterTMRequest:
		c.send(env, &seata.RegisterTMResponse{Identified: true, Version: clientVersionText})
	case *seata.RegisterRMRequest:
		c.send(env, &seata.RegisterRMResponse{Identified: true, Version: clientVersionText})
	case *seata.GlobalBeginRequest:
		if f.shortage > 0 {
			f.shortage--
			c.send(env, &seata.GlobalBeginResponse{Result: seata.FailedWith(seata.ExceptionBeginFailed, "full")})
			return
		}
		f.nextID++
		xid := "127.0.0.1:1:" + strconv.FormatInt(f.nextID, 10)
		f.globals[xid] = &fakeGlobal{status: seata.GlobalBegin}
		c.send(env, &seata.GlobalBeginResponse{Result: seata.Succeeded(), XID: xid})
	case *seata.BranchRegisterRequest:
		if f.refuse[m.LockKey] {
			c.send(env, &seata.BranchRegisterResponse{Result: seata.FailedWith(seata.ExceptionLockKeyConflict, "")})
			return
		}
		f.nextID++
		f.last = c
		g := f.globals[m.XID]
		g.branches = append(g.branches, fakeBranch{f.nextID, m.BranchType, m.ResourceID, c})
		g.left++
		c.send(env, &seata.BranchRegisterResponse{Result: seata.Succeeded(), BranchID: f.nextID})
	case *seata.GlobalCommitRequest:
		f.decide(m.XID, false, func(s seata.GlobalStatus) {
			c.send(env, &seata.GlobalCommitResponse{Result: seata.Succeeded(), Status: s})
		})
	case *seata.GlobalRollbackRequest:
		f.decide(m.XID, true, func(s seata.GlobalStatus) {
			c.send(env, &seata.GlobalRollbackResponse{Result: seata.Succeeded(), Status: s})
		})
	case *seata.GlobalStatusRequest:
		c.send(env, &seata.GlobalStatusResponse{Result: seata.Succeeded(), Status: f.globals[m.XID].status})
	case *seata.BranchCommitResponse:
		f.told(m.XID)
	case *seata.BranchRollbackResponse:
		f.told(m.XID)
	}
}

// decide answers at once for AT commits and without branches, otherwise when all branches have answered.
func (f *fakeTC) decide(xid string, rollback bool, answer func(seata.GlobalStatus)) {
	g := f.globals[xid]
	g.status = seata.GlobalCommitted
	if rollback {
		g.status = seata.GlobalRollbacked
	}
	status := g.status
	if len(g.branches) == 0 || !rollback && g.branches[0].kind == seata.BranchAT {
		answer(status)
	} else {
		g.answer = func() { answer(status) }
	}
	times := 1
	if f.repeat {
		times = 2
	}
	for _, b := range g.branches {
		conn := b.conn
		if f.astray {
			conn = f.last
		}
		for range times {
			env := seata.Envelope{MsgType: seata.RequestSync, Codec: seata.CodecSeata, Version: clientVersion()}
			if rollback != f.swap {
				conn.send(env, &seata.BranchRollbackRequest{XID: xid, BranchID: b.id, ResourceID: b.resource})
			} else {
				conn.send(env, &seata.BranchCommitRequest{XID: xid, BranchID: b.id, ResourceID: b.resource})
			}
		}
	}
}

func (f *fakeTC) told(xid string) {
	g := f.globals[xid]
	if g.left--; g.left == 0 && g.answer != nil {
		g.answer()
	}
}
