package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

func TestNearlyFullDiskRefusesNewWorkAndEndsTheOld(t *testing.T) {
	t.Parallel()
	h := newInside()
	s := h.start(t)
	p := connect(t, s.tc)
	p.answer(seata.BranchCommitted, seata.BranchRollbacked)
	wanted, unwanted := p.begin("wanted", "orders:1"), p.begin("unwanted", "orders:2")
	early := p.ask(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)

	h.freeDisk.Store(100 << 20)
	s.until("100 MiB free, less than the reserve of 1024 MiB", func() string {
		_, body := s.get("/readyz")
		return body
	})
	code, body := s.get("/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "storeNotWritable") {
		t.Errorf("%d %s", code, body)
	}
	b := p.ask(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)
	if b.Code != seata.Failed || b.Exception != seata.ExceptionBeginFailed || b.XID != "" {
		t.Errorf("begin: %+v", b)
	}
	for _, xid := range []string{wanted, early.XID} {
		if r := p.register(xid, "orders:3"); r.Code != seata.Failed || r.Exception != seata.ExceptionFailedStore {
			t.Errorf("register with %s: %+v", xid, r)
		}
	}
	contains(t, s.ok("tx", "show", wanted), "Active", "locks 1 row")
	contains(t, s.ok("locks"), wanted, unwanted)
	if _, body := s.get("/metrics"); !strings.Contains(body, "tx_ready 0\n") {
		t.Error("tx_ready is not 0")
	}
	committed := p.ask(&seata.GlobalCommitRequest{XID: wanted}).(*seata.GlobalCommitResponse)
	if committed.Status != seata.GlobalCommitted {
		t.Errorf("commit: %+v", committed)
	}
	rolledBack := p.ask(&seata.GlobalRollbackRequest{XID: unwanted}).(*seata.GlobalRollbackResponse)
	if rolledBack.Status != seata.GlobalRollbacked {
		t.Errorf("rollback: %+v", rolledBack)
	}
	s.eventually("Committed", "tx", "show", wanted)
	contains(t, s.ok("locks"), "No locked row matches.")

	h.freeDisk.Store(10 << 30)
	s.until(`"ready":true`, func() string {
		_, body := s.get("/readyz")
		return body
	})
	p.begin("again", "orders:1")
	if n := strings.Count(s.logs(), "store accepts no new work"); n != 1 {
		t.Errorf("%d lines about the disk:\n%s", n, s.logs())
	}
}

func TestReserveAboveTheFreeSpaceAtStart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := start(t, data)
	p := connect(t, first.tc)
	xid := p.begin("old", "orders:1")
	first.kill()

	s := start(t, data, "--dev", "--store-disk-reserve", "1000000GiB")
	code, body := s.get("/readyz")
	if code != http.StatusServiceUnavailable {
		t.Errorf("%d", code)
	}
	contains(t, body, "less than the reserve of 1024000000 MiB", "MiB free")
	p = connect(t, s.tc)
	p.answer(seata.BranchCommitted, 0)
	b := p.ask(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)
	if b.Exception != seata.ExceptionBeginFailed {
		t.Errorf("begin: %+v", b)
	}
	contains(t, s.ok("tx", "commit", xid, "--yes", "--reason", "test"), "Committ")
}

// TestFailedSyncEndsTheProcessAndLosesNothing breaks the disk under many requests.
func TestFailedSyncEndsTheProcessAndLosesNothing(t *testing.T) {
	t.Parallel()
	h := newInside()
	s := h.start(t)
	p := connect(t, s.tc)
	open, done := p.begin("open", "orders:1"), p.begin("done", "orders:2")
	if r := p.ask(&seata.GlobalCommitRequest{XID: done}).(*seata.GlobalCommitResponse); r.Code != seata.Success {
		t.Fatalf("commit: %+v", r)
	}

	broken := errors.New("input/output error")
	h.syncs.Store(&broken)
	var answers []<-chan seata.Message
	for i := range 50 {
		answer, err := p.post(&seata.BranchRegisterRequest{
			XID: open, BranchType: seata.BranchAT, ResourceID: "jdbc:mysql://db/shop", LockKey: fmt.Sprint("goods:", i),
		})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	late, err := p.post(&seata.GlobalCommitRequest{XID: open})
	if err != nil {
		t.Fatal(err)
	}
	if code := <-h.exits; code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	h.crash()
	<-p.ended
	for i, answer := range answers {
		select {
		case m := <-answer:
			if r := m.(*seata.BranchRegisterResponse); r.Code == seata.Success {
				t.Errorf("branch %d was answered as done on a broken disk", i)
			}
		default:
		}
	}
	select {
	case m := <-late:
		if r, ok := m.(*seata.GlobalCommitResponse); ok && r.Code == seata.Success {
			t.Errorf("a decision was answered as done on a broken disk: %+v", r)
		}
	default:
	}
	if n := strings.Count(s.logs(), "store failed, the process ends at once"); n != 1 || len(h.exits) != 0 {
		t.Errorf("told %d times, and asked to exit %d times more:\n%s", n, len(h.exits), s.logs())
	}

	s = h.start(t)
	contains(t, s.ok("tx", "show", open), "Active", "locks 1 row")
	contains(t, s.ok("tx", "show", done), "Committing")
	p = connect(t, s.tc)
	p.answer(seata.BranchCommitted, seata.BranchRollbacked)
	s.do("tx", "retry", done, "--yes", "--reason", "test") // unless it went by itself already
	s.eventually("Committed", "tx", "show", done)
	contains(t, s.ok("tx", "rollback", open, "--yes", "--reason", "test"), "RolledBack")
	contains(t, s.ok("locks"), "No locked row matches.")
}
