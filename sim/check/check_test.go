package check

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The transactions of the good run: 1 commits an AT branch, 3 rolls one back, 5 is a saga that is compensated.
const (
	committed, committedBranch   = 1, 2
	rolledBack, rolledBackBranch = 3, 4
	saga, firstStep, secondStep  = 5, 6, 7
)

// run builds logs, entry by entry.
type run struct {
	Logs
	seq   Seq
	state map[int64]*txn.Global
}

func (r *run) next() Seq { r.seq++; return r.seq }

func (r *run) answer(op Op, id, branch int64, status txn.Status) {
	version := uint64(0)
	if g := r.state[id]; g != nil {
		version = g.Version
	}
	r.Answers = append(r.Answers, Answer{
		Asked: r.next(), Seq: r.next(), Epoch: 1, Session: 1, Op: op, ID: id, Branch: branch, Class: OK, Status: status,
		Version: version, Durable: version,
	})
}

// write stores the next state of a transaction.
func (r *run) write(id int64, change func(g *txn.Global, w *Write)) {
	next := txn.Global{XID: txn.XID{Prefix: "tc:8091", ID: id}, Status: txn.Active}
	if before := r.state[id]; before != nil {
		next = *before
	}
	next.Version++
	w := &Write{Seq: r.next(), Durable: r.next(), Epoch: 1, Global: &next}
	change(&next, w)
	r.state[id] = &next
	r.Writes = append(r.Writes, w)
}

func (r *run) register(id int64, b txn.Branch) {
	r.write(id, func(g *txn.Global, w *Write) {
		b.State, b.Data = txn.Registered, "payload"
		g.Branches = append(g.Branches[:len(g.Branches):len(g.Branches)], &b)
		if b.LockKey != "" {
			w.Acquire = &b
		}
	})
	r.answer(OpRegister, id, b.ID, 0)
}

func (r *run) decide(id int64, status txn.Status, cause txn.Cause, release bool) {
	r.write(id, func(g *txn.Global, w *Write) {
		g.Status, g.Cause, w.Decision, g.Timeout = status, cause, true, time.Second
		if release {
			w.Release = g.Branches
		}
	})
	r.Published = append(r.Published, Published{Seq: r.next(), ID: id, Outcome: status.Outcome(), Event: "event"})
}

// pack stores a pack with the decision that comes next, and answers a check-back for it.
func (r *run) pack(id string, decided int64, decide func()) {
	r.Packs = append(r.Packs, Pack{Seq: r.next(), ID: id, Decided: []int64{decided}})
	decide()
	r.CheckBacks = append(r.CheckBacks, CheckBack{Seq: r.next(), Pack: id, Stored: true})
}

func (r *run) command(id, branch int64, op txn.Outcome) {
	r.Sent = append(r.Sent, Sent{Seq: r.next(), Epoch: 1, Command: txn.Command{
		XID: txn.XID{Prefix: "tc:8091", ID: id}, BranchID: branch, Op: op, Data: "payload", Attempt: 1,
	}})
}

func (r *run) deed(d Deed) {
	d.Seq, d.Result = r.next(), txn.ResultDone
	if d.Action == Confirm || d.Action == Cancel && d.Kind == txn.AT {
		d.Attempt, d.Payload = 1, "payload"
	}
	r.Deeds = append(r.Deeds, d)
}

func (r *run) end(id int64, status txn.Status, release bool) {
	r.write(id, func(g *txn.Global, w *Write) {
		g.Status, w.Ended = status, true
		branches := g.Branches
		g.Branches = nil
		for _, b := range branches {
			done := *b
			done.State = txn.Finished
			g.Branches = append(g.Branches, &done)
		}
		if release {
			w.Release = g.Branches
		}
	})
	r.End.Records = append(r.End.Records, r.state[id])
}

func row(pk string) txn.Row { return txn.Row{Resource: "db", Table: "t", PK: pk} }

