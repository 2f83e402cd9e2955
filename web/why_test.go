package web

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const whyNow txn.Millis = 1_700_000_000_000

// stuckAt is a transaction that began a while ago.
func stuckAt(status txn.Status, branches ...*txn.Branch) *txn.Global {
	g := &txn.Global{
		XID: txn.XID{Prefix: "h:1", ID: 7}, Version: 3, Application: "shop", BeganAt: whyNow - 20_000, Timeout: time.Minute,
		Status: status, Branches: branches,
	}
	if status.Decided() {
		g.DecidedAt, g.DueAt = whyNow-10_000, whyNow+1000
	}
	return g
}

func branchOfKind(id int64, kind txn.Kind, resource string) *txn.Branch {
	b := &txn.Branch{ID: id, Kind: kind, State: txn.Registered, Resource: resource, Client: "shop:10.0.0.9:1"}
	if kind.Called() {
		b.Call = &txn.Call{CommitURL: "http://Pay.example/confirm", RollbackURL: "http://pay.example:80/cancel"}
	}
	if kind == txn.Topic {
		b.Ack = txn.AckReport
	}
	return b
}

func failed(b *txn.Branch, text string) *txn.Branch {
	b.Failure, b.Attempts, b.NextAt = text, 3, whyNow+5000
	return b
}

func asked(b *txn.Branch) *txn.Branch {
	b.Attempts, b.InFlightUntil = 1, whyNow+9000
	return b
}

// seed is one way to be stuck.
type seed struct {
	code   string // of the cause that must come first
	g      *txn.Global
	change func(f *fake, o *Options)
	says   string // what the first cause's sentence, data or code must have
}

