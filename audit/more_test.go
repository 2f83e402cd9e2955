package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// replace is strings.Replace that insists.
func replace(t *testing.T, s, from, to string) string {
	t.Helper()
	if !strings.Contains(s, from) {
		t.Fatalf("there is no %s in %s", from, s)
	}
	return strings.Replace(s, from, to, 1)
}

// TestOtherFacesOfViolations has further evidence for parts that look at several things.
func TestOtherFacesOfViolations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		part  string
		spoil func(w *world)
	}{
		"published before it was decided": {"I26/record", publishedTooEarly},
		"published and not in the store":  {"I26/record", func(w *world) { w.publish(idA, "p1"); delete(w.globals, idA) }},
		"effects of an unknown xid": {"I1/effects", func(w *world) {
			w.story(77).Effects = []audit.Effect{{Database: 0, Kind: txn.AT}}
		}},
		"effects of a rollback": {"I1/effects", func(w *world) {
			w.story(idB).Effects = append(w.story(idB).Effects, audit.Effect{Database: 0, Kind: txn.AT})
		}},
		"a try that was never cancelled": {"I1/effects", func(w *world) {
			w.story(idB).Effects = w.story(idB).Effects[:1]
		}},
		"confirmed twice": {"I1/effects", func(w *world) {
			w.story(idA).Effects = append(w.story(idA).Effects, w.story(idA).Effects[3])
		}},
		"cancelled and confirmed": {"I20/effects", func(w *world) {
			s := w.story(idA)
			s.Effects = append(s.Effects, audit.Effect{Database: 1, Kind: txn.TCC, Branch: 13, Action: "cancel"})
		}},
		"only tried":          {"I1/fences", func(w *world) { w.story(idA).Fences[0].Status = 1 }},
		"fence of a rollback": {"I1/fences", func(w *world) { w.story(idA).Fences[0].Status = 4 }},
		"fence of nobody": {"I1/fences", func(w *world) {
			w.story(78).Fences = []audit.Fence{{Database: 1, Branch: 1, Status: 1}}
		}},
		"fence of no branch": {"I1/fences", func(w *world) { w.story(idA).Fences[0].Branch = 5 }},
		"told of a commit that was rolled back": {"I3/told", func(w *world) {
			w.add(w.find(audit.OpRollback, idB)[0], func(c *audit.Call) { c.Op, c.Status = audit.OpCommit, "Committed" })
		}},
		"the end was taken back": {"I8/answers", func(w *world) {
			w.add(w.find(audit.OpStatus, idA)[0], func(c *audit.Call) {
				c.Status, c.Asked, c.Answered = "Committed", 10_430_000, 10_440_000
			})
			w.find(audit.OpCommit, idA)[1].Status = "Committed"
			w.find(audit.OpStatus, idA)[0].Status = "Committing"
		}},
		"command for no branch": {"I7/attempts", func(w *world) {
			w.add(w.find(audit.OpAttempt, idA)[0], func(c *audit.Call) { c.Branch = 99 })
		}},
		"published branch that is not in the store": {"I7/event", func(w *world) {
			m := w.publish(idA, "p1")
			m.Body = []byte(replace(w.t, string(m.Body), `"id":"13"`, `"id":"14"`))
		}},
		"decided before its epoch began": {"I12/decisions", func(w *world) {
			m := w.publish(idB, "p2")
			m.Body = []byte(replace(w.t, string(m.Body), `"epoch":4`, `"epoch":5`))
			w.e.Nodes[2].JoinedAt = 50_000
		}},
		"written in an epoch that never was": {"I12/writes", func(w *world) { w.epochs[idA] = 6 }},
		"decided in an epoch that never was": {"I12/decisions", func(w *world) {
			m := w.publish(idB, "p2")
			m.Body = []byte(replace(w.t, string(m.Body), `"epoch":4`, `"epoch":9`))
		}},
		"epochs that fall": {"I12/nodes", func(w *world) { w.e.Nodes[2].JoinedAt = 500 }},
		"lock of an unknown transaction": {"I16/table", func(w *world) {
			w.locks = []lock{{txn.Row{Resource: west, Table: "account", PK: "1"}, 99, 1}}
		}},
		"refused for itself": {"I18/holder", func(w *world) { w.find(audit.OpRegister, 3)[0].Holder = xid(3).String() }},
		"refused for one that had ended": {"I18/holder", func(w *world) {
			c := w.find(audit.OpRegister, 3)[0]
			c.Asked, c.Answered = 11_000_000, 11_100_000
		}},
		"refused for one that is no xid": {"I18/holder", func(w *world) { w.find(audit.OpRegister, 3)[0].Holder = "nobody" }},
		"message of an unknown pack":     {"I28/packs", func(w *world) { w.publish(idB, "p9") }},
		"message that is no JSON": {"I25/strays", func(w *world) {
			w.published = []*audit.Message{{Topic: "concord-commit", Body: []byte("half")}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			tt.spoil(w)
			if all := found(audit.Judge(w.finish())); len(all[tt.part]) == 0 {
				t.Errorf("%s found nothing; others found %v", tt.part, all)
			}
		})
	}
}

