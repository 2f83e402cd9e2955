package tc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

var errFault = errors.New("broken platter")

const xid7 = prefix + ":7"

func TestBeginTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tm := f.dial(t).tm("2.2.0", "orders")
	for _, err := range []error{
		orchestrator.ErrBusy, orchestrator.ErrReadOnly, orchestrator.ErrStopped, orchestrator.ErrTooLarge, errFault,
	} {
		f.fake.with(func() {
			f.fake.begin = func(orchestrator.BeginRequest) (txn.XID, error) { return txn.XID{}, err }
		})
		a := tm.call(&seata.GlobalBeginRequest{TimeoutMillis: -5}).(*seata.GlobalBeginResponse)
		if a.Code != seata.Failed || a.Exception != seata.ExceptionBeginFailed || a.Msg == "" {
			t.Errorf("%v: answered %+v", err, a)
		}
		if strings.Contains(a.Msg, "platter") {
			t.Error("details of a fault are told to clients")
		}
	}
	if got := f.fake.begun[0].Timeout; got != -5*time.Millisecond {
		t.Errorf("timeout %s", got)
	}
}

func TestRegisterTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	row := txn.Row{Resource: "r", Table: "t", PK: "1"}
	held := &orchestrator.LockedError{Row: row, Holder: xid(3)}
	undone := &orchestrator.LockedError{Row: row, Holder: xid(3), RollingBack: true}
	illegal := func(r txn.Illegal) error { return &txn.IllegalEventError{XID: xid(7), Event: "register", Reason: r} }
	const local, skip = `{"autoCommit":false}`, `{"autoCommit":false,"skipCheckLock":true}`
	const notJSON = `autoCommit false`
	for _, c := range []struct {
		version, data string
		err           error
		want          seata.ExceptionCode
	}{
		{"1.8.0", "", orchestrator.ErrNotFound, seata.ExceptionGlobalTransactionNotExist},
		{"1.8.0", "", illegal(txn.NotActive), seata.ExceptionGlobalTransactionNotActive},
		{"1.8.0", "", illegal(txn.TooManyBranches), seata.ExceptionFailedToAddBranch},
		{"1.8.0", "", orchestrator.ErrTooLarge, seata.ExceptionFailedToAddBranch},
		{"1.8.0", "", orchestrator.ErrBusy, seata.ExceptionFailedStore},
		{"1.8.0", "", errFault, seata.ExceptionFailedStore},
		{"1.8.0", "", &orchestrator.DeadlockError{Locked: held}, seata.ExceptionLockKeyConflict},
		{"1.8.0", "", held, seata.ExceptionLockKeyConflict},
		{"1.8.0", local, held, seata.ExceptionLockKeyConflict},
		{"1.8.0", "", undone, seata.ExceptionLockKeyConflict},
		{"1.8.0", `{"autoCommit":true}`, undone, seata.ExceptionLockKeyConflict},
		{"1.8.0", skip, undone, seata.ExceptionLockKeyConflict},
		{"1.8.0", notJSON, undone, seata.ExceptionLockKeyConflict},
		{"1.4.2", local, undone, seata.ExceptionLockKeyConflict},
		{"1.5.2", local, undone, seata.ExceptionLockKeyConflictFailFast},
		{"1.8.0", local, undone, seata.ExceptionLockKeyConflictFailFast},
		{"2.2.0", local, undone, seata.ExceptionLockKeyConflictFailFast},
		{"2.6.0", local, undone, seata.ExceptionLockKeyConflictFailFast},
	} {
		t.Run(fmt.Sprintf("%s %s %v", c.version, c.data, c.err), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { go done(0, c.err) }
			rm := f.dial(t).rm(c.version, "orders", "r")
			a := rm.call(&seata.BranchRegisterRequest{
				XID: xid7, ResourceID: "r", LockKey: "t:1", ApplicationData: c.data,
			}).(*seata.BranchRegisterResponse)
			if a.Code != seata.Failed || a.Exception != c.want || !strings.HasPrefix(a.Msg, "TransactionException[") {
				t.Errorf("answered %+v, want %s", a, c.want)
			}
		})
	}
}

