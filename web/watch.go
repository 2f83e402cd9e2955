package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Streams of what changes: one transaction, and the numbers of the whole server.

const (
	// overviewPath is the route of the numbers.
	overviewPath = "/api/v1/stream"
	// watchersMax bounds the streams of both kinds that are open at once: each looks again and again.
	watchersMax = 200
	// overviewEvery is the pace of the numbers, countsWait how long the store may take to count.
	overviewEvery = time.Second
	countsWait    = 5 * time.Second
)

// watching runs a stream, if there is room for one more.
func (s *Server) watching(c *gin.Context, write func(ctx context.Context, st *stream) error) {
	if s.watchers.Add(1) > watchersMax {
		s.watchers.Add(-1)
		s.fail(c, orchestrator.ErrBusy)
		return
	}
	defer s.watchers.Add(-1)
	s.streaming(c, write)
}

// named adds an event with a name, or without an id.
func (st *stream) named(name, id string, event []byte) {
	if name != "" {
		st.buf = append(st.buf, "event: "+name+"\n"...)
	}
	if id != "" {
		st.event(id, event)
		return
	}
	st.buf = append(st.buf, "data: "...)
	st.buf = append(st.buf, event...)
	st.buf = append(st.buf, "\n\n"...)
}

// stepOf is a number that grows with what is told of a transaction: the version that is stored, and the history.
func stepOf(g *txn.Global) uint64 { return g.Version<<24 | uint64(min(len(g.History), 1<<24-1)) }

// streamTransaction answers GET /api/v1/transactions/{xid}/stream.
func (s *Server) streamTransaction(c *gin.Context) {
	p := s.parameters(c)
	id, err := xidOf(c.Param("xid"))
	seen := uint64(0)
	if text := c.GetHeader("Last-Event-ID"); text != "" {
		if seen, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = &argumentError{"Last-Event-ID is a number that this stream has sent, not " + strconv.Quote(text)}
		}
	}
	if p.err != nil {
		err = p.err
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	hidden := s.maskFor(c)
	s.watching(c, func(ctx context.Context, st *stream) error { return s.follow(ctx, st, id, seen, hidden) })
}

