package client

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// giving answers registrations as a Concord coordinator does: ids are given ahead, from 100 on.
func giving(taken func(id int64) int64) func(conn *fakeConn, f seata.Frame) {
	var last atomic.Int64
	last.Store(100)
	return func(conn *fakeConn, f seata.Frame) {
		id, asked := seata.FindHeadID(f.HeadMap, seata.HeadBranch)
		if id == 0 {
			id = last.Add(1)
		}
		var head []seata.HeadEntry
		if asked {
			head = []seata.HeadEntry{seata.HeadID(seata.HeadNextBranch, last.Add(1))}
		}
		b, err := seata.AppendFrame(nil, seata.Envelope{
			MsgType: seata.Response, Codec: seata.CodecSeata, ID: f.Header.ID, HeadMap: head,
			Version: seata.MakeClientVersion(2, 2, 0),
		}, &seata.BranchRegisterResponse{Result: seata.Succeeded(), BranchID: taken(id)})
		if err != nil {
			conn.f.t.Error(err)
			return
		}
		conn.write(b)
	}
}

func row() Branch { return Branch{XID: "a:1:1", Resource: "db", Locks: "t:1"} }

func TestTheIDOfABranchWithLocksIsKnownBeforeItIsRegistered(t *testing.T) {
	t.Parallel()
	c := open(t, Options{}, newFake(t, giving(func(id int64) int64 { return id })))
	for i := range 5 {
		likely, wait := c.StartBranch(t.Context(), row())
		id, err := wait()
		if err != nil || (likely != 0) != (i > 0) || likely != 0 && likely != id {
			t.Errorf("registration %d: likely %d, id %d, %v", i, likely, id, err)
		}
	}
	if n := c.links[0].load(); n != 0 {
		t.Errorf("%d slots are taken", n)
	}
}

func TestACoordinatorMayChooseAnotherID(t *testing.T) {
	t.Parallel()
	c := open(t, Options{}, newFake(t, giving(func(id int64) int64 { return id + 1000 })))
	for range 2 {
		likely, wait := c.StartBranch(t.Context(), row())
		id, err := wait()
		if err != nil || id <= 1000 || likely == id {
			t.Errorf("likely %d, id %d, %v", likely, id, err)
		}
	}
}

func TestABranchWithoutLocksAsksForNoIDAhead(t *testing.T) {
	t.Parallel()
	f := newFake(t, giving(func(id int64) int64 { return id }))
	c := open(t, Options{}, f)
	for range 2 {
		if likely, wait := c.StartBranch(t.Context(), Branch{XID: "a:1:1", Resource: "db"}); likely != 0 {
			t.Errorf("likely %d", likely)
		} else if _, err := wait(); err != nil {
			t.Error(err)
		}
	}
	for _, frame := range f.seen() {
		if len(frame.HeadMap) > 0 {
			t.Errorf("%v in the head", frame.HeadMap)
		}
	}
}

func TestARegistrationThatWasStartedEndsAsOthersDo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fakeTC, cancel context.CancelFunc){
		"cancelled": func(_ *fakeTC, cancel context.CancelFunc) { cancel() },
		"cut":       func(f *fakeTC, _ context.CancelFunc) { _ = f.conn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil) // answers nothing
			c := open(t, Options{}, f)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, wait := c.StartBranch(ctx, row())
			f.wait("the registration", func(frames []seata.Frame) bool { return len(frames) == 1 })
			end(f, cancel)
			if _, err := wait(); !errors.Is(err, ErrUnknown) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestARegistrationThatIsStartedWithAnEndedContextIsNotSent(t *testing.T) {
	t.Parallel()
	f := newFake(t, giving(func(id int64) int64 { return id }))
	c := open(t, Options{}, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, wait := c.StartBranch(ctx, row())
		eventually(t, "nothing is queued", func() bool {
			c.links[0].mu.Lock()
			defer c.links[0].mu.Unlock()
			return len(c.links[0].queue) == 0
		})
		if _, err := wait(); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
			t.Errorf("error %v", err)
		}
	}
	if _, err := c.RegisterBranch(t.Context(), row()); err != nil {
		t.Error(err)
	}
	if n := len(f.seen()); n != 1 {
		t.Errorf("%d requests were sent, one with a context that had not ended", n)
	}
	if err := c.links[0].reserve(ctx); !errors.Is(err, context.Canceled) || c.links[0].load() != 0 {
		t.Errorf("%v, %d slots are taken", err, c.links[0].load())
	}
}

