package web

import (
	"fmt"
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Page is a part of a list. Next is absent at the end. Partial says that what other nodes know of waits is missing,
// because it could not be read.
type Page[T any] struct {
	Items   []T    `json:"items"`
	Next    string `json:"next,omitempty"`
	Partial bool   `json:"partial,omitempty"`
}

// Transaction is how a transaction looks in a list.
type Transaction struct {
	XID         string `json:"xid"`
	ID          string `json:"id"`
	Status      string `json:"status"`
	Cause       string `json:"cause,omitempty"`
	Stuck       bool   `json:"stuck"`
	StuckReason string `json:"stuckReason,omitempty"`
	Application string `json:"application"`
	Group       string `json:"group"`
	Name        string `json:"name"`
	BeganAt     string `json:"beganAt"`
	DecidedAt   string `json:"decidedAt,omitempty"`
	EndedAt     string `json:"endedAt,omitempty"`
	// Deadline is when it is rolled back if nobody has decided by then.
	Deadline  string `json:"deadline"`
	TimeoutMs int64  `json:"timeoutMs"`
	// Decision is commit or rollback once it is decided, Outcome done, failed or running: never failed before all of it
	// is rolled back.
	Decision string `json:"decision,omitempty"`
	Outcome  string `json:"outcome"`
	// Heuristic is true if a person has given up that the effects are all or nothing.
	Heuristic bool `json:"heuristic,omitempty"`
	// NextAttemptAt is when the coordinator acts again by itself.
	NextAttemptAt string `json:"nextAttemptAt,omitempty"`
	BranchCount   int    `json:"branchCount"`
	// Saga is the definition that it runs, SagaVersion which version of it, SagaKey the caller's name of the run.
	Saga        string `json:"saga,omitempty"`
	SagaVersion uint32 `json:"sagaVersion,omitempty"`
	SagaKey     string `json:"sagaKey,omitempty"`
}

// TransactionDetail is how one transaction looks.
type TransactionDetail struct {
	Transaction
	// Explanation says in words what it waits for, Advice what a person can do.
	Explanation string `json:"explanation"`
	Advice      string `json:"advice,omitempty"`
	// Data is what the client gave at the begin.
	Data string `json:"data,omitempty"`
	// Masked are the fields of the data that are not shown.
	Masked   []MaskedField `json:"masked,omitempty"`
	Branches []Branch      `json:"branches"`
	// Locks lists the rows that it holds, at most locksShown; LockCount counts all.
	Locks     []HeldLock `json:"locks"`
	LockCount int        `json:"lockCount"`
}

// Branch is how a branch looks.
type Branch struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Step is the name of a saga's step.
	Step         string `json:"step,omitempty"`
	Ack          string `json:"ack,omitempty"`
	State        string `json:"state"`
	Resource     string `json:"resource"`
	Client       string `json:"client"`
	RegisteredAt string `json:"registeredAt"`
	// Key is the client's name of the registration. CommitURL and RollbackURL are called by the coordinator; TimeoutMs is
	// how long one call may take.
	Key         string `json:"key,omitempty"`
	CommitURL   string `json:"commitUrl,omitempty"`
	RollbackURL string `json:"rollbackUrl,omitempty"`
	TimeoutMs   int64  `json:"timeoutMs,omitempty"`
	// Attempts counts the commands of phase two that were sent, Ongoing those that cost nothing of the retry budget.
	Attempts uint32 `json:"attempts"`
	Ongoing  uint32 `json:"ongoing,omitempty"`
	// InFlightUntil is when an answer is given up, NextAttemptAt when the branch is asked again.
	InFlightUntil string `json:"inFlightUntil,omitempty"`
	NextAttemptAt string `json:"nextAttemptAt,omitempty"`
	// Failure is what the last failed attempt said.
	Failure string `json:"failure,omitempty"`
	// LockedRows counts the rows of its lock key that are locked still, DataBytes the client's data.
	LockedRows int `json:"lockedRows"`
	DataBytes  int `json:"dataBytes"`
}

// HeldLock is a row that a transaction holds.
type HeldLock struct {
	Resource string `json:"resource"`
	Table    string `json:"table"`
	PK       string `json:"pk"`
	Branch   string `json:"branch"`
}

// Lock is a row in the list of locks.
type Lock struct {
	HeldLock
	Holder       string `json:"holder"`
	HolderStatus string `json:"holderStatus"`
	Since        string `json:"since"`
	AgeMs        int64  `json:"ageMs"`
	// Waiters is how many registrations wait for it.
	Waiters int `json:"waiters"`
}

// Wait is a registration that waits for a row.
type Wait struct {
	Resource string `json:"resource"`
	Table    string `json:"table"`
	PK       string `json:"pk"`
	Waiter   string `json:"waiter"`
	Holder   string `json:"holder"`
	Since    string `json:"since"`
	WaitMs   int64  `json:"waitMs"`
	Node     string `json:"node,omitempty"` // where it waits
}

