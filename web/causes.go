package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Why a transaction has not ended. The causes are found by pure functions from what is known at one moment, so that a
// table can test them.

// Cause is one reason why a transaction has not ended.
type Cause struct {
	Code     string    `json:"code"`
	Sentence string    `json:"sentence"`
	Data     CauseData `json:"data"`
	weight   int
}

// CauseData is what a cause is about; what does not apply is absent.
type CauseData struct {
	Branch    string `json:"branch,omitempty"`
	Step      string `json:"step,omitempty"` // of a saga
	Kind      string `json:"kind,omitempty"`
	Operation string `json:"operation,omitempty"` // commit or rollback
	Resource  string `json:"resource,omitempty"`
	URL       string `json:"url,omitempty"`
	// Target is the scheme://host:port that is called.
	Target string `json:"target,omitempty"`
	// Error is what the last attempt said, Attempts counts them.
	Error         string `json:"error,omitempty"`
	Attempts      uint32 `json:"attempts,omitempty"`
	NextAttemptAt string `json:"nextAttemptAt,omitempty"`
	// Since is when it began to be so, Until when it ends at the latest.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
	AgeMs int64  `json:"ageMs,omitempty"`
	// After is the branch that has to be done before.
	After string `json:"after,omitempty"`
	// Row is the row that is waited for, Holder the transaction that holds it.
	Row               *RowView `json:"row,omitempty"`
	Holder            string   `json:"holder,omitempty"`
	HolderStatus      string   `json:"holderStatus,omitempty"`
	HolderStuck       bool     `json:"holderStuck,omitempty"`
	HolderApplication string   `json:"holderApplication,omitempty"`
	// Node is where a registration waits.
	Node string `json:"node,omitempty"`
	// Waiters are transactions that wait for this one, at most a few; Count is how many of the thing there are.
	Waiters []string `json:"waiters,omitempty"`
	Count   int64    `json:"count,omitempty"`
}

// RowView is how a row of a database is named.
type RowView struct {
	Resource string `json:"resource"`
	Table    string `json:"table"`
	PK       string `json:"pk"`
}

func viewRow(r txn.Row) *RowView { return &RowView{Resource: r.Resource, Table: r.Table, PK: r.PK} }

// Target is what is known of a place that participants are called at.
type Target struct {
	Origin string // scheme://host:port
	// Dead says that calls are kept away from it, Probing that one call finds out whether it is still dead; Full that no
	// more calls may wait for it.
	Dead, Probing, Full bool
	// Since is when it was found dead, ProbeAt when the next call is let through.
	Since, ProbeAt   time.Time
	InFlight, Queued int
	Calls, Failed    int64
	LastError        string
}

// Publication is how far what is decided is ahead of what is published.
type Publication struct {
	Pending int64
	// OldestAt is when the oldest of them was decided, 0 if there is none.
	OldestAt txn.Millis
}

// known is everything that causes are found from, at one moment.
type known struct {
	g   *txn.Global
	now txn.Millis
	// own and behind are the registrations that wait: its own, and those for its rows. holders are the transactions that
	// own waits for, as far as they could be read.
	own, behind []orchestrator.WaitEdge
	holders     map[int64]*txn.Global
	// waitsUnknown says that those on other nodes could not be read. node is this one; "" on one machine.
	waitsUnknown bool
	node         string
	// sessions and elsewhere are who is connected to this node and to others; elsewhereUnknown that nobody knows.
	sessions         []Session
	elsewhere        []orchestrator.RemoteSession
	elsewhereUnknown bool
	targets          map[string]Target
	publication      Publication
	reasons, limits  []Reason // not ready, and degraded
	prefix           string
	unread           string      // why the definition of a saga cannot be read here
	unfetched        []unfetched // steps of a saga that wait for a worker
}

// The weights: what has to be mended first comes first.
const (
	weighsPerson = 100 - iota // a person has to act, whatever else is mended
	weighsStore
	weighsLock
	weighsPlace // who should be asked is not there
	weighsSpent
	weighsFailing
	weighsExpired
	weighsLate
	weighsOngoing
	weighsAnswer
	weighsTurn
	weighsPhaseOne
	weighsGone
	weighsOpen
	weighsSoon
	weighsOther
)

// Bounds of an answer.
const (
	causesMax  = 50
	waitersMax = 10
	// lateAfter is how late something must be until that is a cause of its own.
	lateAfter = 10 * time.Second
)

// causes returns why the transaction has not ended, the weightiest first, and how many there are: at most causesMax are
// returned.
func (k *known) causes() (all []Cause, count int) {
	if k.g.Status.Ended() {
		return []Cause{}, 0
	}
	all = append(all, k.surroundings()...)
	all = append(all, k.unreadable()...)
	if k.g.Status.Decided() {
		all = append(all, k.phaseTwo()...)
	} else {
		all = append(all, k.active()...)
	}
	all = append(all, k.fetching()...)
	if n := len(k.behind); n > 0 {
		x := cause(weighsOther, "othersWait", CauseData{Count: int64(n)}, "%d registrations of others wait for its rows.", n)
		for _, w := range k.behind[:min(n, waitersMax)] {
			x.Data.Waiters = append(x.Data.Waiters, txn.XID{Prefix: k.prefix, ID: w.Waiter}.String())
		}
		all = append(all, x)
	}
	if k.waitsUnknown {
		all = append(all, cause(weighsOther, "waitsUnknown", CauseData{},
			"The waits on other nodes cannot be read; it may wait there, or others for it."))
	}
	slices.SortStableFunc(all, func(a, b Cause) int { return b.weight - a.weight })
	return all[:min(len(all), causesMax)], len(all)
}