func TestAnAnswerThatIsThereIsTakenAlsoIfTheContextHasEnded(t *testing.T) {
	t.Parallel()
	c := open(t, Options{}, newFake(t, giving(func(id int64) int64 { return id })))
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		_, wait := c.StartBranch(ctx, row())
		eventually(t, "the answer", func() bool {
			c.links[0].mu.Lock()
			defer c.links[0].mu.Unlock()
			return len(c.links[0].queue) == 0 && len(c.links[0].pending) == 0
		})
		cancel()
		if id, err := wait(); err != nil || id == 0 {
			t.Fatalf("id %d, %v", id, err)
		}
	}
}

func TestARefusalBringsAnIDToo(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(conn *fakeConn, f seata.Frame) {
		b, err := seata.AppendFrame(nil, seata.Envelope{
			MsgType: seata.Response, Codec: seata.CodecSeata, ID: f.Header.ID, Version: seata.MakeClientVersion(2, 2, 0),
			HeadMap: []seata.HeadEntry{seata.HeadID(seata.HeadNextBranch, 7)},
		}, &seata.BranchRegisterResponse{Result: seata.FailedWith(seata.ExceptionLockKeyConflict, "held")})
		if err != nil {
			conn.f.t.Error(err)
		}
		conn.write(b)
	})
	c := open(t, Options{}, f)
	for i, want := range []int64{0, 7, 7} {
		likely, wait := c.StartBranch(t.Context(), row())
		if _, err := wait(); !errors.Is(err, ErrLocked) || likely != want {
			t.Errorf("registration %d: likely %d, want %d; %v", i, likely, want, err)
		}
	}
}

func TestIDsThatNobodyUsesAreKeptUpToABound(t *testing.T) {
	t.Parallel()
	l := &link{}
	for id := range int64(2 * seata.AheadMax) {
		l.keepID([]seata.HeadEntry{seata.HeadID(seata.HeadNextBranch, id)})
	}
	if len(l.ids) != seata.AheadMax || l.ids[0] != 1 {
		t.Errorf("%d ids are kept, the first is %d", len(l.ids), l.ids[0])
	}
}

// branches are the ids that registrations asked for.
func branches(t *testing.T, frames []seata.Frame) (ids []int64) {
	t.Helper()
	for _, f := range frames {
		id, ok := seata.FindHeadID(f.HeadMap, seata.HeadBranch)
		if !ok {
			t.Errorf("%s without an id", f.Message.TypeCode())
		}
		ids = append(ids, id)
	}
	return ids
}