// HistoryEntry is one thing that happened.
type HistoryEntry struct {
	At     string `json:"at"`
	Event  string `json:"event"`
	Branch string `json:"branch,omitempty"`
	Text   string `json:"text,omitempty"`
	// Attempt is the number of the attempt that the entry is the end of, TookMs how long its answer took; absent where
	// that is not known.
	Attempt uint32 `json:"attempt,omitempty"`
	TookMs  int64  `json:"tookMs,omitempty"`
}

// SessionView is how a session looks.
type SessionView struct {
	Client      string   `json:"client"`
	Application string   `json:"application"`
	Group       string   `json:"group"`
	Version     string   `json:"version"`
	Roles       []string `json:"roles"`
	Codec       string   `json:"codec,omitempty"`
	Resources   []string `json:"resources"`
	Requests    int      `json:"requests"`
	Commands    int      `json:"commands"`
	ConnectedAt string   `json:"connectedAt,omitempty"`
}

// locksShown bounds the locks in one transaction's answer; GET /api/v1/locks?holder= has all.
const locksShown = 100

// timeFormat is RFC 3339 with milliseconds and zone.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// when returns the text of a time in timeFormat, "" for none.
func when(m txn.Millis) string {
	var scratch [32]byte
	return string(appendWhen(scratch[:0], m))
}

// appendWhen appends the text of a time in timeFormat, nothing for none. An answer has a dozen of them.
func appendWhen(dst []byte, m txn.Millis) []byte {
	if m == 0 {
		return dst
	}
	t := m.Time()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, timeFormat)
	}
	hour, minute, second := t.Clock()
	const digits = "0123456789"
	millis := t.Nanosecond() / 1e6
	return append(dst,
		digits[year/1000], digits[year/100%10], digits[year/10%10], digits[year%10], '-',
		digits[month/10], digits[month%10], '-', digits[day/10], digits[day%10], 'T',
		digits[hour/10], digits[hour%10], ':', digits[minute/10], digits[minute%10], ':',
		digits[second/10], digits[second%10], '.',
		digits[millis/100], digits[millis/10%10], digits[millis%10], 'Z')
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }

func viewTransaction(g *txn.Global) Transaction {
	v := Transaction{
		XID: g.XID.String(), ID: decimal(g.XID.ID), Status: g.Status.String(), Cause: g.Cause.String(),
		Stuck: g.Stuck != 0, StuckReason: g.Stuck.String(), Application: g.Application, Group: g.Group, Name: g.Name,
		BeganAt: when(g.BeganAt), DecidedAt: when(g.DecidedAt), EndedAt: when(g.EndedAt), Deadline: when(g.Deadline()),
		TimeoutMs: g.Timeout.Milliseconds(), BranchCount: len(g.Branches), Outcome: outcomeOf(g),
		Heuristic: g.Heuristic,
	}
	if g.Saga != nil {
		v.Saga, v.SagaVersion, v.SagaKey = g.Saga.Definition, g.Saga.Version, g.Saga.Key
	}
	if g.Status.Decided() {
		v.Decision = g.Status.Outcome().String()
	}
	if g.Status.Decided() && !g.Status.Ended() {
		v.NextAttemptAt = when(g.DueAt)
	}
	return v
}

// outcomeOf is the answer to "is it done?": what still runs is neither done nor failed.
func outcomeOf(g *txn.Global) string {
	switch g.Status {
	case txn.Committed:
		return "done"
	case txn.RolledBack:
		return "failed"
	}
	return "running"
}

func viewDetail(g *txn.Global, now txn.Millis) TransactionDetail {
	v := TransactionDetail{Transaction: viewTransaction(g), Data: g.Data, Branches: []Branch{}, Locks: []HeldLock{}}
	v.Explanation, v.Advice = explain(g, now)
	for _, b := range g.Branches {
		view := viewBranch(b, now)
		v.Locks, view.LockedRows = addLocks(v.Locks, g, b)
		v.LockCount += view.LockedRows
		v.Branches = append(v.Branches, view)
	}
	return v
}

func viewBranch(b *txn.Branch, now txn.Millis) Branch {
	view := Branch{
		ID: decimal(b.ID), Kind: b.Kind.String(), Ack: b.Ack.String(), State: b.State.String(), Resource: b.Resource,
		Client: b.Client, RegisteredAt: when(b.RegisteredAt), Attempts: b.Attempts, NextAttemptAt: when(b.NextAt),
		Failure: b.Failure, DataBytes: len(b.Data), Key: b.Key, Ongoing: b.Ongoing,
	}
	if b.Step != nil {
		view.Step = b.Step.Name
	}
	if b.Call != nil {
		view.CommitURL, view.RollbackURL = b.Call.CommitURL, b.Call.RollbackURL
		view.TimeoutMs = b.Call.Timeout.Milliseconds()
	}
	if b.InFlight(now) {
		view.InFlightUntil = when(b.InFlightUntil)
	}
	return view
}