func cause(weight int, code string, data CauseData, format string, args ...any) Cause {
	return Cause{Code: code, Sentence: fmt.Sprintf(format, args...), Data: data, weight: weight}
}

// surroundings are the causes that have nothing to do with this transaction alone.
func (k *known) surroundings() (all []Cause) {
	for _, r := range k.reasons {
		weight := weighsStore
		if r.Code == "draining" {
			weight = weighsOther
		}
		all = append(all, Cause{Code: r.Code, Sentence: r.Sentence, weight: weight})
	}
	for _, r := range k.limits {
		weight := weighsOther
		if r.Code == "publicationLate" {
			if k.g.Status.Decided() && !k.begun() {
				weight = weighsLate
			}
		}
		all = append(all, Cause{Code: r.Code, Sentence: r.Sentence, weight: weight})
	}
	late := time.Duration(k.now-k.publication.OldestAt) * time.Millisecond
	if p := k.publication; p.Pending > 0 && late > lateAfter && k.g.Status.Decided() && !k.begun() {
		all = append(all, cause(weighsLate, "publicationBehind",
			CauseData{Count: p.Pending, Since: when(p.OldestAt), AgeMs: late.Milliseconds()},
			"%d decisions are not known to be published, the oldest since %s.", p.Pending, late))
	}
	return all
}

// begun reports whether any command of phase two was sent.
func (k *known) begun() bool {
	return slices.ContainsFunc(k.g.Branches, func(b *txn.Branch) bool { return b.Attempts > 0 || b.State == txn.Finished })
}

// active are the causes why nothing is decided.
func (k *known) active() (all []Cause) {
	g := k.g
	if g.Saga != nil {
		return k.steps()
	}
	for _, w := range k.own {
		all = append(all, k.lockWait(w))
	}
	deadline := CauseData{Until: when(g.Deadline())}
	left := (time.Duration(g.Deadline()-k.now) * time.Millisecond).Round(time.Millisecond)
	switch {
	case g.Expired(k.now) && g.Checked():
		return append(all, k.silentSender()...)
	case g.Expired(k.now) && -left > lateAfter:
		deadline.AgeMs = -left.Milliseconds()
		return append(all, cause(weighsExpired, "timeoutLate", deadline,
			"Its deadline has passed %s ago, and nobody has rolled it back yet: the coordinator is behind, or cannot write.",
			-left))
	case g.Expired(k.now):
		return append(all, cause(weighsExpired, "deadlinePassed", deadline,
			"Its deadline has passed; it is about to be rolled back."))
	}
	for _, b := range g.Branches {
		if b.State == txn.PhaseOneFailed {
			all = append(all, cause(weighsPhaseOne, "phaseOneFailed", k.data(b),
				"The local work of branch %d failed, and who began the transaction has not rolled it back yet.", b.ID))
		}
	}
	if k.beginnerGone() {
		all = append(all, cause(weighsGone, "applicationGone", deadline,
			"No client of application %s is connected, so that nobody is there to decide; it is rolled back at the deadline.",
			g.Application))
	}
	if g.Checked() {
		return append(all, cause(weighsOpen, "waitsForSubmit", deadline,
			"The message waits for its sender to submit it; after %s the sender is asked.", left))
	}
	return append(all, cause(weighsOpen, "waitsForDecision", deadline,
		"It waits for who began it to commit or roll back; after %s it is rolled back.", left))
}

// beginnerGone reports whether nobody of the application that began it with a Seata client is connected.
func (k *known) beginnerGone() bool {
	seata := slices.ContainsFunc(k.g.Branches, func(b *txn.Branch) bool { return b.Kind <= txn.SagaAnnotation })
	if !seata || k.g.Application == "" || k.elsewhereUnknown {
		return false
	}
	return !slices.ContainsFunc(k.sessions, func(s Session) bool { return s.Application == k.g.Application }) &&
		!slices.ContainsFunc(k.elsewhere, func(s orchestrator.RemoteSession) bool { return s.Application == k.g.Application })
}

func (k *known) lockWait(w orchestrator.WaitEdge) Cause {
	d := CauseData{
		Node: cmp.Or(w.Node, k.node),
		Row:  viewRow(w.Row), Since: when(w.Since), AgeMs: int64(max(k.now-w.Since, 0)),
		Holder: txn.XID{Prefix: k.prefix, ID: w.Holder}.String(),
	}
	state := ""
	if h := k.holders[w.Holder]; h != nil {
		d.Holder, d.HolderStatus, d.HolderStuck = h.XID.String(), h.Status.String(), h.Stuck != 0
		d.HolderApplication = h.Application
		state = ", which is " + h.Status.String()
		if h.Stuck != 0 {
			state += " and stuck"
		}
	}
	return cause(weighsLock, "lockWait", d, "A registration waits for row %s of table %s, held by %s%s.", w.Row.PK,
		w.Row.Table, d.Holder, state)
}

// data is what is said of a branch.
func (k *known) data(b *txn.Branch) CauseData {
	d := CauseData{
		Branch: decimal(b.ID), Kind: b.Kind.String(), Resource: b.Resource, Error: b.Failure, Attempts: b.Attempts,
		NextAttemptAt: when(b.NextAt),
	}
	if k.g.Status.Decided() {
		d.Operation = k.g.Status.Outcome().String()
	}
	if b.Step != nil {
		d.Step = b.Step.Name
	}
	if b.Call != nil {
		d.URL = b.Call.URL(k.g.Status.Outcome())
		if b.Kind == txn.Check {
			d.URL = b.Call.CommitURL
		}
		d.Target = originOf(d.URL)
	}
	if b.InFlight(k.now) {
		d.Until = when(b.InFlightUntil)
	}
	return d
}

// originOf is the scheme://host:port of a URL.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host + ":" + port
}