func TestHistoriesAreReadStrictly(t *testing.T) {
	t.Parallel()
	good := `{"client":"c","op":"commit","xid":"h:1:5","asked":1,"answered":2,"answer":"ok","status":"Committed"}` + "\n"
	read := func(text string) (n int, err error) {
		err = audit.ReadHistory(strings.NewReader(text), func(*audit.Call) error { n++; return nil })
		return n, err
	}
	if n, err := read(good + "\n" + good + `{"client":"c","op":"comm`); n != 2 || err != nil {
		t.Errorf("two lines and a torn one: %d, %v", n, err)
	}
	for _, spoil := range [][2]string{
		{`"commit"`, `"comit"`}, {`"ok"`, `"fine"`}, {`"Committed"`, `"committed"`}, {`"asked":1`, `"asked":3`},
		{`"client":"c"`, `"client":""`}, {`"client"`, `"klient"`}, {`"h:1:5"`, `""`}, {`{`, ``}, {`"commit"`, `"attempt"`},
	} {
		_, err := read(good + replace(t, good, spoil[0], spoil[1]))
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s for %s: %v", spoil[1], spoil[0], err)
		}
	}
	e := audit.NewEvidence(audit.Settings{})
	if err := e.AddCall(&audit.Call{Client: "c", Op: audit.OpCommit, XID: "nonsense"}); err == nil {
		t.Error("an xid that is none was taken")
	}
}

