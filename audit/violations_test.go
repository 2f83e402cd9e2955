package audit_test

import (
	"time"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// violations has, for each part of an invariant, a change that it must notice.
func violations() map[string]func(w *world) {
	out := outcomeViolations()
	for _, more := range []map[string]func(w *world){stateViolations(), lockViolations(), topicViolations()} {
		for name, spoil := range more {
			out[name] = spoil
		}
	}
	return out
}

func outcomeViolations() map[string]func(w *world) {
	return map[string]func(w *world){
		"I1/effects": func(w *world) { w.story(idA).Effects = w.story(idA).Effects[1:] },
		"I1/fences":  func(w *world) { w.story(idB).Fences[0].Status = 2 },
		"I2/record": func(w *world) {
			w.edit(idA, func(g *txn.Global) {
				g.History = append(g.History[:len(g.History):len(g.History)], w.globals[idB].History...)
			})
		},
		"I2/topics": func(w *world) {
			w.publish(idA, "p1")
			forged := *w.globals[idB]
			forged.XID = xid(idA)
			w.globals[9] = &forged
			w.publish(9, "p2")
			delete(w.globals, 9)
		},
		"I2/answers": func(w *world) { w.find(audit.OpRollback, idB)[0].Status = "Committed" },
		"I2/attempts": func(w *world) {
			w.add(w.find(audit.OpAttempt, idA)[0], func(c *audit.Call) { c.Action = "rollback" })
		},
		"I3/told": func(w *world) {
			w.add(w.find(audit.OpStatus, idA)[0], func(c *audit.Call) { c.XID = xid(7).String() })
		},
		"I4/told": func(w *world) {
			w.add(w.find(audit.OpStatus, idA)[0], func(c *audit.Call) { c.Status = "TimeoutRollbacked" })
		},
		"I4/effects": func(w *world) {
			w.story(idB).Effects = append(w.story(idB).Effects, audit.Effect{Database: 0, Kind: txn.AT, Action: "try"})
		},
		"I5/attempts": func(w *world) {
			w.edit(idB, func(g *txn.Global) { g.Cause = txn.CauseTimeout })
			w.add(w.find(audit.OpAttempt, idB)[0], func(c *audit.Call) { c.Action = "commit" })
		},
		"I5/answers": func(w *world) {
			w.edit(idB, func(g *txn.Global) { g.Cause = txn.CauseTimeout })
			w.add(w.find(audit.OpRollback, idB)[0], func(c *audit.Call) { c.Op, c.Status = audit.OpCommit, "Committed" })
		},
		"I6/record": func(w *world) {
			// The history of another life of the same branches, with the decision first.
			late := run(w.t, idA, at(10_000, begin(idA)),
				at(10_050, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}))
			w.edit(idA, func(g *txn.Global) { g.History = append(late.History, g.History...) })
		},
		"I6/accepted": func(w *world) {
			w.add(w.find(audit.OpRegister, idA)[0], func(c *audit.Call) { c.Branch = 14 })
		},
		"I7/record": func(w *world) { w.edit(idA, func(g *txn.Global) { g.Branches[1].State = txn.PhaseOneDone }) },
		"I7/event": func(w *world) {
			w.publish(idA, "p1")
			w.edit(idA, func(g *txn.Global) { g.Branches = g.Branches[:2] })
		},
		"I7/attempts": func(w *world) { w.find(audit.OpAttempt, idA)[3].Answer = audit.AnswerRefused },
		"I8/answers": func(w *world) {
			w.add(w.find(audit.OpStatus, idA)[0], func(c *audit.Call) { c.Status, c.Asked = "Rollbacked", c.Asked+10_000 })
		},
		"I20/effects": func(w *world) {
			w.story(idA).Effects = append(w.story(idA).Effects, w.story(idA).Effects[3])
		},
		"I20/attempts": func(w *world) {
			w.add(w.find(audit.OpAttempt, idA)[0], func(c *audit.Call) { c.Action = "rollback" })
		},
		"I36/totals": func(w *world) { w.e.Totalled[0].Got-- },
		"Undo/rows":  func(w *world) { w.e.Databases[0].UndoRows = 1 },
	}
}

func stateViolations() map[string]func(w *world) {
	return map[string]func(w *world){
		"I11/branches": func(w *world) { w.edit(idB, func(g *txn.Global) { g.Branches[0].ID = 12 }) },
		"I11/begins":   func(w *world) { w.add(w.find(audit.OpBegin, idA)[0], func(*audit.Call) {}) },
		"I11/given":    func(w *world) { w.find(audit.OpRegister, idB)[0].Branch = 11 },
		"I12/nodes":    func(w *world) { w.e.Nodes[2].Epoch = 4 },
		"I12/writes":   func(w *world) { w.epochs[idB] = 3 },
		"I12/decisions": func(w *world) {
			m := w.publish(idB, "p2")
			m.Body = []byte(replace(w.t, string(m.Body), `"epoch":4`, `"epoch":3`))
		},
		"I31/records": func(w *world) { w.globals[idB] = run(w.t, idB, at(20_000, begin(idB))) },
		"I32/refused": func(w *world) { w.edit(idA, func(g *txn.Global) { g.Branches[0].State = txn.Refused }) },
		"I32/vanished": func(w *world) {
			w.add(w.find(audit.OpRegister, idA)[0], func(c *audit.Call) { c.XID, c.Branch = xid(8).String(), 81 })
		},
	}
}