func TestReportAndItsFailures(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	report := func() *seata.BranchReportResponse {
		return rm.call(&seata.BranchReportRequest{
			XID: xid7, BranchID: 9, Status: seata.BranchPhaseOneFailed, ApplicationData: "x", BranchType: seata.BranchAT,
		}).(*seata.BranchReportResponse)
	}
	if a := report(); a.Code != seata.Success {
		t.Errorf("answered %+v", a)
	}
	want := orchestrator.ReportRequest{ID: 7, BranchID: 9, State: txn.PhaseOneFailed, Data: "x"}
	if d := cmp.Diff(want, f.fake.reports[0]); d != "" {
		t.Error(d)
	}
	for err, code := range map[error]seata.ExceptionCode{
		orchestrator.ErrNotFound:                         seata.ExceptionGlobalTransactionNotExist,
		&txn.IllegalEventError{Reason: txn.NoSuchBranch}: seata.ExceptionBranchTransactionNotExist,
	} {
		f.fake.with(func() { f.fake.report = func(_ orchestrator.ReportRequest, done func(error)) { done(err) } })
		if a := report(); a.Code != seata.Failed || a.Exception != code {
			t.Errorf("%v: answered %+v", err, a)
		}
	}
}

func TestLockQuery(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	var asked []int64
	f.fake.locked = func(id int64, resource, key string, done func(*orchestrator.LockedError, error)) {
		asked = append(asked, id)
		switch {
		case key == "t:1":
			done(&orchestrator.LockedError{}, nil)
		case key == "t:2":
			done(nil, orchestrator.ErrBusy)
		default:
			done(nil, nil)
		}
	}
	for key, lockable := range map[string]bool{"t:1": false, "t:2": false, "t:3": true, "": true} {
		a := rm.call(&seata.GlobalLockQueryRequest{ResourceID: "r", LockKey: key}).(*seata.GlobalLockQueryResponse)
		if a.Code != seata.Success || a.Lockable != lockable {
			t.Errorf("key %q: %+v", key, a)
		}
	}
	rm.call(&seata.GlobalLockQueryRequest{XID: xid7, ResourceID: "r", LockKey: "t:3"})
	if d := cmp.Diff([]int64{0, 0, 0, 7}, asked); d != "" {
		t.Error(d)
	}
}

func TestUnknownXIDIsFinished(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) {
		done(nil, orchestrator.ErrNotFound)
	}
	tm := f.dial(t).tm("1.8.0", "orders")
	for _, text := range []string{xid7, "", "nonsense", "a:b:-4", "a:b:99999999999999999999"} {
		for _, m := range []seata.Message{
			&seata.GlobalCommitRequest{XID: text}, &seata.GlobalRollbackRequest{XID: text},
			&seata.GlobalStatusRequest{XID: text},
		} {
			if s := tm.askStatus(m); s != seata.GlobalFinished {
				t.Errorf("%s of %q: %s", m.TypeCode(), text, s)
			}
		}
	}
}

func TestOtherOutcomeAnswersTheTrueStatus(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.decide = func(_ orchestrator.DecideRequest, done func(*txn.Global, error)) {
		done(&txn.Global{Status: txn.RolledBack, Cause: txn.CauseTimeout}, &txn.IllegalEventError{Reason: txn.OtherOutcome})
	}
	tm := f.dial(t).tm("1.8.0", "orders")
	if s := tm.askStatus(&seata.GlobalCommitRequest{XID: xid7}); s != seata.GlobalTimeoutRollbacked {
		t.Errorf("answered %s", s)
	}
}