// seeds are the causes that a transaction may be stuck for. Clients that have db and pay are connected.
func seeds() map[string]seed {
	at := func(id int64) *txn.Branch { return branchOfKind(id, txn.AT, "db") }
	called := branchOfKind
	spent := func(g *txn.Global, b *txn.Branch) *txn.Global {
		// The history is made by the rules, so that the text and the kinds are the real ones.
		g.Branches = []*txn.Branch{b}
		b.Attempts, b.InFlightUntil = 1000, whyNow+1
		eff, _ := txn.DefaultRules().Apply(g, txn.Reply{
			BranchID: b.ID, Op: g.Status.Outcome(), Attempt: 1000, Result: txn.ResultFailed, Text: "database is full",
		}, whyNow)
		return eff.Next
	}
	target := func(t Target) func(*fake, *Options) {
		t.Origin, t.LastError = "http://pay.example:80", "connection refused"
		return func(_ *fake, o *Options) { o.Targets = func() []Target { return []Target{t} } }
	}
	gone := func(_ *fake, o *Options) { o.Sessions = func() []Session { return nil } }
	refused := at(12)
	refused.State, refused.Failure = txn.Refused, "dirty row"
	ongoing := called(11, txn.HTTPTCC, "pay")
	ongoing.Ongoing, ongoing.Attempts = 4, 4
	published := called(11, txn.Topic, "orders")
	published.State, published.Attempts, published.InFlightUntil = txn.Published, 1, whyNow+1000
	done := at(11)
	done.State = txn.Finished
	localFailed := at(11)
	localFailed.State = txn.PhaseOneFailed
	expired := func(g *txn.Global, by txn.Millis) *txn.Global { g.BeganAt = whyNow - 60_000 - by; return g }
	silentOngoing := called(11, txn.Check, "shop")
	silentOngoing.Ongoing = 2
	late := stuckAt(txn.Committing, failed(at(11), "timeout"))
	late.DueAt = whyNow - 60_000

	return map[string]seed{
		"participant refused": {code: "branchRefused", g: stuckAt(txn.RollingBack, refused), says: "dirty row"},
		"undo behind a refused one": {code: "branchRefused", g: stuckAt(txn.RollingBack, at(11), refused),
			says: "Branch 12"},
		"attempts used up": {code: "attemptsUsedUp", g: spent(stuckAt(txn.RollingBack), at(11)), says: "database is full"},
		"participant fails": {code: "branchFailing", g: stuckAt(txn.Committing, failed(called(11, txn.TCC, "pay"), "boom")),
			says: "boom"},
		"participant still at it": {code: "branchOngoing", g: stuckAt(txn.Committing, ongoing)},
		"answer is awaited":       {code: "answerAwaited", g: stuckAt(txn.Committing, asked(at(11)))},
		"TCC waits behind the first": {code: "startsSoon",
			g: stuckAt(txn.Committing, called(11, txn.TCC, "pay"), called(12, txn.XA, "db"))},
		"second waits for the first": {code: "answerAwaited",
			g: stuckAt(txn.Committing, asked(called(11, txn.TCC, "pay")), called(12, txn.XA, "db"))},
		"nobody has the resource": {code: "noSession", change: gone, says: "db",
			g: stuckAt(txn.RollingBack, failed(at(11), "no session has registered the resource"))},
		"only another application has the action": {code: "noSession", says: "pay",
			g: func() *txn.Global {
				b := failed(called(11, txn.TCC, "pay"), "no session")
				b.Client = "other:10.0.0.9:1"
				return stuckAt(txn.Committing, b)
			}()},
		"target is dead": {code: "targetDead", g: stuckAt(txn.Committing, failed(called(11, txn.HTTP, "pay"), "dead")),
			change: target(Target{Dead: true, Since: whyNow.Time()}), says: "http://pay.example:80"},
		"target is probed": {code: "targetProbed",
			g:      stuckAt(txn.RollingBack, failed(called(11, txn.HTTPTCC, "pay"), "dead")),
			change: target(Target{Dead: true, Probing: true})},
		"target's queue is full": {code: "targetFull", change: target(Target{Full: true, Queued: 16384}), says: "16384",
			g: stuckAt(txn.Committing, failed(called(11, txn.HTTP, "pay"), "too many calls wait"))},
		"report is awaited": {code: "awaitsReport", g: stuckAt(txn.Committing, published), says: "orders"},
		"no report came": {code: "reportMissing",
			g: stuckAt(txn.Committing, failed(called(11, txn.Topic, "orders"), "no report within 1m0s"))},
		"message cannot be published": {code: "publicationFailing",
			g: stuckAt(txn.Committing, failed(called(11, txn.Topic, "orders"), "broker away"))},
		"end is being written": {code: "endIsWritten", g: stuckAt(txn.Committing, done)},
		"phase two starts":     {code: "startsSoon", g: stuckAt(txn.Committing, at(11))},
		"sweeper is behind":    {code: "branchFailing", g: late},
		"store cannot write": {code: "storeNotWritable", g: stuckAt(txn.Committing, failed(at(11), "x")), says: "disk",
			change: func(_ *fake, o *Options) {
				o.Ready = func() []Reason { return []Reason{{Code: "storeNotWritable", Sentence: "disk is full"}} }
			}},
		"broker is away and refuses": {code: "brokerAway", g: stuckAt(txn.Active, at(11)),
			change: func(_ *fake, o *Options) {
				o.Ready = func() []Reason { return []Reason{{Code: "brokerAway", Sentence: "broker"}} }
			}},
		"broker is away and decisions go on": {code: "publicationLate", g: stuckAt(txn.Committing, at(11)),
			change: func(_ *fake, o *Options) {
				o.Degraded = func() []Reason { return []Reason{{Code: "publicationLate", Sentence: "later"}} }
			}},
		"publication lags": {code: "publicationBehind", g: stuckAt(txn.Committing, at(11)), says: "12 decisions",
			change: func(_ *fake, o *Options) {
				o.Publication = func(context.Context) (Publication, error) {
					return Publication{Pending: 12, OldestAt: whyNow - 60_000}, nil
				}
			}},
		"waits for a row": {code: "lockWait", g: stuckAt(txn.Active, at(11)), says: "h:1:9",
			change: func(f *fake, _ *Options) {
				f.waits = []orchestrator.WaitEdge{{
					Row: txn.Row{Resource: "db", Table: "t", PK: "1"}, Waiter: 7, Holder: 9, Since: whyNow - 2000,
				}}
				holder := stuckAt(txn.RollingBack)
				holder.XID.ID, holder.Stuck = 9, txn.StuckRefused
				f.all[9] = holder
			}},
		"waits for a row on another node": {code: "lockWait", g: stuckAt(txn.Active, at(11)), says: "10.0.0.5:8091:9",
			change: func(f *fake, o *Options) {
				o.Node = "a"
				f.far = []orchestrator.WaitEdge{
					{Row: txn.Row{Resource: "db", Table: "t", PK: "2"}, Waiter: 8, Holder: 9, Node: "b"},
					{Row: txn.Row{Resource: "db", Table: "t", PK: "1"}, Waiter: 7, Holder: 9, Node: "b"},
				}
			}},
		"nobody decides yet":       {code: "waitsForDecision", g: stuckAt(txn.Active, at(11))},
		"local work failed":        {code: "phaseOneFailed", g: stuckAt(txn.Active, localFailed), says: "branch 11"},
		"who began it is gone":     {code: "applicationGone", g: stuckAt(txn.Active, at(11)), change: gone, says: "shop"},
		"deadline has just passed": {code: "deadlinePassed", g: expired(stuckAt(txn.Active, at(11)), 1000)},
		"nobody rolls it back":     {code: "timeoutLate", g: expired(stuckAt(txn.Active, at(11)), 60_000)},
		"message is not submitted": {code: "waitsForSubmit", g: stuckAt(txn.Active, called(11, txn.Check, "shop"))},
		"sender is about to be asked": {code: "checkDue",
			g: expired(stuckAt(txn.Active, called(11, txn.Check, "shop")), 1)},
		"sender is being asked": {code: "checkInFlight",
			g: expired(stuckAt(txn.Active, asked(called(11, txn.Check, "shop"))), 1)},
		"sender cannot be asked": {code: "checkFailing", says: "refused",
			g: expired(stuckAt(txn.Active, failed(called(11, txn.Check, "shop"), "connection refused")), 1)},
		"sender does not know yet": {code: "checkOngoing", g: expired(stuckAt(txn.Active, silentOngoing), 1)},
		"sender's target is dead": {code: "targetDead", change: target(Target{Dead: true}),
			g: expired(stuckAt(txn.Active, failed(called(11, txn.Check, "shop"), "dead")), 1)},
	}
}

