package audit_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	west  = "jdbc:mysql://127.0.0.1:3306/bank_west"
	purse = "debit"
	host  = "10.0.0.1:8091"
)

// idA commits and has AT branches 11 and 12 and TCC branch 13; idB rolls back and has AT branch 21 and TCC branch 22;
// idC times out without any.
const (
	idA = int64(1)
	idB = int64(2)
	idC = int64(5)
)

func xid(id int64) txn.XID { return txn.XID{Prefix: host, ID: id} }

// world builds evidence; a test changes a part of it before it is judged.
type world struct {
	t       *testing.T
	globals map[int64]*txn.Global
	epochs  map[int64]int64
	calls   []*audit.Call
	e       *audit.Evidence
	// published are the messages; they are added after the change.
	published []*audit.Message
	dead      []*audit.Message
	locks     []lock
}

type lock struct {
	row            txn.Row
	holder, branch int64
}

// run applies events to a new transaction with the core's own rules.
func run(t *testing.T, id int64, steps ...func(r txn.Rules, g *txn.Global) (txn.Effects, error)) *txn.Global {
	t.Helper()
	var g *txn.Global
	for i, step := range steps {
		eff, err := step(txn.DefaultRules(), g)
		if err != nil {
			t.Fatalf("step %d of %d: %v", i, id, err)
		}
		if eff.Next != nil {
			next := *eff.Next
			next.Version = uint64(i + 1)
			g = &next
		}
	}
	return g
}

func at(ms txn.Millis, ev txn.Event) func(r txn.Rules, g *txn.Global) (txn.Effects, error) {
	return func(r txn.Rules, g *txn.Global) (txn.Effects, error) { return r.Apply(g, ev, ms) }
}

func register(branch int64, kind txn.Kind, resource, key string) txn.Register {
	return txn.Register{BranchID: branch, Kind: kind, Resource: resource, Client: "bank:10.0.0.9:1", LockKey: key}
}

func done(branch int64, op txn.Outcome) txn.Reply {
	return txn.Reply{BranchID: branch, Op: op, Attempt: 1, Result: txn.ResultDone}
}

func begin(id int64) txn.Begin {
	return txn.Begin{XID: xid(id), Application: "bank", Group: "tellers", Name: "transfer", Timeout: time.Minute}
}

// setup is a cluster at rest in which everything is right.
func setup(t *testing.T) *world {
	w := &world{t: t, globals: map[int64]*txn.Global{}, epochs: map[int64]int64{idA: 3, idB: 4, idC: 5}}
	w.globals[idA] = run(t, idA,
		at(10_000, begin(idA)),
		at(10_100, register(11, txn.AT, west, "account:1")),
		at(10_200, register(12, txn.AT, west, "account:2")),
		at(10_300, register(13, txn.TCC, purse, "")),
		at(10_400, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}),
		at(10_450, txn.Wake{}),
		at(10_500, done(11, txn.Commit)), at(10_510, done(12, txn.Commit)), at(10_520, done(13, txn.Commit)),
	)
	w.globals[idB] = run(t, idB,
		at(20_000, begin(idB)),
		at(20_100, register(21, txn.AT, west, "ACCOUNT:1")),
		at(20_200, register(22, txn.TCC, purse, "")),
		at(20_300, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}),
		at(20_350, txn.Wake{}), at(20_400, done(22, txn.Rollback)), at(20_410, txn.Wake{}),
		at(20_500, done(21, txn.Rollback)),
	)
	w.globals[idC] = run(t, idC, at(30_000, begin(idC)), at(90_000, txn.Wake{}))
	w.e = audit.NewEvidence(audit.Settings{AtRest: true, Slack: 50 * time.Millisecond, Grace: time.Minute})
	w.e.Have = 1<<14 - 1
	w.e.Now = 100_000
	w.history()
	w.participants()
	w.e.Packs["p1"] = audit.Pack{Stored: true, At: 10_400}
	w.e.Packs["p2"] = audit.Pack{Stored: true, At: 20_300}
	w.e.Packs["p3"] = audit.Pack{Stored: false, At: 20_300}
	w.e.Nodes = []audit.NodeLife{
		{ID: "a", Epoch: 3, JoinedAt: 1_000, EndedAt: 15_000}, {ID: "b", Epoch: 4, JoinedAt: 2_000},
		{ID: "a", Epoch: 5, JoinedAt: 16_000},
	}
	w.e.Replays = []audit.Replay{{Topic: "concord-commit", Messages: 1}, {Topic: "concord-rollback", Messages: 1}}
	w.e.Totalled = []audit.Total{{Name: "money", Got: 2000, Want: 2000}}
	return w
}