func lockViolations() map[string]func(w *world) {
	account := txn.Row{Resource: west, Table: "account", PK: "1"}
	return map[string]func(w *world){
		"I15/table": func(w *world) { w.locks = []lock{{account, idA, 11}, {account, idB, 21}} },
		"I15/record": func(w *world) {
			// A third one registers account 1 while B, which rolls back, has not undone it.
			w.globals[3] = run(w.t, 3, at(20_000, begin(3)), at(20_310, register(31, txn.AT, west, "account:1")),
				at(20_320, register(32, txn.AT, west, "account:7")),
				at(20_480, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}))
		},
		"I15/history": func(w *world) {
			w.globals[3] = run(w.t, 3, at(10_000, begin(3)), at(10_120, register(31, txn.AT, west, "account:1")),
				at(10_380, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}))
			w.add(w.find(audit.OpRegister, idA)[0], func(c *audit.Call) {
				c.XID, c.Branch, c.Asked, c.Answered = xid(3).String(), 31, 10_120_000, 10_130_000
			})
			w.add(w.find(audit.OpCommit, idA)[0], func(c *audit.Call) { c.XID, c.Asked = xid(3).String(), 10_380_000 })
		},
		"I15/sequence": func(w *world) { w.e.Databases[0].Gaps = []string{"row 1 has write 3 after write 1"} },
		"I16/table":    func(w *world) { w.locks = []lock{{account, idA, 11}} },
		"I16/rest":     func(w *world) { w.locks = []lock{{account, 99, 1}} },
		"I17/record": func(w *world) {
			w.edit(idB, func(g *txn.Global) { g.Branches[0].Released, g.Branches[0].State = true, txn.PhaseOneDone })
		},
		"I17/held": func(w *world) {
			w.globals[3] = run(w.t, 3, at(99_000, begin(3)), at(99_100, register(31, txn.AT, west, "account:9")))
		},
		"I17/history": func(w *world) {
			w.globals[3] = run(w.t, 3, at(20_000, begin(3)), at(20_310, register(31, txn.AT, west, "account:1")))
			w.add(w.find(audit.OpRegister, idB)[0], func(c *audit.Call) {
				c.XID, c.Branch, c.Asked, c.Answered = xid(3).String(), 31, 20_310_000, 20_320_000
			})
		},
		"I18/branches": func(w *world) { w.find(audit.OpRegister, idA)[2].Answer = audit.AnswerRefused },
		"I18/holder": func(w *world) {
			w.find(audit.OpRegister, 3)[0].Holder = xid(idB).String()
			w.find(audit.OpRegister, 3)[0].LockKey = "account:2"
		},
	}
}

func topicViolations() map[string]func(w *world) {
	return map[string]func(w *world){
		"I25/copies": func(w *world) {
			w.publish(idA, "p1")
			m := w.publish(idA, "p1")
			m.Body = []byte(replace(w.t, string(m.Body), `"name":"transfer"`, `"name":"Transfer"`))
		},
		"I25/strays": func(w *world) {
			w.published = []*audit.Message{{Topic: mq.TopicCommit, Body: []byte(`[{"specversion":"1.0"}]`)}}
		},
		"I26/record": func(w *world) {
			w.publish(idA, "p1")
			w.edit(idA, func(g *txn.Global) { g.DecidedAt++ })
		},
		"I26/outbox": func(w *world) {
			w.e.Outbox = []audit.Pending{{ID: idA, Topic: mq.TopicCommit, Hash: audit.HashOf([]byte("{}"))}}
		},
		"I27/decided": func(w *world) { w.publish(idA, "p1") },
		"I27/outbox":  func(w *world) { w.e.Outbox = []audit.Pending{{ID: idA, Topic: mq.TopicCommit}} },
		"I27/dead":    func(w *world) { w.dead = []*audit.Message{{Keys: xid(idA).String()}} },
		"I28/packs":   func(w *world) { w.publish(idB, "p3") },
		"I29/copies":  func(w *world) { w.publish(idA, "p1"); w.publish(idA, "p1").Topic = mq.TopicRollback },
		"I30/queues":  func(w *world) { w.e.Replays[1].Second = audit.HashOf(nil) },
	}
}

// publishedTooEarly is another face of I26.
func publishedTooEarly(w *world) {
	w.publish(idA, "p1").StoredAt = w.globals[idA].DecidedAt.Add(-time.Second).Time()
}