func TestWhyNamesTheSeededCause(t *testing.T) {
	t.Parallel()
	for name, tt := range seeds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, func(o *Options) {
				f := o.Coordinator.(*fake)
				f.now = whyNow
				o.Sessions = func() []Session {
					return []Session{{Application: "shop", TM: true, RM: true, Resources: []string{"db", "pay"}}}
				}
				if tt.change != nil {
					tt.change(f, o)
				}
				f.all[7] = tt.g
			})
			status, got, _ := r.do(t, "GET", "/api/v1/transactions/h:1:7/why", "")
			if status != 200 {
				t.Fatalf("%d %v", status, got)
			}
			causes := got["causes"].([]any)
			if len(causes) == 0 {
				t.Fatal("no cause")
			}
			first := causes[0].(map[string]any)
			if first["code"] != tt.code || got["sentence"] != first["sentence"] || first["sentence"] == "" {
				t.Errorf("want %s first: %v", tt.code, causes)
			}
			text, data := first["sentence"].(string), first["data"].(map[string]any)
			if !strings.Contains(text, tt.says) {
				t.Errorf("%q is not in %q, %v", tt.says, text, data)
			}
			if len(got["actions"].([]any)) == 0 {
				t.Error("there is always something that can be done")
			}
		})
	}
}

func TestWhyNamesTheOtherCausesToo(t *testing.T) {
	t.Parallel()
	refused := branchOfKind(12, txn.AT, "db")
	refused.State, refused.Failure = txn.Refused, "dirty row"
	r := setup(t, func(o *Options) {
		f := o.Coordinator.(*fake)
		f.now = whyNow
		failing := failed(branchOfKind(13, txn.AT, "x"), "e")
		f.all[7] = stuckAt(txn.RollingBack, branchOfKind(11, txn.AT, "db"), refused, failing)
		f.waits = []orchestrator.WaitEdge{{Waiter: 3, Holder: 7}}
		o.RemoteSessions = func(context.Context) ([]orchestrator.RemoteSession, error) { return nil, errors.New("away") }
		o.Degraded = func() []Reason { return []Reason{{Code: "registryAway", Sentence: "Clients cannot find it."}} }
	})
	_, got, _ := r.do(t, "GET", "/api/v1/transactions/7/why", "")
	var codes []string
	for _, c := range got["causes"].([]any) {
		codes = append(codes, c.(map[string]any)["code"].(string))
	}
	const want = "branchRefused noSession branchFailing undoBlocked registryAway othersWait"
	if text := strings.Join(codes, " "); text != want {
		t.Errorf("%s", text)
	}
	var actions []string
	for _, a := range got["actions"].([]any) {
		x := a.(map[string]any)
		branch, _ := x["branch"].(string)
		actions = append(actions, x["action"].(string)+branch+x["role"].(string))
	}
	if text := strings.Join(actions, " "); text != "retryoperator skip11resolver skip12resolver skip13resolver" {
		t.Errorf("%s", text)
	}
}