func (w *world) history() {
	call := func(op audit.Op, id, ms int64, answer audit.Answer, status string) *audit.Call {
		c := &audit.Call{
			Client: "jvm", Op: op, XID: xid(id).String(), Asked: ms * 1000, Answered: ms*1000 + 5_000, Answer: answer,
			Status: status,
		}
		w.calls = append(w.calls, c)
		return c
	}
	given := func(id, ms, branch int64, resource, key string) {
		c := call(audit.OpRegister, id, ms, audit.AnswerOK, "")
		c.Branch, c.Resource, c.LockKey = branch, resource, key
	}
	attempt := func(id, ms, branch int64, action string, answer audit.Answer) {
		c := call(audit.OpAttempt, id, ms, answer, "")
		c.Branch, c.Action, c.Kind = branch, action, "AT"
	}
	call(audit.OpBegin, idA, 10_000, audit.AnswerOK, "Begin")
	given(idA, 10_100, 11, west, "account:1")
	given(idA, 10_200, 12, west, "account:2")
	given(idA, 10_300, 13, purse, "")
	call(audit.OpCommit, idA, 10_400, audit.AnswerUnknown, "")
	call(audit.OpCommit, idA, 10_420, audit.AnswerOK, "CommitRetrying")
	attempt(idA, 10_450, 11, "commit", audit.AnswerOK)
	attempt(idA, 10_460, 12, "commit", audit.AnswerRefused)
	attempt(idA, 10_470, 12, "commit", audit.AnswerOK)
	attempt(idA, 10_480, 13, "commit", audit.AnswerOK)
	call(audit.OpStatus, idA, 10_600, audit.AnswerOK, "Committed")

	call(audit.OpBegin, idB, 20_000, audit.AnswerOK, "Begin")
	given(idB, 20_100, 21, west, "ACCOUNT:1")
	given(idB, 20_200, 22, purse, "")
	call(audit.OpRollback, idB, 20_300, audit.AnswerOK, "Rollbacked")
	attempt(idB, 20_380, 22, "rollback", audit.AnswerOK)
	attempt(idB, 20_450, 21, "rollback", audit.AnswerOK)
	call(audit.OpCommit, idC, 90_100, audit.AnswerOK, "TimeoutRollbacked")
	// A fourth one, which got nothing: it met A's lock and gave up; the store has forgotten it.
	conflict := call(audit.OpRegister, 3, 10_150, audit.AnswerLocked, "")
	conflict.Resource, conflict.LockKey, conflict.Holder = west, "Account:1", xid(idA).String()
}

func (w *world) participants() {
	w.e.Databases = []audit.DatabaseState{
		{Name: "west", Resource: "/bank_west", Kinds: []txn.Kind{txn.AT}, HasUndo: true, Keys: 2},
		{Name: "purse", Resource: purse, Kinds: []txn.Kind{txn.TCC}, HasFence: true},
	}
	w.story(idA).Effects = []audit.Effect{
		{Database: 0, Kind: txn.AT, Action: "try"}, {Database: 0, Kind: txn.AT, Action: "try"},
		{Database: 1, Kind: txn.TCC, Branch: 13, Action: "try"}, {Database: 1, Kind: txn.TCC, Branch: 13, Action: "confirm"},
	}
	w.story(idA).Fences = []audit.Fence{{Database: 1, Branch: 13, Status: 2}}
	w.story(idB).Effects = []audit.Effect{
		{Database: 1, Kind: txn.TCC, Branch: 22, Action: "try"}, {Database: 1, Kind: txn.TCC, Branch: 22, Action: "cancel"},
	}
	w.story(idB).Fences = []audit.Fence{{Database: 1, Branch: 22, Status: 3}}
}

func (w *world) story(id int64) *audit.Story {
	if w.e.Stories[id] == nil {
		w.e.Stories[id] = &audit.Story{ID: id}
	}
	return w.e.Stories[id]
}

// publish adds a message with the event of a transaction as it was decided.
func (w *world) publish(id int64, pack string) *audit.Message {
	m := w.message(id)
	m.Pack = pack
	w.published = append(w.published, m)
	return m
}

// message is the message of the decision of a transaction.
func (w *world) message(id int64) *audit.Message {
	g := *w.globals[id]
	g.Version = uint64(len(g.Branches) + 2)
	var event json.RawMessage = mq.AppendDecisionBy(nil, &g, w.epochs[id])
	body, err := json.Marshal([]json.RawMessage{event})
	if err != nil {
		w.t.Fatal(err)
	}
	return &audit.Message{
		Topic: mq.Topic(g.Status.Outcome()), Offset: int64(len(w.published)), Keys: g.XID.String(), Body: body,
		StoredAt: g.DecidedAt.Add(5 * time.Millisecond).Time(),
	}
}

// finish adds what is still separate and returns the evidence.
func (w *world) finish() *audit.Evidence {
	if w.published == nil {
		w.publish(idA, "p1")
		w.publish(idA, "p1")
		w.publish(idB, "p2")
		w.publish(idC, "")
	}
	for id, g := range w.globals {
		w.e.AddRecord(g, w.epochs[id])
	}
	for _, c := range w.calls {
		copied := *c
		if err := w.e.AddCall(&copied); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, m := range w.published {
		w.e.AddMessage(m)
	}
	for _, m := range w.dead {
		w.e.AddDead(m)
	}
	for _, l := range w.locks {
		w.e.AddLock(l.row, l.holder, l.branch)
	}
	return w.e
}

// edit replaces the record of a transaction by one with changes in the history.
func (w *world) edit(id int64, change func(g *txn.Global)) {
	g := *w.globals[id]
	branches := make([]*txn.Branch, len(g.Branches))
	for i, b := range g.Branches {
		copied := *b
		branches[i] = &copied
	}
	g.Branches = branches
	change(&g)
	w.globals[id] = &g
}

// find returns the calls of one kind.
func (w *world) find(op audit.Op, id int64) []*audit.Call {
	var out []*audit.Call
	for _, c := range w.calls {
		if c.Op == op && c.XID == xid(id).String() {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		w.t.Fatal("no such call: ", op, id)
	}
	return out
}

// add appends a copy of a call with changes.
func (w *world) add(c *audit.Call, change func(c *audit.Call)) {
	copied := *c
	change(&copied)
	w.calls = append(w.calls, &copied)
}

// found lists the parts that found something, with the evidence.
func found(r *audit.Report) map[string][]string {
	out := map[string][]string{}
	for _, result := range r.Results {
		for _, v := range result.Violations {
			out[v.Part] = append(out[v.Part], fmt.Sprintf("%s: %s", v.XID, v.Evidence))
		}
	}
	return out
}