// follow writes the states of a transaction until it has ended, with an event end for the last one.
func (s *Server) follow(ctx context.Context, st *stream, id int64, seen uint64, hidden *mask) error {
	var shown []byte
	told := time.Now()
	for pause := lookFirst; ; pause = min(2*pause, lookMax) {
		g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
		if err != nil {
			return err
		}
		state, err := stateOf(g)
		if err != nil {
			return err
		}
		step, ended := stepOf(g), g.Status.Ended()
		if !bytes.Equal(state, shown) && (shown != nil || step > seen || ended) {
			body, err := json.Marshal(detailFor(hidden, g, s.o.Clock.Now()))
			if err != nil {
				return err
			}
			name := ""
			if ended {
				name = "end"
			}
			st.named(name, strconv.FormatUint(step, 10), body)
			if err := st.flush(); err != nil || ended {
				return err
			}
			pause, told = lookFirst, time.Now()
		} else if !st.begun || time.Since(told) >= st.quiet {
			if err := st.alive(); err != nil {
				return err
			}
			told = time.Now()
		}
		shown = state
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// stateOf is what is shown of a transaction, save what changes with the time alone.
func stateOf(g *txn.Global) ([]byte, error) {
	v := viewDetail(g, g.BeganAt)
	v.Explanation, v.Advice = "", ""
	return json.Marshal(v)
}

// Overview is how the node that answers is doing, and the transactions in the store.
type Overview struct {
	At string `json:"at"`
	// Rates are events a second on this node since the number before; the first has none.
	Rates *Rates `json:"rates,omitempty"`
	// Live transactions by status, those that are stuck, and locked rows.
	Active      int64 `json:"active"`
	Committing  int64 `json:"committing"`
	RollingBack int64 `json:"rollingBack"`
	Stuck       int64 `json:"stuck"`
	Locks       int64 `json:"locks"`
	// OldestLiveAt is when the oldest transaction that has not ended was begun.
	OldestLiveAt string `json:"oldestLiveAt,omitempty"`
	// Latency is of those that ended on this node in the last seconds.
	Latency Latency `json:"latency"`
	// LockWaiters are registrations on this node that wait for a row.
	LockWaiters int64 `json:"lockWaiters"`
	// Due is how many transactions the last sweep found due, OverdueMs how late the latest was.
	Due       int64 `json:"due"`
	OverdueMs int64 `json:"overdueMs"`
	// Unpublished counts decisions that are not known to be published, OldestUnpublishedMs the age of the oldest.
	Unpublished         int64 `json:"unpublished"`
	OldestUnpublishedMs int64 `json:"oldestUnpublishedMs"`
	// Ready is false while new work is not welcome, Degraded true while something does not work as it should.
	Ready    bool `json:"ready"`
	Degraded bool `json:"degraded"`
}

// Rates are events a second.
type Rates struct {
	Begun         float64 `json:"begun"`
	Committed     float64 `json:"committed"`
	RolledBack    float64 `json:"rolledBack"`
	TimedOut      float64 `json:"timedOut"`
	LockConflicts float64 `json:"lockConflicts"`
	Failures      float64 `json:"failures"`
}

// overviews keeps the last numbers, so that many readers cost no more than one.
type overviews struct {
	mu    sync.Mutex // held while the store counts: the others wait for that
	at    time.Time
	stats orchestrator.Stats
	last  Overview
}

// streamOverview answers GET /api/v1/stream.
func (s *Server) streamOverview(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	s.watching(c, func(ctx context.Context, st *stream) error {
		tick := time.NewTicker(overviewEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			v, err := s.overview(ctx)
			if err == nil {
				var body []byte
				if body, err = json.Marshal(v); err == nil {
					st.named("", "", body)
					err = st.flush()
				}
			}
			if err != nil {
				return err
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
		return nil
	})
}

// showOverview answers GET /api/v1/overview: the same once.
func (s *Server) showOverview(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	v, err := s.overview(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

// overview returns numbers that are not older than nearly a period.
func (s *Server) overview(ctx context.Context) (Overview, error) {
	o := &s.overviews
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	since := now.Sub(o.at)
	if since < overviewEvery*9/10 {
		return o.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, countsWait)
	defer cancel()
	counts, err := s.o.Coordinator.Counts(ctx)
	if err != nil {
		return Overview{}, err
	}
	oldest, err := s.o.Coordinator.Oldest(ctx)
	if err != nil {
		return Overview{}, err
	}
	stats := s.o.Coordinator.Stats()
	v := Overview{
		OldestLiveAt: when(oldest), Latency: s.latency(),
		At: when(s.o.Clock.Now()), Active: counts.Active, Committing: counts.Committing, RollingBack: counts.RollingBack,
		Stuck: counts.Stuck, Locks: counts.Locks, LockWaiters: stats.LockWaiters, Due: stats.Due,
		OverdueMs: stats.Overdue, Ready: s.o.Ready == nil || len(s.o.Ready()) == 0,
		Degraded: s.o.Degraded != nil && len(s.o.Degraded()) > 0,
	}
	if s.o.Publication != nil {
		if p, err := s.o.Publication(ctx); err == nil && p.Pending > 0 {
			v.Unpublished, v.OldestUnpublishedMs = p.Pending, int64(max(s.o.Clock.Now()-p.OldestAt, 0))
		}
	}
	if since < 10*overviewEvery {
		v.Rates = ratesOf(o.stats, stats, since)
	}
	o.at, o.stats, o.last = now, stats, v
	return v, nil
}

func ratesOf(a, b orchestrator.Stats, since time.Duration) *Rates {
	rate := func(before, after int64) float64 { return float64(after-before) / since.Seconds() }
	return &Rates{
		Begun: rate(a.Begun, b.Begun), Committed: rate(a.Committed, b.Committed),
		RolledBack: rate(a.RolledBack, b.RolledBack), TimedOut: rate(a.DecidedTimeout, b.DecidedTimeout),
		LockConflicts: rate(a.LockConflicts, b.LockConflicts), Failures: rate(a.Failures, b.Failures),
	}
}