func TestOnlySagasAreEndedByReport(t *testing.T) {
	t.Parallel()
	saga := &txn.Global{Name: txn.SagaNamePrefix + "m", Status: txn.Active}
	plain := &txn.Global{Status: txn.Active}
	for _, c := range []struct {
		name     string
		g        *txn.Global
		reported seata.GlobalStatus
		want     seata.GlobalStatus
		outcome  txn.Outcome
	}{
		{"committed", saga, seata.GlobalCommitted, seata.GlobalCommitted, txn.Commit},
		{"rolled back", saga, seata.GlobalRollbacked, seata.GlobalRollbacked, txn.Rollback},
		{"finished", saga, seata.GlobalFinished, seata.GlobalRollbacked, txn.Rollback},
		{"goes on forward", saga, seata.GlobalCommitRetrying, seata.GlobalCommitted, txn.Commit},
		{"compensates", saga, seata.GlobalRollbackRetrying, seata.GlobalRollbacked, txn.Rollback},
		{"compensates late", saga, seata.GlobalTimeoutRollbackRetrying, seata.GlobalRollbacked, txn.Rollback},
		{"does not know", saga, seata.GlobalUnknown, seata.GlobalRollbacked, txn.Rollback},
		{"another", saga, seata.GlobalCommitting, seata.GlobalBegin, 0},
		{"null", saga, seata.GlobalStatusNull, seata.GlobalBegin, 0},
		{"no saga", plain, seata.GlobalCommitted, seata.GlobalBegin, 0},
		{"unknown xid", nil, seata.GlobalCommitted, seata.GlobalCommitted, 0},
		{"unknown xid, null", nil, seata.GlobalStatusNull, seata.GlobalFinished, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.fake.get = func(_ int64, done func(*txn.Global, error)) {
				if c.g == nil {
					done(nil, orchestrator.ErrNotFound)
					return
				}
				done(c.g, nil)
			}
			tm := f.dial(t).tm("1.8.0", "orders")
			a := tm.call(&seata.GlobalReportRequest{XID: xid7, Status: c.reported}).(*seata.GlobalReportResponse)
			if a.Code != seata.Success || a.Status != c.want {
				t.Errorf("answered %+v, want %s", a, c.want)
			}
			if c.outcome == 0 {
				if len(f.fake.decided) != 0 {
					t.Errorf("decided %+v", f.fake.decided)
				}
				return
			}
			d := f.fake.decided[0]
			over := c.reported == c.want || c.reported == seata.GlobalFinished
			if d.Outcome != c.outcome || d.AllDone != over || d.Ongoing == over || d.Cause != txn.CauseReported || d.ID != 7 {
				t.Errorf("decided %+v", d)
			}
		})
	}
}

func TestStatusQueryOnRMConnection(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.get = func(_ int64, done func(*txn.Global, error)) { done(&txn.Global{Status: txn.Committing}, nil) }
	rm := f.dial(t).rm("1.8.0", "orders", "r")
	if s := rm.askStatus(&seata.GlobalStatusRequest{XID: xid7}); s != seata.GlobalCommitted {
		t.Errorf("answered %s", s)
	}
	f.fake.with(func() { f.fake.get = func(_ int64, done func(*txn.Global, error)) { done(nil, errFault) } })
	a := rm.call(&seata.GlobalStatusRequest{XID: xid7}).(*seata.GlobalStatusResponse)
	if a.Code != seata.Failed || a.Status != seata.GlobalUnknown {
		t.Errorf("%+v", a)
	}
}

