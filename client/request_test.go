package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// crowd asks for many statuses at once and checks that everybody gets the own answer.
func crowd(t *testing.T, c *Client, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			xid := fmt.Sprintf("a:1:%d", i)
			status, err := c.Status(t.Context(), xid)
			if err != nil || status != seata.GlobalStatus(i%10) {
				t.Errorf("%s: %s %v", xid, status, err)
			}
		})
	}
	all.Wait()
}

func TestEverybodyGetsTheOwnAnswerHoweverServersAnswerMergedRequests(t *testing.T) {
	t.Parallel()
	merge := func(conn *fakeConn, f seata.Frame) { // as servers up to 2.2, and Concord
		msgs, _ := children(f)
		if _, merged := f.Message.(*seata.MergedRequest); !merged {
			conn.send(seata.Response, f.Header.ID, statusOf(f.Message))
			return
		}
		result := &seata.MergeResult{}
		for _, m := range msgs {
			result.Messages = append(result.Messages, statusOf(m))
		}
		conn.send(seata.Response, f.Header.ID, result)
	}
	each := func(conn *fakeConn, f seata.Frame) { // as servers from 2.3 on
		msgs, ids := children(f)
		for i := len(msgs) - 1; i >= 0; i-- {
			conn.send(seata.Response, ids[i], statusOf(msgs[i]))
		}
	}
	batch := func(conn *fakeConn, f seata.Frame) { // as servers that are told to
		msgs, ids := children(f)
		result := &seata.BatchResult{IDs: ids}
		for _, m := range msgs {
			result.Messages = append(result.Messages, statusOf(m))
		}
		conn.send(seata.Response, f.Header.ID, result)
	}
	for name, answer := range map[string]func(*fakeConn, seata.Frame){"merged": merge, "each": each, "batch": batch} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, answer)
			c := open(t, Options{}, f)
			crowd(t, c, 3000)
			frames := len(f.seen())
			if frames >= 3000 {
				t.Errorf("3000 requests at once came in %d frames, nothing was merged", frames)
			}
			l := c.links[0]
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.pending)+len(l.merged)+len(l.queue)+len(l.slots) != 0 {
				t.Errorf("left behind: %d pending, %d merged, %d queued, %d slots",
					len(l.pending), len(l.merged), len(l.queue), len(l.slots))
			}
		})
	}
}

func TestWhatMayWaitForOthersTravelsAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	l := c.links[0]
	l.mu.Lock() // the writer waits
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 20 {
		all.Go(func() { _, _ = c.Commit(ctx, "a:1:1") })
		all.Go(func() { _, _ = c.Rollback(ctx, "a:1:1") })
		all.Go(func() { _, _ = c.RegisterBranch(ctx, Branch{XID: "a:1:1", Resource: "db", Locks: "t:1"}) })
		all.Go(func() { _, _ = c.RegisterBranch(ctx, Branch{XID: "a:1:1", Resource: "db"}) })
	}
	eventually(t, "all are there", func() bool { return l.load() == 80 })
	l.mu.Unlock()
	f.wait("80 requests", func(frames []seata.Frame) bool {
		n := 0
		for _, f := range frames {
			msgs, _ := children(f)
			n += len(msgs)
		}
		return n == 80
	})
	cancel()
	all.Wait()
	for _, frame := range f.seen() {
		m, ok := frame.Message.(*seata.MergedRequest)
		if !ok {
			continue
		}
		for _, child := range m.Messages {
			if r, ok := child.(*seata.BranchRegisterRequest); !ok || r.LockKey != "" {
				t.Errorf("%s was merged", child.TypeCode())
			}
		}
	}
}

func TestACancelledRequestLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil) // answers nothing
	c := open(t, Options{PendingMax: 4}, f)
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 8)
	for range 8 { // four are sent, four wait for room
		go func() {
			_, err := c.Status(ctx, "a:1:1")
			results <- err
		}()
	}
	f.wait("four requests", func(frames []seata.Frame) bool {
		n := 0
		for _, f := range frames {
			msgs, _ := children(f)
			n += len(msgs)
		}
		return n == 4
	})
	cancel()
	sent := 0
	for range 8 {
		err := <-results
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) == errors.Is(err, ErrNoCoordinator) {
			t.Errorf("%v", err)
		}
		if errors.Is(err, ErrUnknown) {
			sent++
		}
	}
	l := c.links[0]
	if err := c.Close(); err != nil { // what was written has come when the connection has ended
		t.Error(err)
	}
	f.end()
	seen := 0
	for _, frame := range f.seen() {
		msgs, _ := children(frame)
		seen += len(msgs)
	}
	if seen < 4 || seen > sent { // room may come to others before the end of their contexts does
		t.Errorf("%d of 8 say that they were sent, %d came", sent, seen)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending)+len(l.merged)+len(l.queue)+len(l.slots) != 0 {
		t.Errorf("left behind: %d pending, %d merged, %d queued, %d slots",
			len(l.pending), len(l.merged), len(l.queue), len(l.slots))
	}
}