// good is a run in which everything is right.
func good() *run {
	r := &run{state: map[int64]*txn.Global{}}
	r.Reserved = []IDRange{{1, 100}}
	change := []RowChange{
		{Row: row("1"), Before: 10, After: 15, Delta: 5}, {Row: row("2"), Before: 10, After: 5, Delta: -5},
	}

	r.answer(OpBegin, committed, 0, 0)
	r.register(committed, txn.Branch{ID: committedBranch, Kind: txn.AT, Resource: "db", LockKey: "t:1,2"})
	r.deed(Deed{ID: committed, Branch: committedBranch, Kind: txn.AT, Action: Try, Effect: true, Rows: change})
	r.pack("1-1", committed, func() { r.decide(committed, txn.Committing, txn.CauseRequested, true) })
	r.answer(OpCommit, committed, 0, txn.Committing)
	r.command(committed, committedBranch, txn.Commit)
	r.deed(Deed{ID: committed, Branch: committedBranch, Kind: txn.AT, Action: Confirm, Effect: true})
	r.end(committed, txn.Committed, false)
	r.answer(OpGet, committed, 0, txn.Committed)

	r.answer(OpBegin, rolledBack, 0, 0)
	r.register(rolledBack, txn.Branch{ID: rolledBackBranch, Kind: txn.AT, Resource: "db", LockKey: "t:1"})
	change = []RowChange{{Row: row("1"), Before: 15, After: 20, Delta: 5}}
	r.deed(Deed{ID: rolledBack, Branch: rolledBackBranch, Kind: txn.AT, Action: Try, Effect: true, Rows: change})
	r.decide(rolledBack, txn.RollingBack, txn.CauseTimeout, false)
	r.answer(OpRollback, rolledBack, 0, txn.RollingBack)
	r.command(rolledBack, rolledBackBranch, txn.Rollback)
	change = []RowChange{{Row: row("1"), Before: 20, After: 15}}
	r.deed(Deed{ID: rolledBack, Branch: rolledBackBranch, Kind: txn.AT, Action: Cancel, Effect: true, Rows: change})
	r.end(rolledBack, txn.RolledBack, true)

	r.answer(OpBegin, saga, 0, 0)
	for i, step := range []int64{firstStep, secondStep} {
		r.register(saga, txn.Branch{ID: step, Kind: txn.Saga, Resource: "app#group"})
		r.deed(Deed{ID: saga, Branch: step, Kind: txn.Saga, Action: Try, Effect: true, Step: i + 1})
	}
	for i, step := range []int64{secondStep, firstStep} {
		r.deed(Deed{ID: saga, Branch: step, Kind: txn.Saga, Action: Cancel, Effect: true, Step: 2 - i})
	}
	r.write(saga, func(g *txn.Global, w *Write) {
		g.Status, g.Cause, w.Decision = txn.RolledBack, txn.CauseReported, true
		g.Branches = nil
		for _, step := range []int64{firstStep, secondStep} {
			g.Branches = append(g.Branches, &txn.Branch{ID: step, Kind: txn.Saga, State: txn.Finished, Data: "payload"})
		}
		w.Ended = true
	})
	r.Published = append(r.Published, Published{Seq: r.next(), ID: saga, Outcome: txn.Rollback, Event: "event"})
	r.End.Records = append(r.End.Records, r.state[saga])

	r.End.Rows = []Balance{{row("1"), 10, 15}, {row("2"), 10, 5}}
	r.End.Committed, r.End.RolledBack = 1, 2
	r.End.AnswerMax = time.Minute
	return r
}

func TestGoodRunIsGood(t *testing.T) {
	t.Parallel()
	for _, v := range Run(&good().Logs) {
		t.Error(v)
	}
}

// deedOf returns the deed of a branch.
func (r *run) deedOf(branch int64, action Action) *Deed {
	for i := range r.Deeds {
		if d := &r.Deeds[i]; d.Branch == branch && d.Action == action {
			return d
		}
	}
	panic("no such deed")
}

func (r *run) drop(branch int64, action Action) {
	for i := range r.Deeds {
		if d := r.Deeds[i]; d.Branch == branch && d.Action == action {
			r.Deeds = append(r.Deeds[:i], r.Deeds[i+1:]...)
			return
		}
	}
}

// final returns the record of a transaction in the end.
func (r *run) final(id int64) *txn.Global {
	for _, g := range r.End.Records {
		if g.XID.ID == id {
			return g
		}
	}
	panic("no such record")
}

