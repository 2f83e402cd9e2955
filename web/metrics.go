package web

import (
	"cmp"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sample is one number for /metrics, read when it is asked for.
type Sample struct {
	// Name begins with "tx_"; a counter's ends with "_total".
	Name, Help string
	// Label and LabelValue are empty, or one label from a bounded set; never an xid.
	Label, LabelValue string
	// Counter says that the value only grows.
	Counter bool
	Value   float64
}

// newRegistry returns a registry of the server's own, so that two servers can run in one process.
func newRegistry(s *Server) (*prometheus.Registry, *prometheus.HistogramVec) {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tx_http_request_seconds", Help: "Time to answer HTTP requests.",
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
	}, []string{"route", "method", "status"})
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		requests,
		&collector{s},
	)
	registry.MustRegister(s.o.Collectors...)
	return registry, requests
}

// observers are what requests are measured with, by what they are measured as. Its zero value is ready.
type observers struct {
	mu    sync.RWMutex
	known map[measured]prometheus.Observer
}

// measured is what a request is counted as. There is a bounded number of them.
type measured struct {
	route, method string
	status        int
}

// observerOf returns what a request that was answered is measured with.
func (s *Server) observerOf(c *gin.Context) prometheus.Observer {
	m := measured{cmp.Or(c.FullPath(), "other"), method(c.Request.Method), c.Writer.Status()}
	o := &s.observers
	o.mu.RLock()
	observer := o.known[m]
	o.mu.RUnlock()
	if observer != nil {
		return observer
	}
	observer = s.requests.WithLabelValues(m.route, m.method, strconv.Itoa(m.status))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[measured]prometheus.Observer{}
	}
	o.known[m] = observer
	return observer
}

func (s *Server) metrics() gin.HandlerFunc {
	handler := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return gin.WrapH(handler)
}

// collector reads the numbers of all parts at each scrape.
type collector struct{ s *Server }

// Describe sends nothing: what is collected is checked when it is.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// scrapeWait bounds the reading of the store's numbers.
const scrapeWait = 5 * time.Second

// Collect sends the present numbers.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	samples := append(c.s.runtimeSamples(), c.s.stateSamples()...)
	if c.s.o.Samples != nil {
		samples = append(samples, c.s.o.Samples()...)
	}
	for _, m := range samples {
		var names, values []string
		if m.Label != "" {
			names, values = []string{m.Label}, []string{m.LabelValue}
		}
		kind := prometheus.GaugeValue
		if m.Counter {
			kind = prometheus.CounterValue
		}
		desc := prometheus.NewDesc(m.Name, m.Help, names, nil)
		out <- prometheus.MustNewConstMetric(desc, kind, m.Value, values...)
	}
}

// runtimeSamples are the runtime's numbers since its start.
func (s *Server) runtimeSamples() []Sample {
	st := s.o.Coordinator.Stats()
	count := func(name, help string, v int64) Sample {
		return Sample{Name: name, Help: help, Counter: true, Value: float64(v)}
	}
	by := func(label, value string, m Sample) Sample {
		m.Label, m.LabelValue = label, value
		return m
	}
	const decisions, ended = "Decisions made.", "Transactions that ended."
	return []Sample{
		count("tx_begun_total", "Transactions begun.", st.Begun),
		count("tx_branches_total", "Branches registered.", st.Registered),
		count("tx_branch_reports_total", "Reports of a branch's phase one.", st.Reported),
		by("outcome", "commit", count("tx_decisions_total", decisions, st.DecidedCommit)),
		by("outcome", "rollback", count("tx_decisions_total", decisions, st.DecidedRollback)),
		count("tx_timeouts_total", "Rollbacks that a deadline decided.", st.DecidedTimeout),
		by("outcome", "commit", count("tx_ended_total", ended, st.Committed)),
		by("outcome", "rollback", count("tx_ended_total", ended, st.RolledBack)),
		count("tx_lock_conflicts_total", "Registrations refused for a locked row.", st.LockConflicts),
		count("tx_lock_waits_total", "Registrations that waited for a row.", st.LockWaits),
		count("tx_lock_wait_timeouts_total", "Waits that ended without the row.", st.LockTimeouts),
		count("tx_lock_deadlocks_total", "Registrations refused to break a cycle.", st.Deadlocks),
		count("tx_phase_two_commands_total", "Attempts at a branch's phase two.", st.Commands),
		count("tx_phase_two_retries_total", "Attempts that were not the first.", st.Retries),
		count("tx_phase_two_failures_total", "Attempts that ended without success.", st.Failures),
		count("tx_phase_two_unreachable_total", "Attempts for which nobody could be asked.", st.Unreachable),
		count("tx_became_stuck_total", "Times that a transaction came to need a person.", st.Stuck),
		count("tx_operator_retries_total", "Retries that a person asked for.", st.OperatorRetries),
		count("tx_store_conflicts_total", "Changes that another one made stale.", st.Conflicts),
		count("tx_store_errors_total", "Changes that the store failed to write.", st.WriteErrors),
		count("tx_sweep_errors_total", "Rounds of background work that failed.", st.SweepErrors),
		count("tx_panics_total", "Defects of Concord that were caught.", st.Panics),
		{Name: "tx_due", Help: "Transactions that the last sweep found due.", Value: float64(st.Due)},
		{
			Name: "tx_due_late_millis", Help: "How late the latest of those was that the sweep before had found.",
			Value: float64(st.Overdue),
		},
		{
			Name: "tx_sagas_unread", Help: "Runs of sagas that do not go on here, because their definition is not read.",
			Value: float64(st.Unread),
		},
		{Name: "tx_cached", Help: "Transactions in memory.", Value: float64(st.Cached)},
		{Name: "tx_lock_waiters", Help: "Registrations that wait for a row now.", Value: float64(st.LockWaiters)},
		{Name: "tx_live", Help: "Transactions that have not ended, also those not stored yet.", Value: float64(st.Live)},
	}
}

// stateSamples are the store's present numbers, and whether the server is ready.
func (s *Server) stateSamples() []Sample {
	ready := 0.0
	if len(s.reasons()) == 0 {
		ready = 1
	}
	degraded := 0.0
	if s.o.Degraded != nil && len(s.o.Degraded()) > 0 {
		degraded = 1
	}
	samples := []Sample{
		{Name: "tx_degraded", Help: "1 if a part does not work as it should; /readyz says which.", Value: degraded},
		{Name: "tx_ready", Help: "1 if new work is welcome.", Value: ready},
		{Name: "tx_build_info", Help: "Always 1.", Label: "version", LabelValue: s.o.Version.Version, Value: 1},
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	counts, err := s.o.Coordinator.Counts(ctx)
	if err != nil {
		s.o.Logger.Warn("metrics lack the numbers of the store", "err", err)
		return samples
	}
	stored := func(status string, n int64) Sample {
		return Sample{
			Name: "tx_stored", Help: "Transactions in the store that have not ended.", Label: "status",
			LabelValue: status, Value: float64(n),
		}
	}
	return append(samples,
		stored("Active", counts.Active),
		stored("Committing", counts.Committing),
		stored("RollingBack", counts.RollingBack),
		Sample{Name: "tx_stuck", Help: "Transactions that need a person now.", Value: float64(counts.Stuck)},
		Sample{Name: "tx_locks", Help: "Rows that are locked now.", Value: float64(counts.Locks)},
	)
}