func TestALateAnswerIsForNobody(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Commit(ctx, "a:1:1")
		ended <- err
	}()
	f.wait("a commit", func(frames []seata.Frame) bool { return len(frames) == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	f.mu.Lock()
	id := f.frames[0].Header.ID
	f.answer = func(conn *fakeConn, frame seata.Frame) {
		conn.send(seata.Response, id, &seata.GlobalCommitResponse{Result: seata.Succeeded(), Status: seata.GlobalCommitted})
		conn.send(seata.Response, frame.Header.ID, statusOf(frame.Message))
	}
	f.mu.Unlock()
	if status, err := c.Status(t.Context(), "a:1:4"); err != nil || status != seata.GlobalRollbacking {
		t.Errorf("%s %v", status, err)
	}
}

func TestACommitOfWhichNobodyKnowsIsUnknown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*fakeConn, seata.Frame){
		"answer to another question": func(conn *fakeConn, f seata.Frame) {
			conn.send(seata.Response, f.Header.ID, &seata.GlobalStatusResponse{})
		},
		"empty answer": func(conn *fakeConn, f seata.Frame) {
			conn.write(seata.AppendEmptyAnswer(nil, seata.CodecSeata, f.Header.ID))
		},
		"end": func(conn *fakeConn, _ seata.Frame) { _ = conn.Close() },
		"no frame": func(conn *fakeConn, _ seata.Frame) {
			conn.write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, answer)
			c := open(t, Options{}, f)
			if _, err := c.Commit(t.Context(), "a:1:1"); !errors.Is(err, ErrUnknown) || errors.Is(err, ErrNoCoordinator) {
				t.Errorf("%v", err)
			}
			if n := len(f.seen()); n != 1 {
				t.Errorf("the commit was sent %d times", n)
			}
		})
	}
}

func TestAStatusIsAskedAgainElsewhere(t *testing.T) {
	t.Parallel()
	dies := newFake(t, func(conn *fakeConn, _ seata.Frame) { _ = conn.Close() })
	lives := newFake(t, func(conn *fakeConn, f seata.Frame) {
		conn.send(seata.Response, f.Header.ID, statusOf(f.Message))
	})
	c := open(t, Options{}, dies, lives)
	eventually(t, "both are connected", func() bool { return len(c.Connected()) == 2 })
	xid := dies.listener.Addr().String() + ":9"
	if status, err := c.Status(t.Context(), xid); err != nil || status != seata.GlobalCommitted {
		t.Errorf("%s %v", status, err)
	}
	if len(dies.seen()) != 1 || len(lives.seen()) != 1 {
		t.Errorf("asked %d and %d times", len(dies.seen()), len(lives.seen()))
	}
}