func viewLock(l orchestrator.Lock, now txn.Millis) Lock {
	return Lock{
		HeldLock: HeldLock{Resource: l.Row.Resource, Table: l.Row.Table, PK: l.Row.PK, Branch: decimal(l.Branch)},
		Holder:   l.Holder.String(), HolderStatus: l.HolderStatus.String(), Since: when(l.Since),
		AgeMs: int64(max(now-l.Since, 0)),
	}
}

func viewHistory(g *txn.Global) []HistoryEntry {
	out := []HistoryEntry{}
	for _, e := range g.History.Entries() {
		entry := HistoryEntry{At: when(e.At), Event: e.Kind.String(), Text: e.Text, Attempt: e.Attempt}
		entry.TookMs = e.Took.Milliseconds()
		if e.Branch != 0 {
			entry.Branch = decimal(e.Branch)
		}
		out = append(out, entry)
	}
	return out
}

func viewSession(x Session) SessionView {
	view := SessionView{
		Client: x.Client, Application: x.Application, Group: x.Group, Version: x.Version, Roles: []string{},
		Codec: x.Codec, Resources: append([]string{}, x.Resources...), Requests: x.Requests, Commands: x.Commands,
		ConnectedAt: when(x.ConnectedAt),
	}
	if x.TM {
		view.Roles = append(view.Roles, "TM")
	}
	if x.RM {
		view.Roles = append(view.Roles, "RM")
	}
	return view
}

// explain says in words what a transaction waits for, and what a person can do about it.
func explain(g *txn.Global, now txn.Millis) (explanation, advice string) {
	pending, refused, unreported, trouble := 0, 0, 0, (*txn.Branch)(nil)
	for _, b := range g.Branches {
		if !b.NeedsPhaseTwo() {
			continue
		}
		pending++
		switch b.State {
		case txn.Refused:
			refused++
		case txn.Published:
			unreported++
		}
		if b.Failure != "" && (trouble == nil || b.State == txn.Refused && trouble.State != txn.Refused) {
			trouble = b
		}
	}
	switch {
	case g.Saga != nil && !g.Status.Ended():
		return explainSaga(g, now)
	case pursued(g) != "":
		return pursued(g), ""
	case g.Status == txn.Active && g.Expired(now):
		return "Its deadline has passed; it is about to be rolled back.", ""
	case g.Status == txn.Active:
		left := time.Duration(g.Deadline()-now) * time.Millisecond
		return fmt.Sprintf("It is open: branches may join for %s more, then it is rolled back.", left), ""
	case g.Status.Ended():
		return "It has ended; nothing is left to do.", ""
	case g.Stuck == txn.StuckRefused:
		return stuckRefused(g, refused, pending, trouble)
	case g.Stuck == txn.StuckRetriesUsedUp:
		return fmt.Sprintf("Stuck: %d of %d branches are not done and the attempts are used up%s.", pending,
				len(g.Branches), said(trouble)),
			"It goes on trying slowly. When the participant works again, retry it now: concord tx retry " + g.XID.String()
	case pending == 0:
		return "All branches are done; its end is being written.", ""
	}
	reports := ""
	if unreported > 0 {
		reports = fmt.Sprintf("; %d messages are out and wait for a report", unreported)
	}
	return fmt.Sprintf("The %s is decided; %d of %d branches are not done yet%s%s.", g.Status.Outcome(), pending,
		len(g.Branches), reports, said(trouble)), ""
}

func stuckRefused(g *txn.Global, refused, pending int, trouble *txn.Branch) (explanation, advice string) {
	verb := "commit"
	if g.Status == txn.RollingBack {
		verb = "roll back"
	}
	explanation = fmt.Sprintf("Stuck: %d of %d unfinished branches answered that they can never %s%s.", refused, pending,
		verb, said(trouble))
	advice = "Nothing more is sent to them. "
	if trouble != nil && trouble.Kind == txn.AT && g.Status == txn.RollingBack {
		advice += "The rows were changed by somebody else after this transaction wrote them, so the undo would " +
			"destroy that change. Compare the undo_log entry with the rows, set the rows right, then: "
	} else {
		advice += "Mend what the participant complains about, then: "
	}
	return explanation, advice + "concord tx retry " + g.XID.String()
}

// said quotes the branch in trouble.
func said(b *txn.Branch) string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("; branch %d (%s, %s) said: %q", b.ID, b.Kind, b.Resource, b.Failure)
}