// asMessage makes a transaction a two-phase message that was decided for a reason.
func (r *run) asMessage(id int64, cause txn.Cause) {
	for _, w := range r.Writes {
		if w.ID() != id || !w.Global.Status.Decided() {
			continue
		}
		g := *w.Global
		g.Cause = cause
		g.Branches = append([]*txn.Branch{{ID: 1, Kind: txn.Check, State: txn.Finished}}, g.Branches...)
		w.Global = &g
	}
}

// bad lists, for each checker, ways to spoil the good run that it must find.
func bad() map[string][]func(r *run) {
	return map[string][]func(r *run){
		"I1": {
			func(r *run) { r.drop(rolledBackBranch, Cancel) },
			func(r *run) { r.deedOf(rolledBackBranch, Cancel).Action = Confirm },
			func(r *run) { r.drop(committedBranch, Confirm) },
		},
		"I2": {
			func(r *run) { r.answer(OpGet, committed, 0, txn.RolledBack) },
			func(r *run) { r.Published[0].Outcome = txn.Rollback },
			func(r *run) { r.command(rolledBack, rolledBackBranch, txn.Commit) },
		},
		"I3": {func(r *run) { r.answer(OpCommit, rolledBack, 0, txn.Committed) }},
		"I4": {func(r *run) { r.answer(OpRollback, committed, 0, txn.RolledBack) }},
		"I5": {
			func(r *run) { r.Writes[1].Global.DecidedAt = 5000 },
			func(r *run) { r.command(rolledBack, rolledBackBranch, txn.Commit) },
			func(r *run) { r.answer(OpCommit, rolledBack, 0, txn.Committing) },
		},
		"I6": {
			func(r *run) { r.answer(OpRegister, committed, 50, 0) },
			func(r *run) {
				r.register(committed, txn.Branch{ID: 51, Kind: txn.TCC})
			},
		},
		"I7": {
			func(r *run) { r.command(committed, 60, txn.Commit) },
			func(r *run) { r.Sent = r.Sent[:1] },
			func(r *run) { r.Sent[0].Seq = 1 },
		},
		"I8": {func(r *run) {
			r.Answers = append(r.Answers, Answer{Asked: 1, Seq: 2, ID: committed, Op: OpCommit, Class: Unknown})
			r.answer(OpGet, committed, 0, txn.Committed)
			r.answer(OpGet, committed, 0, txn.RolledBack)
		}},
		"I9": {
			func(r *run) { r.answer(OpGet, committed, 0, txn.Active) },
			func(r *run) { r.write(committed, func(g *txn.Global, _ *Write) { g.Status = txn.Committing }) },
		},
		"I10": {func(r *run) {
			r.answer(OpGet, committed, 0, txn.Committed)
			r.Answers[len(r.Answers)-1].Version = 1
		}},
		"I11": {
			func(r *run) { r.answer(OpBegin, committed, 0, 0) },
			func(r *run) { r.Reserved = append(r.Reserved, IDRange{100, 10}) },
			func(r *run) { r.answer(OpBegin, 1000, 0, 0) },
		},
		"I12": {
			func(r *run) { r.Writes[0].Epoch = 2 },
			func(r *run) { r.Sent[0].Dead = true },
			func(r *run) { r.Fences = []Fence{{Seq: 1, Epoch: 1}} },
		},
		"Record": {func(r *run) { r.Writes[1].Stored = "something else" }},
		"I15": {func(r *run) {
			r.register(20, txn.Branch{ID: 21, Kind: txn.AT, Resource: "db", LockKey: "t:9"})
			r.register(22, txn.Branch{ID: 23, Kind: txn.AT, Resource: "db", LockKey: "T:9"})
		}},
		"I16": {
			func(r *run) { r.End.Locks = []HeldRow{{row("1"), committed}} },
			func(r *run) { r.Writes[1].Release = nil },
		},
		"I17": {
			func(r *run) { r.Writes[0].Release = r.Writes[0].Global.Branches },
			func(r *run) { r.deedOf(rolledBackBranch, Cancel).Seq = 1000 },
		},
		"I18": {
			func(r *run) {
				r.Answers = append(r.Answers, Answer{
					Asked: 1, Seq: r.next(), ID: rolledBack, Branch: rolledBackBranch, Op: OpRegister, Class: Busy,
				})
			},
			func(r *run) {
				r.Answers = append(r.Answers, Answer{
					Asked: r.next(), Seq: r.next(), ID: saga, Op: OpRegister, Class: Locked, Row: row("1"), Holder: committed,
				})
			},
			func(r *run) {
				r.Answers = append(r.Answers, Answer{
					Asked: 1, Seq: r.next(), ID: rolledBack, Branch: rolledBackBranch, Op: OpRegister, Class: Locked,
					Row: row("1"), Holder: committed,
				})
			},
		},
		"Waits": {
			func(r *run) {
				r.End.Cluster, r.End.Watchful = true, true
				r.Answers = append(r.Answers, Answer{
					Asked: 1, Seq: r.next(), At: time.Hour, Waited: time.Minute, ID: committed, Op: OpRegister, Class: Illegal,
				})
			},
			func(r *run) {
				r.Answers = append(r.Answers, Answer{
					Asked: 1, Seq: r.next(), At: time.Hour, ID: saga, Op: OpRegister, Class: Locked, Row: row("1"),
					Holder: committed,
				})
			},
			func(r *run) {
				r.Writes[len(r.Writes)-1].DurableAt = time.Hour
				r.Answers = append(r.Answers, Answer{
					Asked: 1, Seq: r.next(), At: time.Hour, ID: saga, Op: OpRegister, Class: Locked, Row: row("1"),
					Holder: rolledBack,
				})
			},
		},
		"I19": {
			func(r *run) { r.End.Rows[0].End++ },
			func(r *run) { r.deedOf(rolledBackBranch, Cancel).Dirty = true },
			func(r *run) { r.deedOf(rolledBackBranch, Try).Seq = r.deedOf(committedBranch, Try).Seq + 1 },
			func(r *run) { r.deedOf(committedBranch, Try).Rows[0].Delta++ },
		},
		"I20": {func(r *run) {
			r.deed(Deed{ID: committed, Branch: committedBranch, Kind: txn.AT, Action: Confirm, Effect: true})
		}},
		"I21": {
			func(r *run) { r.drop(firstStep, Cancel) },
			func(r *run) {
				a, b := r.deedOf(firstStep, Cancel), r.deedOf(secondStep, Cancel)
				a.Step, b.Step = b.Step, a.Step
			},
		},
		"I22": {func(r *run) {
			r.deed(Deed{ID: rolledBack, Branch: rolledBackBranch, Kind: txn.AT, Action: Try, Effect: true})
		}},
		"I23": {
			func(r *run) {
				r.command(committed, committedBranch, txn.Commit)
				r.Sent[len(r.Sent)-1].Command.Data = "other"
			},
			func(r *run) { r.deedOf(committedBranch, Confirm).Payload = "other" },
		},
		"I25": {func(r *run) {
			r.Published = append(r.Published, Published{Seq: r.next(), ID: committed, Outcome: txn.Commit, Event: "other"})
		}},
		"I26": {
			func(r *run) { r.Published[0].Seq = 1 },
			func(r *run) { r.Published = append(r.Published, Published{Seq: r.next(), ID: 77, Outcome: txn.Commit}) },
		},
		"I27": {func(r *run) { r.Published = r.Published[1:] }},
		"I31": {
			func(r *run) { r.final(committed).Status = txn.Committing },
			func(r *run) {
				r.final(committed).Status, r.final(committed).Stuck = txn.Committing, txn.StuckRetriesUsedUp
			},
			func(r *run) { r.End.Fresh = 1 },
			func(r *run) { r.End.Restless = true },
			func(r *run) { r.End.Unanswered = []string{"commit of 1"} },
			func(r *run) { r.Answers[3].Waited = time.Hour },
		},
		"I32": {
			func(r *run) { r.final(committed).Branches[0].State = txn.Refused },
			func(r *run) { r.End.Hopeless = map[int64]bool{committedBranch: true} },
		},
		"I36": {
			func(r *run) { r.End.Committed++ },
			func(r *run) { r.End.Live++ },
			func(r *run) { r.End.Records = r.End.Records[1:]; r.End.Committed-- },
			func(r *run) { r.Answers = r.Answers[1:] },
		},
		"I27/rest": {
			func(r *run) { r.End.Halves = []string{"1-1"} },
			func(r *run) { r.End.Outbox = 1 },
		},
		"I28": {
			func(r *run) { r.CheckBacks = append(r.CheckBacks, CheckBack{Seq: r.next(), Pack: "1-7", Stored: true}) },
			func(r *run) { r.CheckBacks[0].Stored = false },
			func(r *run) { r.CheckBacks[0].Seq = 1 },
			func(r *run) { r.Packs = append(r.Packs, r.Packs[0]) },
		},
		"Refuse": {
			func(r *run) { r.End.HalfFirst = true },
			func(r *run) {
				r.End.HalfFirst = true
				r.Halves = []HalfMessage{{r.next(), "1-1"}}
			},
		},
		"I30": {
			func(r *run) {
				r.Published = append(r.Published, Published{Seq: r.next(), ID: committed, Outcome: txn.Rollback})
			},
			func(r *run) { r.Published = r.Published[1:] },
		},
		"Packs": {func(r *run) { r.Packs[0].Decided = append(r.Packs[0].Decided, rolledBack) }},
		"Ends": {func(r *run) {
			r.answer(OpCommit, committed, 0, txn.Committing)
			r.Answers[len(r.Answers)-1].At, r.Answers[len(r.Answers)-1].Waited = time.Hour, 2*time.Hour
		}, func(r *run) {
			r.End.Cluster, r.End.Watchful = true, true
			r.answer(OpCommit, committed, 0, txn.Committed)
			r.Answers[len(r.Answers)-1].At, r.Answers[len(r.Answers)-1].Waited = time.Hour, time.Minute
		}},
		"Deadlines": {func(r *run) {
			r.End.Cluster = true
			for _, w := range r.Writes {
				w.Global.Timeout = time.Minute
			}
		}},
		"Cycles": {func(r *run) {
			r.register(20, txn.Branch{ID: 21, Kind: txn.AT, Resource: "db", LockKey: "t:9"})
			r.register(22, txn.Branch{ID: 23, Kind: txn.AT, Resource: "db", LockKey: "t:8"})
			wait := Answer{Asked: r.next(), At: time.Hour, Waited: time.Minute, Op: OpRegister, Class: Locked, Rows: 1}
			a, b := wait, wait
			a.ID, a.Holder, a.Row, a.Seq = 20, 22, row("8"), r.next()
			b.ID, b.Holder, b.Row, b.Seq = 22, 20, row("9"), r.next()
			r.Answers = append(r.Answers, a, b)
		}},
		"Defects": {func(r *run) { r.End.Panics = 1 }},
		"Messages": {
			func(r *run) { r.asMessage(committed, txn.CauseRequested) },
			func(r *run) { r.asMessage(committed, txn.CauseTimeout) },
			func(r *run) {
				r.asMessage(committed, txn.CauseChecked)
				r.End.Submitted = map[int64]bool{committed: true}
			},
			func(r *run) {
				r.asMessage(committed, txn.CauseRequested)
				r.End.Submitted = map[int64]bool{committed: true}
				for i := range r.Deeds {
					r.Deeds[i].Effect = r.Deeds[i].Effect && r.Deeds[i].ID != committed
				}
			},
			func(r *run) {
				r.asMessage(rolledBack, txn.CauseRequested)
				r.End.Submitted = map[int64]bool{rolledBack: true}
			},
		},
	}
}

func TestEveryCheckerCanFail(t *testing.T) {
	t.Parallel()
	ways := bad()
	for _, c := range All() {
		known := len(ways[c.Name])
		for _, other := range otherRuns() {
			known += len(other.ways[c.Name])
		}
		if known == 0 {
			t.Errorf("nothing shows that %s can fail", c.Name)
		}
		for i, spoil := range ways[c.Name] {
			r := good()
			spoil(r)
			if len(c.Check(NewIndex(&r.Logs))) == 0 {
				t.Errorf("%s did not see way %d to violate it", c.Name, i)
			}
		}
	}
}