func TestACoordinatorInTroubleIsLeftToItself(t *testing.T) {
	t.Parallel()
	trouble := newFake(t, func(conn *fakeConn, f seata.Frame) {
		if _, ok := f.Message.(*seata.GlobalBeginRequest); ok {
			conn.send(seata.Response, f.Header.ID, &seata.GlobalBeginResponse{
				Result: seata.FailedWith(seata.ExceptionBeginFailed, "I am leaving"),
			})
			return
		}
		conn.send(seata.Response, f.Header.ID, &seata.GlobalStatusResponse{
			Result: seata.FailedWith(seata.ExceptionFailedStore, "the store is away"),
		})
	})
	well := newFake(t, func(conn *fakeConn, f seata.Frame) {
		if _, ok := f.Message.(*seata.GlobalBeginRequest); ok {
			conn.send(seata.Response, f.Header.ID, &seata.GlobalBeginResponse{Result: seata.Succeeded(), XID: "a:1:9"})
			return
		}
		conn.send(seata.Response, f.Header.ID, statusOf(f.Message))
	})
	c := open(t, Options{}, trouble, well)
	eventually(t, "both are connected", func() bool { return len(c.Connected()) == 2 })
	for range 4 { // begins take turns
		if xid, err := c.Begin(t.Context(), "n", time.Minute); err != nil || xid != "a:1:9" {
			t.Errorf("%s %v", xid, err)
		}
	}
	if status, err := c.Status(t.Context(), trouble.listener.Addr().String()+":9"); err != nil || status != 9 {
		t.Errorf("%s %v", status, err)
	}
	if n, m := len(trouble.seen()), len(well.seen()); n < 2 || m != 5 {
		t.Errorf("asked %d and %d times", n, m)
	}
	alone := open(t, Options{}, trouble)
	var refused *Error
	if _, err := alone.Begin(t.Context(), "n", time.Minute); !errors.As(err, &refused) || errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if _, err := alone.Status(t.Context(), "a:1:1"); !errors.As(err, &refused) || !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestFramesMayComeInAnyPieces(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(conn *fakeConn, f seata.Frame) {
		msgs, ids := children(f)
		var all []byte
		for i, m := range msgs {
			all, _ = seata.AppendFrame(all, seata.Envelope{MsgType: seata.Response, Codec: seata.CodecSeata, ID: ids[i]},
				statusOf(m))
		}
		for i := range all {
			conn.write(all[i : i+1])
		}
	})
	crowd(t, open(t, Options{}, f), 50)
}

func TestATextThatFitsNoFrameFailsAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(conn *fakeConn, f seata.Frame) {
		msgs, ids := children(f)
		for i, m := range msgs {
			conn.send(seata.Response, ids[i], statusOf(m))
		}
	})
	c := open(t, Options{}, f)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := c.Status(t.Context(), strings.Repeat("x", 40_000))
			if !errors.Is(err, seata.ErrStringTooLong) || errors.Is(err, ErrUnknown) {
				t.Errorf("%v", err)
			}
		})
	}
	crowd(t, c, 100)
	all.Wait()
}

func TestARequestWaitsForACoordinatorButNotForEver(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{NodeWait: 20 * time.Millisecond, ReconnectMin: time.Hour, ReconnectMax: time.Hour}, f)
	_ = f.listener.Close()
	_ = f.conn().Close()
	eventually(t, "the connection is lost", func() bool { return len(c.Connected()) == 0 })
	if _, err := c.Begin(t.Context(), "n", time.Minute); !errors.Is(err, ErrNoCoordinator) || errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Begin(ctx, "n", time.Minute); !errors.Is(err, ErrNoCoordinator) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_ = c.Close()
	if _, err := c.Begin(t.Context(), "n", time.Minute); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestACoordinatorThatDoesNotReadIsLeft(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	f := newFake(t, func(*fakeConn, seata.Frame) { <-stop })
	defer close(stop)
	c := open(t, Options{
		WriteTimeout: 50 * time.Millisecond, PingAfter: 100 * time.Millisecond, SilenceMax: 4 * time.Second,
	}, f)
	var all sync.WaitGroup
	var blocked atomic.Int32
	for range 20 { // far more than the buffers of the connection
		all.Go(func() {
			_, err := c.RegisterBranch(t.Context(), Branch{XID: "a:1:1", Resource: "r", Data: strings.Repeat("x", 1<<20)})
			if errors.Is(err, os.ErrDeadlineExceeded) {
				blocked.Add(1)
			} else if !errors.Is(err, errSilent) { // the last few fit into the buffers
				t.Errorf("%v", err)
			}
			if !errors.Is(err, ErrUnknown) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if blocked.Load() == 0 {
		t.Error("no write was given up")
	}
}

func TestACoordinatorThatGivesNoConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, Options{
		Application: "a", Nodes: Static(mute.Addr().String()), TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	})
	if !errors.Is(err, ErrNoCoordinator) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestASilentCoordinatorIsLeft(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.mute = true
	c := open(t, Options{PingAfter: 10 * time.Millisecond, SilenceMax: 50 * time.Millisecond}, f)
	if _, err := c.Commit(t.Context(), "a:1:1"); !errors.Is(err, ErrUnknown) || !errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
}

func TestARefusedClientIsToldAtOnce(t *testing.T) {
	t.Parallel()
	one, two := newFake(t, nil), newFake(t, nil)
	one.refuse, two.refuse = true, true
	nodes := Static(one.listener.Addr().String(), two.listener.Addr().String())
	_, err := Open(t.Context(), Options{Application: "a", Nodes: nodes})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}