func TestParticipantsAreReadStrictly(t *testing.T) {
	t.Parallel()
	good := `
databases:
  - {name: west, dsn: root@tcp(127.0.0.1:1)/west, resource: /west, undoLog: undo_log, effects: SELECT 1, kinds: [AT]}
totals:
  - name: money
    want: 5
    terms: [{database: west, query: SELECT 5}]
`
	p, err := audit.ReadParticipants(strings.NewReader(good))
	if err != nil || len(p.Databases) != 1 || p.Totals[0].Want != 5 {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, spoil := range [][2]string{
		{"name: west", "name: ''"}, {"undoLog: undo_log", "undoLog: undo log"}, {"kinds: [AT]", "kinds: [XB]"},
		{"database: west", "database: east"}, {"want: 5", "wanted: 5"}, {"resource: /west", "resource: ''"},
	} {
		if _, err := audit.ReadParticipants(strings.NewReader(replace(t, good, spoil[0], spoil[1]))); err == nil {
			t.Errorf("%s was taken", spoil[1])
		}
	}
}

// TestWhatIsPastRetentionIsNotMissed: the store may forget what has ended; topics, participants and clients remember.
func TestWhatIsPastRetentionIsNotMissed(t *testing.T) {
	t.Parallel()
	for _, retention := range []time.Duration{0, 75 * time.Second, time.Hour} {
		w := setup(t)
		w.e.Retention = retention
		w.publish(idA, "p1")
		w.publish(idB, "p2")
		w.publish(idC, "")
		delete(w.globals, idA) // which began 90 s ago; the oldest that is left 80 s ago
		w.calls = w.calls[:len(w.calls)-1]
		e := w.finish()
		e.Stories[idA].Attempts = nil
		all := found(audit.Judge(e))
		if missed := len(all["I26/record"]) > 0; missed == (retention == 75*time.Second) {
			t.Errorf("retention %v: %v", retention, all)
		}
	}
	// Of a fence row alone nobody knows the age: it is old if the store begins later and reaches back far enough.
	for _, retention := range []time.Duration{75 * time.Second, time.Hour} {
		w := setup(t)
		w.e.Retention = retention
		w.story(-1).Fences = []audit.Fence{{Database: 1, Branch: 99, Status: 1}}
		missed := strings.Contains(strings.Join(found(audit.Judge(w.finish()))["I1/fences"], " "), "branch 99")
		if missed == (retention == 75*time.Second) {
			t.Errorf("retention %v: missed %t", retention, missed)
		}
	}
}

// cluster is a store and a broker in memory.
type cluster struct {
	globals  []*txn.Global
	messages []*audit.Message
	reads    int
	// second is what the topics have when they are read again; nil: the same.
	second []*audit.Message
	// locks are the rows that are locked at the first reading and at the second; nil: row 1 for branch 11 at both.
	locks     [2][]lock
	lockReads int
	broken    error
}

func (c *cluster) Now(context.Context) (txn.Millis, error) { return 100_000, c.broken }

func (c *cluster) EachGlobal(_ context.Context, yield func(*txn.Global, int64) error) error {
	for _, g := range c.globals {
		if err := yield(g, 3); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) EachLock(_ context.Context, yield func(txn.Row, int64, int64) error) error {
	all := c.locks[c.lockReads]
	if c.lockReads++; all == nil {
		all = []lock{{txn.Row{Resource: west, Table: "T", PK: "1"}, idA, 11}}
	}
	for _, l := range all {
		if err := yield(l.row, l.holder, l.branch); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) EachOutbox(_ context.Context, yield func(int64, string, []byte, txn.Millis) error) error {
	return yield(idA, "concord-commit", []byte("{}"), 1)
}

func (c *cluster) EachPack(_ context.Context, yield func(string, audit.Pack) error) error {
	return yield("p1", audit.Pack{Stored: true})
}

func (c *cluster) EachNode(_ context.Context, yield func(audit.NodeLife) error) error {
	return yield(audit.NodeLife{ID: "a", Epoch: 3})
}

func (c *cluster) EachMessage(_ context.Context, yield func(*audit.Message, bool) error) error {
	all := c.messages
	if c.reads++; c.reads > 1 && c.second != nil {
		all = c.second
	}
	for _, m := range all {
		if err := yield(m, m.Topic == "TRANS_CHECK_MAX_TIME_TOPIC"); err != nil {
			return err
		}
	}
	return nil
}

func TestGatherReadsEverySourceInOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first := w.message(idA)
	later := w.message(idB)
	later.Topic, later.Offset = first.Topic, 1
	dead := &audit.Message{Topic: "TRANS_CHECK_MAX_TIME_TOPIC", Keys: xid(idA).String()}
	c := &cluster{
		globals:  []*txn.Global{w.globals[idA], w.globals[idB]},
		messages: []*audit.Message{first, dead}, second: []*audit.Message{first, later, dead},
	}
	history := `{"client":"c","op":"commit","xid":"` + xid(idA).String() + `","asked":1,"answered":2,"answer":"ok"}` + "\n"
	e, err := audit.Gather(context.Background(), audit.Inputs{
		Store: c, Broker: c, Histories: []audit.Named{{Name: "h", In: strings.NewReader(history)}},
	}, audit.Settings{AtRest: true})
	if err != nil {
		t.Fatal(err)
	}
	a, b := e.Stories[idA], e.Stories[idB]
	if len(a.Published) != 1 || len(b.Published) != 1 || len(a.Calls) != 1 || a.Record == nil || len(e.Dead) != 1 ||
		len(e.Replays) != 1 || e.Replays[0].First != e.Replays[0].Second || e.Now != 100_000 || len(e.Locks) != 1 ||
		len(e.Outbox) != 1 || len(e.Packs) != 1 || len(e.Nodes) != 1 {
		t.Errorf("gathered %+v", e)
	}
	all := found(audit.Judge(e))
	for _, part := range []string{"I27/dead", "I16/table", "I26/outbox"} {
		if len(all[part]) == 0 {
			t.Errorf("%s found nothing in %v", part, all)
		}
	}
}

// TestLocksThatComeAndGoMeanwhileAreNoViolation: while a running cluster is read, one transaction commits and another
// begins. A row that stays locked for one that has committed is a leak, also in a cluster that runs.
func TestLocksThatComeAndGoMeanwhileAreNoViolation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	row := func(pk string) txn.Row { return txn.Row{Resource: west, Table: "account", PK: pk} }
	went, came := lock{row("1"), idA, 11}, lock{row("2"), 77, 771}
	judge := func(first, second []lock) []string {
		c := &cluster{globals: []*txn.Global{w.globals[idA], w.globals[idB]}, locks: [2][]lock{first, second}}
		e, err := audit.Gather(context.Background(), audit.Inputs{Store: c}, audit.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		return found(audit.Judge(e))["I16/table"]
	}
	if all := judge([]lock{went}, []lock{came}); len(all) > 0 {
		t.Errorf("a running cluster: %v", all)
	}
	if all := judge([]lock{went, came}, []lock{went, came}); len(all) != 2 {
		t.Errorf("of two leaks were found: %v", all)
	}
}

func TestAReplayThatDiffersIsNoticed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	one := w.message(idA)
	other := *one
	other.Body = []byte(replace(t, string(one.Body), "transfer", "Transfer"))
	c := &cluster{messages: []*audit.Message{one}, second: []*audit.Message{&other}}
	e, err := audit.Gather(context.Background(), audit.Inputs{Broker: c}, audit.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if all := found(audit.Judge(e)); len(all["I30/queues"]) == 0 {
		t.Errorf("nothing was found in %v", all)
	}
}

func TestASourceThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection")
	_, err := audit.Gather(context.Background(), audit.Inputs{Store: &cluster{broken: broken}}, audit.Settings{})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	_, err = audit.Gather(context.Background(), audit.Inputs{Histories: []audit.Named{{"h", strings.NewReader("x\n")}}},
		audit.Settings{})
	if err == nil || !strings.Contains(err.Error(), "history h: line 1") {
		t.Error(err)
	}
}
