package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Source is one kind of input, a bit of a set.
type Source uint16

// The sources.
const (
	// Records are the transactions in the store.
	Records Source = 1 << iota
	// LockTable are the rows that the store holds locked.
	LockTable
	// OutboxTable are the decisions whose message was not read yet.
	OutboxTable
	// PackTable says which packs are stored and which were aborted by a check-back.
	PackTable
	// NodeTable lists the lives of the nodes, with their epochs.
	NodeTable
	// Topics are the messages on the decision topics.
	Topics
	// TopicsTwice says that the topics were read a second time from the beginning.
	TopicsTwice
	// History is what clients say they were told.
	History
	// Attempts are the commands of phase two that participants say they were given.
	Attempts
	// Effects are what participants keep of the work of a branch.
	Effects
	// Fences are the fence tables of TCC participants.
	Fences
	// Undo are the undo logs of AT participants.
	Undo
	// Sequences are numbers that every write of a row counts up.
	Sequences
	// Totals are sums that no transaction may change.
	Totals
)

// names of the sources for people, in order of the bits.
var sourceNames = []string{
	"store", "lock table", "outbox", "packs", "nodes", "topics", "topics read twice", "client history", "attempts",
	"effects", "fences", "undo logs", "sequences", "totals",
}

// Names lists the sources of a set.
func (s Source) Names() []string {
	out := []string{}
	for i, name := range sourceNames {
		if s&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// Settings say how the evidence is to be read.
type Settings struct {
	// AtRest says that clients have stopped and that everything had time to end: what is unfinished then is wrong.
	AtRest bool
	// Slack is by how much clocks of nodes and of the broker may differ from the store's.
	Slack time.Duration
	// Grace is how long after its time something may still be under way when the cluster is not at rest.
	Grace time.Duration
	// Retention is how long the store keeps what has ended. What is older and not in the store is no violation.
	Retention time.Duration
}

// Evidence is everything that was read.
type Evidence struct {
	Settings
	// Have is the set of sources that were read.
	Have Source
	// Now is the store's time when the store was read.
	Now txn.Millis

	Stories map[int64]*Story
	// Locks are the rows that were locked both before the records were read and after.
	Locks  []HeldLock
	Outbox []Pending
	Packs  map[string]Pack
	Nodes  []NodeLife

	// Given are the ids that clients were given for branches, with the transaction.
	Given []GivenBranch
	// Strays are messages that cannot be read as decisions, and rows that name no xid.
	Strays []string
	// Dead are the xids on the broker's topic of messages that it has given up.
	Dead []string
	// Replays compares the two readings of the topics.
	Replays []Replay
	// Databases are the participants' databases.
	Databases []DatabaseState
	Totalled  []Total

	interned map[string]string
	// first and since are the smallest id and the earliest begin of all records.
	first int64
	since txn.Millis
}

// NewEvidence returns an empty one.
func NewEvidence(s Settings) *Evidence {
	return &Evidence{
		Settings: s, Stories: map[int64]*Story{}, Packs: map[string]Pack{}, interned: map[string]string{},
	}
}

// Story is everything about one transaction. A part of it is nil or empty where no source tells of it.
type Story struct {
	ID        int64
	Record    *Record
	Published []*Published
	Calls     []*Call // of clients, in order of Asked
	Attempts  []*Attempt
	Effects   []Effect
	Fences    []Fence
}

// Record is what the store has of a transaction, without what no check needs.
type Record struct {
	XID                      string
	Application, Group, Name string
	Status                   txn.Status
	Cause                    txn.Cause
	Stuck                    txn.Stuck
	Version                  uint64
	Epoch                    int64 // of the last writer
	BeganAt, DecidedAt       txn.Millis
	EndedAt, LastAt          txn.Millis // LastAt is the time of the last entry of the history
	Timeout                  time.Duration
	Branches                 []Branch
	// ClientSaga says that a client's saga engine runs it, which may add branches after the decision.
	ClientSaga bool
	// Heuristic says that a person has skipped a branch or released rows: its effects need not be all or nothing.
	Heuristic bool
	// Decisions are the decisions in the history, in order.
	Decisions []txn.Outcome
}

// Branch is a branch of a record.
type Branch struct {
	ID           int64
	Kind         txn.Kind
	State        txn.BranchState
	Resource     string
	RegisteredAt txn.Millis
	// FinishedAt is when the participant's confirmation was recorded; 0: never.
	FinishedAt txn.Millis
	Released   bool
	// Freed says that a person has released its rows, or skipped it.
	Freed bool
	// Late says that the history has its registration after the decision.
	Late bool
	// Rows are the rows that it locks; the strings are shared.
	Rows []string
}

// HeldLock is one row in the store's lock table.
type HeldLock struct {
	Row    string
	Holder int64
	Branch int64
}

// Pending is an outbox entry: a decision whose message was not read yet.
type Pending struct {
	ID         int64
	Topic      string
	Hash       Hash
	RecordedAt txn.Millis
}

// Pack is a pack id in the store.
type Pack struct {
	Stored bool // false: a check-back was answered before it was stored
	At     txn.Millis
}

// NodeLife is one life of a node: from a join to the end of its lease.
type NodeLife struct {
	ID       string
	Epoch    int64
	JoinedAt txn.Millis
	// EndedAt is when it left, or when another node has fenced it; 0 while it is a member.
	EndedAt txn.Millis
}

// Hash is the content hash of an event.
type Hash [16]byte

// Published is one copy of a decision on a topic.
type Published struct {
	Topic    string
	Broker   string
	Queue    int
	Offset   int64
	Pack     string // "" if the message names none
	StoredAt time.Time
	Hash     Hash
	Event    *Event
}

// GivenBranch is a branch id that a client was given.
type GivenBranch struct{ Branch, ID int64 }

// where names the place of a copy.
func (p *Published) where() string {
	return fmt.Sprintf("%s broker %s queue %d offset %d", p.Topic, p.Broker, p.Queue, p.Offset)
}

// Attempt is one command of phase two as the participant saw it.
type Attempt struct {
	Branch   int64
	Kind     string
	Action   txn.Outcome
	Done     bool   // it was answered as done
	Client   string // "" for one from a table
	Asked    int64  // microseconds; 0 for one from a table
	Answered int64
}

// Effect is a trace that a branch has left in a participant's database.
type Effect struct {
	Database int // index in Evidence.Databases
	Kind     txn.Kind
	Branch   int64  // 0 if the participant does not know it
	Action   string // try, confirm or cancel
}

// Fence is a row of a fence table.
type Fence struct {
	Database int
	Branch   int64
	Status   int
}

// DatabaseState is what was read of a participant's database as a whole.
type DatabaseState struct {
	Name, Resource string
	Kinds          []txn.Kind // of the effects that it keeps
	HasFence       bool
	UndoRows       int64 // that hold something to undo
	HasUndo        bool
	// Gaps are rows whose writes are not numbered without a gap; Keys is how many rows were looked at.
	Gaps []string
	Keys int64
}

// Total is a sum over databases.
type Total struct {
	Name      string
	Got, Want int64
}

// Replay is one queue that was read twice.
type Replay struct {
	Topic         string
	Broker        string
	Queue         int
	Messages      int64
	First, Second Hash
}

// story returns the story of an id, and makes it if there is none.
func (e *Evidence) story(id int64) *Story {
	s := e.Stories[id]
	if s == nil {
		s = &Story{ID: id}
		e.Stories[id] = s
	}
	return s
}

// intern returns one string for all that are equal.
func (e *Evidence) intern(s string) string {
	if known, ok := e.interned[s]; ok {
		return known
	}
	e.interned[s] = s
	return s
}

// AddRecord takes a transaction of the store. epoch is that of its last writer, 0 if the store does not know. The same
// one may come twice, while it moves from the live to the finished ones: the newer one counts.
func (e *Evidence) AddRecord(g *txn.Global, epoch int64) {
	s := e.story(g.XID.ID)
	if e.first == 0 || g.XID.ID < e.first {
		e.first = g.XID.ID
	}
	if e.since == 0 || g.BeganAt < e.since {
		e.since = g.BeganAt
	}
	if s.Record != nil && s.Record.Version >= g.Version {
		return
	}
	r := &Record{
		XID: g.XID.String(), Application: e.intern(g.Application), Group: e.intern(g.Group), Name: e.intern(g.Name),
		Status: g.Status, Cause: g.Cause, Stuck: g.Stuck, Version: g.Version, Epoch: epoch, BeganAt: g.BeganAt,
		DecidedAt: g.DecidedAt, EndedAt: g.EndedAt, Timeout: g.Timeout, ClientSaga: g.ClientSaga(),
		Heuristic: g.Heuristic,
		LastAt:    max(g.BeganAt, g.DecidedAt, g.EndedAt),
	}
	index := make(map[int64]int, len(g.Branches))
	for _, b := range g.Branches {
		if b.Kind == txn.Topic && strings.HasSuffix(b.Resource, noticeSuffix) {
			continue // the event that tells of a person's operation: no participant
		}
		index[b.ID] = len(r.Branches)
		r.Branches = append(r.Branches, Branch{
			ID: b.ID, Kind: b.Kind, State: b.State, Resource: e.intern(b.Resource), RegisteredAt: b.RegisteredAt,
			Released: b.Released, Rows: e.rowsOf(b),
		})
	}
	for _, h := range g.History.Entries() {
		r.LastAt = max(r.LastAt, h.At)
		i, known := index[h.Branch]
		switch {
		case h.Kind == txn.HistoryCommit:
			r.Decisions = append(r.Decisions, txn.Commit)
		case h.Kind == txn.HistoryRollback:
			r.Decisions = append(r.Decisions, txn.Rollback)
		case h.Kind == txn.HistoryRegistered && known:
			r.Branches[i].Late = len(r.Decisions) > 0
		case h.Kind == txn.HistoryFinished && known:
			r.Branches[i].FinishedAt = h.At
		case (h.Kind == txn.HistorySkipped || h.Kind == txn.HistoryReleased) && known:
			r.Branches[i].Freed = true
		}
	}
	s.Record = r
}

// rowsOf lists the rows that a branch locks, each once, folded as the store compares them.
func (e *Evidence) rowsOf(b *txn.Branch) []string {
	var out []string
	txn.EachLock(b.LockKey, func(table, pk string) bool {
		row := txn.Row{Resource: b.Resource, Table: txn.FoldTable(table), PK: pk}
		out = append(out, e.intern(row.String()))
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// AddLock takes a row of the lock table.
func (e *Evidence) AddLock(row txn.Row, holder, branch int64) {
	row.Table = txn.FoldTable(row.Table)
	e.Locks = append(e.Locks, HeldLock{Row: e.intern(row.String()), Holder: holder, Branch: branch})
}

// sorted returns the stories in order of id, so that two runs over the same evidence say the same.
func (e *Evidence) sorted() []*Story {
	out := make([]*Story, 0, len(e.Stories))
	for _, s := range e.Stories {
		slices.SortStableFunc(s.Calls, func(a, b *Call) int { return cmp.Compare(a.Asked, b.Asked) })
		slices.SortStableFunc(s.Attempts, func(a, b *Attempt) int { return cmp.Compare(a.Asked, b.Asked) })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Story) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// forgotten reports whether the store need not know the transaction of an id any more: something about it is older than
// the retention, or nothing tells its age, the store reaches back as far as it has to, and begins with a later id.
func (e *Evidence) forgotten(id int64) bool {
	s := e.Stories[id]
	if e.Retention == 0 || s != nil && s.Record != nil {
		return false
	}
	horizon, dated := e.Now.Add(-e.Retention), false
	if s != nil {
		for _, p := range s.Published {
			dated = true
			if p.Event.DecidedAt < horizon {
				return true
			}
		}
		for _, c := range s.Calls {
			dated = true
			if txn.Millis(c.Asked/1000) < horizon {
				return true
			}
		}
	}
	return !dated && e.since != 0 && e.since < horizon.Add(e.Retention/10) && id < e.first
}

// outcome is the stored decision, 0 if there is none.
func (s *Story) outcome() txn.Outcome {
	if s.Record == nil {
		return 0
	}
	return s.Record.Status.Outcome()
}

// ended reports whether the store says that nothing more will happen.
func (s *Story) ended() bool { return s.Record != nil && s.Record.Status.Ended() }

// branch returns the branch of the record with the id, or nil.
func (s *Story) branch(id int64) *Branch {
	if s.Record == nil {
		return nil
	}
	for i := range s.Record.Branches {
		if s.Record.Branches[i].ID == id {
			return &s.Record.Branches[i]
		}
	}
	return nil
}

// needsPhaseTwo reports whether a branch still has something to do once its transaction is decided.
func (b *Branch) needsPhaseTwo() bool {
	switch b.State {
	case txn.PhaseOneFailed, txn.ReadOnly, txn.Finished, txn.Skipped:
		return false
	}
	return b.Kind != txn.Check
}

// noticeSuffix ends the topics on which heuristic operations are told; see docs/EVENTS.md.
const noticeSuffix = "-heuristic"
