package telemetry

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The sizes of the tables by kind, result, outcome and cause.
const (
	kinds    = int(txn.Check) + 1
	results  = int(txn.ResultOngoing) + 1
	outcomes = int(txn.Rollback) + 1
	causes   = int(txn.CauseChecked) + 1
)

// The ends of a wait for a row.
const (
	waitGot = iota
	waitRefused
	waitDeadlock
	waitEnds
)

// numbers are the histograms and counters of /metrics that need to be fed. What has labels is looked up once.
type numbers struct {
	all []prometheus.Collector

	attempts     [kinds][results]prometheus.Counter
	attemptTime  [kinds]prometheus.Observer
	decisions    [outcomes][causes]prometheus.Counter
	transactions [outcomes]prometheus.Observer
	writes       [2]prometheus.Observer // others, decisions
	waits        [waitEnds]prometheus.Observer
	halves       [2]prometheus.Observer // sent, not sent
	late         prometheus.Observer
	requests     *prometheus.HistogramVec
	recent       *recent
}

// Bounds of buckets in seconds: calls and writes take from a part of a millisecond to the longest timeout, waits and
// transactions longer.
func callBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

func longBuckets() []float64 {
	return []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
}

func newNumbers(t *Telemetry) *numbers {
	n := &numbers{recent: newRecent()}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		n.all = append(n.all, v)
		return v
	}
	times := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		n.all = append(n.all, v)
		return v
	}
	attempts := counters("tx_branch_attempts_total", "Attempts at a branch's phase two by their end.", "kind", "result")
	took := times("tx_branch_attempt_seconds", "From the command of an attempt to its end.", callBuckets(), "kind")
	for k := txn.AT; int(k) < kinds; k++ {
		n.attemptTime[k] = took.WithLabelValues(k.String())
		for r := txn.ResultDone; int(r) < results; r++ {
			n.attempts[k][r] = attempts.WithLabelValues(k.String(), r.String())
		}
	}
	decisions := counters("tx_decision_causes_total", "Decisions by outcome and cause.", "outcome", "cause")
	lasted := times("tx_transaction_seconds", "From the begin of a transaction to its end.", longBuckets(), "outcome")
	for o := txn.Commit; int(o) < outcomes; o++ {
		n.transactions[o] = lasted.WithLabelValues(o.String())
		for c := txn.CauseRequested; int(c) < causes; c++ {
			n.decisions[o][c] = decisions.WithLabelValues(o.String(), c.String())
		}
	}
	writes := times("tx_store_write_seconds", "From a change to its durability.", callBuckets(), "change")
	n.writes = [2]prometheus.Observer{writes.WithLabelValues("other"), writes.WithLabelValues("decision")}
	waits := times("tx_lock_wait_seconds", "Waits of registrations for rows by their end.", callBuckets(), "end")
	n.waits = [waitEnds]prometheus.Observer{
		waits.WithLabelValues("got"), waits.WithLabelValues("refused"), waits.WithLabelValues("deadlock"),
	}
	halves := times("tx_mq_half_seconds", "From a half message to the acknowledgement of its end.", callBuckets(), "sent")
	n.halves = [2]prometheus.Observer{halves.WithLabelValues("yes"), halves.WithLabelValues("no")}
	n.late = times("tx_due_late_seconds", "How late the sweeper came to what was due.", longBuckets()).WithLabelValues()
	n.requests = times("tx_seata_request_seconds", "Time to answer requests of Seata clients.", callBuckets(),
		"request", "result")
	own := func(name, help string, read func() int64) {
		n.all = append(n.all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	own("tx_trace_spans_sent_total", "Spans that the collector took.", t.sent.Load)
	own("tx_trace_spans_dropped_total", "Spans that were lost: the queue was full, or the collector away.", t.dropped.Load)
	own("tx_trace_failures_total", "Batches of spans that the collector did not take.", t.failures.Load)
	return n
}

// Collectors returns the metrics, to be registered once.
func (t *Telemetry) Collectors() []prometheus.Collector { return t.numbers.all }

// Requests returns what observes the time of answers, that were good or failed, to requests of a kind. The names of the
// kinds are a bounded set.
func (t *Telemetry) Requests(kind string) (good, failed prometheus.Observer) {
	v := t.numbers.requests
	return v.WithLabelValues(kind, "ok"), v.WithLabelValues(kind, "failed")
}

// observe feeds the metrics.
func (n *numbers) observe(s *orchestrator.Step) {
	switch s.Kind {
	case orchestrator.StepAttempt:
		if s.Branch == nil || int(s.Branch.Kind) >= kinds || int(s.Reply.Result) >= results || s.Reply.Result == 0 {
			return
		}
		n.attempts[s.Branch.Kind][s.Reply.Result].Inc()
		if !s.From.IsZero() {
			n.attemptTime[s.Branch.Kind].Observe(seconds(s.From, s.To))
		}
	case orchestrator.StepDecide:
		if g := s.Global; s.Err == nil && g.Status.Decided() && g.Cause != 0 && int(g.Cause) < causes {
			n.decisions[g.Status.Outcome()][g.Cause].Inc()
		}
	case orchestrator.StepEnd:
		took := time.Duration(s.Global.EndedAt-s.Global.BeganAt) * time.Millisecond
		n.transactions[s.Global.Status.Outcome()].Observe(took.Seconds())
		n.recent.add(s.To, took)
	case orchestrator.StepWrite:
		i := 0
		if s.Within == orchestrator.StepDecide {
			i = 1
		}
		n.writes[i].Observe(seconds(s.From, s.To))
	case orchestrator.StepLockWait:
		n.waits[waitEnd(s.Err)].Observe(seconds(s.From, s.To))
	case orchestrator.StepDue:
		n.late.Observe(s.Late.Seconds())
	}
}

func waitEnd(err error) int {
	var cycle *orchestrator.DeadlockError
	switch {
	case err == nil:
		return waitGot
	case errors.As(err, &cycle):
		return waitDeadlock
	}
	return waitRefused
}

func (n *numbers) half(h *Half) {
	i := 0
	if !h.Sent {
		i = 1
	}
	n.halves[i].Observe(seconds(h.From, h.To))
}

func seconds(from, to time.Time) float64 { return max(to.Sub(from), 0).Seconds() }
