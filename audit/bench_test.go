package audit_test

import (
	"encoding/json"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// BenchmarkJudge measures what an audit costs for each transaction, without reading from disk or network: two AT
// branches, one message, the client's history of it; and how many bytes of memory it keeps.
func BenchmarkJudge(b *testing.B) {
	const n = 20_000
	b.ReportAllocs()
	kept := uint64(0)
	for b.Loop() {
		before := inUse()
		e := audit.NewEvidence(audit.Settings{AtRest: true, Slack: time.Second})
		e.Have = 1<<14 - 1
		e.Now = n * 1000
		e.Nodes = []audit.NodeLife{{ID: "a", Epoch: 3}}
		for i := int64(1); i <= n; i++ {
			addLife(b, e, i)
		}
		if r := audit.Judge(e); r.Stories != n || r.Violations != 0 {
			b.Fatalf("%d transactions, %d violations", r.Stories, r.Violations)
		}
		kept = inUse() - before
		runtime.KeepAlive(e)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/transaction")
	b.ReportMetric(float64(kept)/n, "kept-B/transaction")
}

// inUse is the memory that is reachable.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// addLife adds a committed transaction from all sources.
func addLife(b *testing.B, e *audit.Evidence, id int64) {
	start := txn.Millis(id * 100)
	g := &txn.Global{
		XID: xid(id), Version: 4, Application: "bank", Group: "tellers", Name: "transfer", BeganAt: start,
		DecidedAt: start + 30, EndedAt: start + 40, Timeout: time.Minute, Status: txn.Committed, Cause: txn.CauseRequested,
	}
	call := func(op audit.Op, ms txn.Millis, branch int64) {
		err := e.AddCall(&audit.Call{
			Client: "jvm", Op: op, XID: g.XID.String(), Asked: int64(ms) * 1000, Answered: int64(ms)*1000 + 500,
			Answer: audit.AnswerOK, Branch: branch, Action: "commit",
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	call(audit.OpBegin, start, 0)
	for k := int64(1); k <= 2; k++ {
		branch := 10*id*n0 + k
		g.Branches = append(g.Branches, &txn.Branch{
			ID: branch, Kind: txn.AT, State: txn.Finished, Resource: west, RegisteredAt: start + txn.Millis(k),
			LockKey: "account:" + strconv.FormatInt(id%500*2+k, 10),
		})
		call(audit.OpRegister, start+txn.Millis(k), branch)
		call(audit.OpAttempt, start+35, branch)
	}
	call(audit.OpCommit, start+30, 0)
	e.AddRecord(g, 3)
	body, err := json.Marshal([]json.RawMessage{mq.AppendDecisionBy(nil, g, 0)})
	if err != nil {
		b.Fatal(err)
	}
	e.AddMessage(&audit.Message{Topic: "concord-commit", Offset: id, Body: body, StoredAt: g.DecidedAt.Time()})
}

// n0 keeps the ids of branches apart from those of transactions.
const n0 = 1 << 20