func TestMergedRequest(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.4.2", "1.5.2", "1.8.0", "2.2.0", "2.6.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			held := make(chan func(int64, error), 1)
			f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { held <- done }
			c := f.dial(t).rm(version, "orders", "r")
			id := c.send(seata.RequestOneway, &seata.MergedRequest{
				Messages: []seata.Message{
					&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", LockKey: "t:1"},
					&seata.GlobalBeginRequest{TimeoutMillis: 1},
					&seata.BranchCommitResponse{Result: seata.Succeeded(), XID: xid7, Status: seata.BranchCommitted},
					&seata.GlobalStatusRequest{XID: xid7},
				},
				IDs: []int32{11, 12, 13, 14},
			})
			done := <-held
			eventually(t, "others are handled", func() bool { return f.Stats().Requests == 1 })
			done(42, nil)
			frame := c.next()
			m, ok := frame.Message.(*seata.MergeResult)
			if !ok || frame.Header.ID != id || frame.Header.MsgType != seata.Response {
				t.Fatalf("answered %+v", frame)
			}
			want := &seata.MergeResult{Messages: []seata.Message{
				&seata.BranchRegisterResponse{Result: seata.Succeeded(), BranchID: 42},
				&seata.GlobalBeginResponse{Result: seata.Succeeded(), XID: prefix + ":2"},
				&seata.BranchReportResponse{Result: seata.FailedWith(seata.ExceptionUnknown, errUnexpected.Error())},
				&seata.GlobalStatusResponse{Result: seata.Succeeded(), Status: seata.GlobalFinished},
			}}
			if d := cmp.Diff(want, m); d != "" {
				t.Error(d)
			}
			if f.fake.branches[0].Wait {
				t.Error("a child of several waits for a lock")
			}
		})
	}
}

func TestOnlyChildWaitsForLocks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c := f.dial(t).rm("1.8.0", "orders", "r")
	a := c.call(&seata.MergedRequest{
		Messages: []seata.Message{&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", LockKey: "t:1"}}, IDs: []int32{5},
	}).(*seata.MergeResult)
	if len(a.Messages) != 1 || !f.fake.branches[0].Wait {
		t.Errorf("answered %+v, wait %v", a, f.fake.branches[0].Wait)
	}
	if a := c.call(&seata.MergedRequest{}).(*seata.MergeResult); len(a.Messages) != 0 {
		t.Errorf("empty merge answered %+v", a)
	}
}

func TestBoundOfRequestsAnswersAtOnceAndSparesPings(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Limits.RequestsMax = 3 })
	var held []func(int64, error)
	f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { held = append(held, done) }
	f.fake.decide = func(orchestrator.DecideRequest, func(*txn.Global, error)) {} // never answered
	c := f.dial(t).rm("1.8.0", "orders", "r")
	register := &seata.BranchRegisterRequest{XID: xid7, ResourceID: "r"}
	for range 3 {
		c.send(seata.RequestSync, register)
	}
	if a := c.call(register).(*seata.BranchRegisterResponse); a.Exception != seata.ExceptionFailedStore {
		t.Errorf("answered %+v", a)
	}
	if a := c.call(&seata.GlobalBeginRequest{}).(*seata.GlobalBeginResponse); a.Exception != seata.ExceptionBeginFailed {
		t.Errorf("answered %+v", a)
	}
	merged := c.call(&seata.MergedRequest{Messages: []seata.Message{register, register}}).(*seata.MergeResult)
	for _, m := range merged.Messages {
		if a := m.(*seata.BranchRegisterResponse); a.Exception != seata.ExceptionFailedStore {
			t.Errorf("answered %+v", a)
		}
	}
	if a := c.call(&seata.Heartbeat{Ping: true}).(*seata.Heartbeat); a.Ping {
		t.Error("PING was answered with a PING")
	}
	if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err != nil {
		t.Fatal(err)
	}
	cmd := c.next()
	c.sendAs(seata.Response, cmd.Header.ID, &seata.BranchCommitResponse{
		Result: seata.Succeeded(), XID: xid7, BranchID: 8, Status: seata.BranchCommitted,
	})
	if r := f.fake.reply(t); r.Result != txn.ResultDone {
		t.Errorf("reply %+v", r)
	}
	for range 3 { // commits may go twice as far
		c.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid7})
	}
	c.send(seata.RequestSync, &seata.GlobalCommitRequest{XID: xid7})
	c.closed()
	eventually(t, "fault is counted", func() bool { return f.Stats().Faults[FaultBusy] == 5 })
}