func TestAnIDIsUsedOnceAndOnItsConnection(t *testing.T) {
	t.Parallel()
	f := newFake(t, giving(func(id int64) int64 { return id }))
	c := open(t, Options{}, f)
	register := func() {
		t.Helper()
		if _, err := c.RegisterBranch(t.Context(), row()); err != nil {
			t.Fatal(err)
		}
	}
	register() // brings 102
	first, one := c.StartBranch(t.Context(), row())
	second, other := c.StartBranch(t.Context(), row())
	if first != 102 || second != 0 {
		t.Errorf("two at once: likely %d and %d", first, second)
	}
	for _, wait := range []func() (int64, error){other, one} {
		if _, err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	old, _, err := c.pick("", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.conn().Close()
	eventually(t, "another connection", func() bool {
		l, _, err := c.pick("", nil)
		return err == nil && l != nil && l != old
	})
	before := len(f.seen())
	register()
	if ids := branches(t, f.seen()[before:]); len(ids) != 1 || ids[0] != 0 {
		t.Errorf("on the next connection %v were asked for", ids)
	}
}

func TestAnIDIsLostWithARegistrationThatWasGivenUp(t *testing.T) {
	t.Parallel()
	answer := giving(func(id int64) int64 { return id })
	var late atomic.Pointer[func()]
	f := newFake(t, nil)
	f.answer = func(conn *fakeConn, frame seata.Frame) {
		if len(f.seen()) == 2 {
			do := func() { answer(conn, frame) }
			late.Store(&do)
			return
		}
		answer(conn, frame)
	}
	c := open(t, Options{}, f)
	if _, err := c.RegisterBranch(t.Context(), row()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	likely, wait := c.StartBranch(ctx, row())
	eventually(t, "the registration came", func() bool { return late.Load() != nil })
	cancel()
	if _, err := wait(); !errors.Is(err, ErrUnknown) || likely == 0 {
		t.Fatalf("likely %d, %v", likely, err)
	}
	(*late.Load())() // its answer brings an id nevertheless
	eventually(t, "the late answer", func() bool {
		c.links[0].mu.Lock()
		defer c.links[0].mu.Unlock()
		return len(c.links[0].ids) == 1
	})
	next, wait := c.StartBranch(t.Context(), row())
	id, err := wait()
	if err != nil || next == 0 || next == likely || id != next {
		t.Errorf("after %d: likely %d, id %d, %v", likely, next, id, err)
	}
	if n := c.links[0].load(); n != 0 {
		t.Errorf("%d slots are taken", n)
	}
}

func TestWhatIsDoneBesideARegistrationMayTakeLongerThanARequest(t *testing.T) {
	t.Parallel()
	f := newFake(t, giving(func(id int64) int64 { return id }))
	const limit = 2 * time.Second
	c := open(t, Options{PendingMax: 1, RequestTimeout: limit}, f)
	_, first := c.StartBranch(t.Context(), row())
	_, second := c.StartBranch(t.Context(), row()) // there is no room for it yet
	<-time.After(limit + 50*time.Millisecond)
	for i, wait := range []func() (int64, error){first, second} {
		if id, err := wait(); err != nil || id == 0 {
			t.Errorf("registration %d: %d, %v", i, id, err)
		}
	}
	if n := len(f.seen()); n != 2 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestARegistrationThatGoesElsewhereLeavesItsIDBehind(t *testing.T) {
	t.Parallel()
	answer := giving(func(id int64) int64 { return id })
	fakes := []*fakeTC{newFake(t, answer), newFake(t, answer)}
	c := open(t, Options{}, fakes...)
	eventually(t, "both are connected", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.links) == 2
	})
	c.mu.Lock()
	l := c.links[0]
	c.mu.Unlock()
	const id = 900
	l.keepID([]seata.HeadEntry{seata.HeadID(seata.HeadNextBranch, id)})
	q := question{op: "register", ahead: true, msg: &seata.BranchRegisterRequest{XID: "a:1:1", LockKey: "t:1"}}
	if err := l.reserve(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := &attempt{l: l, r: l.request(q)}
	l.kill(errEnded) // between the choice of the connection and the request
	a.err = l.send(a.r)
	reply, err := c.goOn(t.Context(), q, a)
	if m, ok := reply.(*seata.BranchRegisterResponse); err != nil || !ok || m.BranchID == id || a.r.branch != id {
		t.Errorf("%+v, %v; likely %d", reply, err, a.r.branch)
	}
	if ids := branches(t, append(fakes[0].seen(), fakes[1].seen()...)); len(ids) != 1 || ids[0] != 0 {
		t.Errorf("asked for %v", ids)
	}
	if l.load() != 0 {
		t.Errorf("%d slots are taken", l.load())
	}
}