// Who waits, and for whom, is whole although each node knows its own clients only; and it is said if it is not.
func TestWhyKnowsTheWaitsOnOtherNodes(t *testing.T) {
	t.Parallel()
	row := txn.Row{Resource: "db", Table: "t", PK: "1"}
	r := setup(t, func(o *Options) {
		f := o.Coordinator.(*fake)
		f.now, o.Node = whyNow, "a"
		f.all[7] = stuckAt(txn.Active)
		f.waits = []orchestrator.WaitEdge{{Row: row, Waiter: 3, Holder: 7}, {Row: row, Waiter: 7, Holder: 2}}
		f.far = []orchestrator.WaitEdge{
			{Row: row, Waiter: 4, Holder: 7, Node: "b"}, {Row: row, Waiter: 7, Holder: 9, Node: "c"},
			{Row: row, Waiter: 5, Holder: 6, Node: "b"},
		}
	})
	data := func() (all map[string][]map[string]any) {
		all = map[string][]map[string]any{}
		_, got, _ := r.do(t, "GET", "/api/v1/transactions/7/why", "")
		for _, c := range got["causes"].([]any) {
			x := c.(map[string]any)
			all[x["code"].(string)] = append(all[x["code"].(string)], x["data"].(map[string]any))
		}
		return all
	}
	got := data()
	waits, behind := got["lockWait"], got["othersWait"]
	if len(waits) != 2 || waits[0]["node"] != "a" || waits[1]["node"] != "c" || waits[1]["holder"] != "10.0.0.5:8091:9" {
		t.Errorf("%v", waits)
	}
	if len(behind) != 1 || behind[0]["count"] != 2.0 || len(behind[0]["waiters"].([]any)) != 2 ||
		got["waitsUnknown"] != nil {
		t.Errorf("%v", got)
	}
	r.far, r.farErr = nil, orchestrator.ErrUnavailable
	got = data()
	if len(got["lockWait"]) != 1 || got["othersWait"][0]["count"] != 1.0 || len(got["waitsUnknown"]) != 1 {
		t.Errorf("%v", got)
	}
}

func TestWhyOfWhatHasEndedIsTheOutcome(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	g := stuckAt(txn.RolledBack)
	g.EndedAt, g.Cause, g.Heuristic = whyNow, txn.CauseTimeout, true
	r.all[7] = g
	status, got, _ := r.do(t, "GET", "/api/v1/transactions/7/why", "")
	sentence := got["sentence"].(string)
	if status != 200 || len(got["causes"].([]any)) != 0 || len(got["actions"].([]any)) != 0 ||
		!strings.Contains(sentence, "rolled back on 2023-11-14 at 22:13:20 UTC, decided by its timeout") ||
		!strings.Contains(sentence, "given up") {
		t.Errorf("%d %v", status, got)
	}
	status, got, _ = r.do(t, "GET", "/api/v1/transactions/8/why", "")
	if status != 404 || got["code"] != "transactionNotFound" {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ = r.do(t, "GET", "/api/v1/transactions/7/why?x=1", ""); status != 400 {
		t.Errorf("%d %v", status, got)
	}
}

func TestWhyIsBounded(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Coordinator.(*fake).now = whyNow })
	g := stuckAt(txn.Committing)
	for i := range int64(5000) {
		g.Branches = append(g.Branches, failed(branchOfKind(100+i, txn.HTTP, "pay"), "e"))
	}
	r.all[7] = g
	_, got, _ := r.do(t, "GET", "/api/v1/transactions/7/why", "")
	if len(got["causes"].([]any)) != causesMax || got["causeCount"] != 5000.0 || len(got["actions"].([]any)) > skipsShown {
		t.Errorf("%d causes of %v", len(got["causes"].([]any)), got["causeCount"])
	}
}