func TestBrokenBodyIsAnsweredIfThatIsTruthful(t *testing.T) {
	t.Parallel()
	f := setup(t)
	frame := func(msg seata.Message, cut int) []byte {
		b, err := seata.AppendFrame(nil, seata.Envelope{Codec: seata.CodecSeata, ID: 77}, msg)
		if err != nil {
			t.Fatal(err)
		}
		b = b[:len(b)-cut]
		b[5], b[6] = byte(len(b)>>8), byte(len(b))
		return b
	}
	c := f.dial(t).tm("1.8.0", "orders")
	c.write(frame(&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r", LockKey: "t:1"}, 3))
	if a, ok := c.next().Message.(*seata.BranchRegisterResponse); !ok || a.Code != seata.Failed {
		t.Errorf("answered %+v", a)
	}
	c.write(frame(&seata.GlobalCommitRequest{XID: xid7}, 5))
	c.closed()
	c = f.dial(t).tm("1.8.0", "orders")
	c.write([]byte{0xDA, 0xDA, 1, 0, 0, 0, 18, 0, 16, 0, 1, 0, 0, 0, 0, 1, 0x7F, 0x7F}) // unknown type code
	c.closed()
	c = f.dial(t).tm("1.8.0", "orders")
	c.send(seata.RequestSync, &seata.BranchCommitRequest{XID: xid7, ResourceID: "r"}) // only coordinators send that
	c.closed()
	eventually(t, "faults are counted", func() bool { return f.Stats().Faults[FaultBody] == 4 })
}

func TestPanicEndsOneSessionOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.get = func(int64, func(*txn.Global, error)) { panic("defect") }
	other := f.dial(t).tm("1.8.0", "orders")
	c := f.dial(t).tm("1.8.0", "orders")
	c.send(seata.RequestSync, &seata.GlobalStatusRequest{XID: xid7})
	c.closed()
	other.call(&seata.Heartbeat{Ping: true})
	eventually(t, "panic is counted", func() bool { return f.Stats().Faults[FaultPanic] == 1 })
	if f.log.count("handling a frame panicked") != 1 {
		t.Error("panic is not in the log")
	}
}

func TestSecondCallOfACompletionFunctionIsIgnored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.fake.register = func(_ orchestrator.RegisterRequest, done func(int64, error)) { done(5, nil); done(6, nil) }
	c := f.dial(t).rm("1.8.0", "orders", "r")
	for range 2 {
		if a := c.branch(seata.BranchTCC, xid7, "r", ""); a.BranchID != 5 {
			t.Errorf("answered %+v", a)
		}
	}
	if n := f.Stats().Requests; n != 0 {
		t.Errorf("%d requests wait", n)
	}
}

func TestProtobufClient(t *testing.T) {
	t.Parallel()
	for version, pkg := range map[string]seata.ProtoPackage{
		"1.8.0": seata.ProtoPackageIO, "2.2.0": seata.ProtoPackageApache,
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			c := f.dial(t)
			c.env.Codec, c.env.Package, c.env.Compressor = seata.CodecProtobuf, pkg, seata.CompressorGzip
			c.rm(version, "orders", "r")
			a := c.call(&seata.BranchRegisterRequest{XID: xid7, ResourceID: "r"}).(*seata.BranchRegisterResponse)
			if a.Code != seata.Success {
				t.Errorf("answered %+v", a)
			}
			if err := f.Send(commit(txn.TCC, "r", c.id("orders"))); err != nil {
				t.Fatal(err)
			}
			cmd := c.next()
			if cmd.Package != pkg || cmd.Header.Codec != seata.CodecProtobuf {
				t.Errorf("command in %s of %s", cmd.Header.Codec, cmd.Package)
			}
			if err := f.Send(commit(txn.XA, "r", c.id("orders"))); err == nil {
				t.Error("an XA command was sent in a codec that has none")
			}
			if n := f.Stats().CommandsOpen; n != 1 {
				t.Errorf("%d commands are open", n)
			}
		})
	}
}
