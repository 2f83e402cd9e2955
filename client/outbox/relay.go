package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Publisher brings events to where they are read.
type Publisher interface {
	// Publish publishes events of which no two have the same key, in any order. It returns nil if all are durable there,
	// or for each event what has failed; an event of which that is not known has failed.
	Publish(ctx context.Context, events []Event) []error
}

// RelayOptions say how a relay works. DB and Publisher are required.
type RelayOptions struct {
	// DB has the tables of migrations/client/0003_outbox.sql. The relay needs one connection.
	DB        *sql.DB
	Publisher Publisher
	// Name is that of the lease, for several outboxes of one database; "outbox" if empty, 64 bytes at most.
	Name string
	// Batch is how many events are read at once; 200 if 0, which is the most.
	Batch int
	// Look is how often the table is looked at when nothing wakes the relay; 250 ms if 0.
	Look time.Duration
	// Lease is how long another relay waits when this one dies; 10 s if 0, 1 s at least.
	Lease time.Duration
	// RetryFirst and RetryMax space the attempts at an event that fails; 500 ms and 1 min if 0.
	RetryFirst, RetryMax time.Duration
	// Logger is told of failures; nil: nobody is.
	Logger *slog.Logger
}

// Relay publishes the events of an outbox. Make it with NewRelay. Have one in each process: one of them works, the
// others wait for it to die.
type Relay struct {
	o     RelayOptions
	table queue
	wake  chan struct{} // one slot
	// heldMax is the constant; tests have less.
	heldMax int
}

// queue is what a relay needs of a table.
type queue interface {
	lease(ctx context.Context, d time.Duration) (bool, error)
	release(ctx context.Context) error
	read(ctx context.Context, most int, h held) ([]row, error)
	find(ctx context.Context, seqs []int64) ([]row, error)
	remove(ctx context.Context, seqs []int64) error
	failed(ctx context.Context, seq int64, why error, attempts int) error
	count(ctx context.Context) (Backlog, error)
}

// Backlog is what waits in an outbox.
type Backlog struct {
	// Events are all that wait, Failing those of them that could not be published at least once.
	Events, Failing int64
	// Age is that of the oldest.
	Age time.Duration
}

const (
	batchMax = 200
	// stepTimeout bounds one statement.
	stepTimeout = 10 * time.Second
)

// NewRelay makes a relay.
func NewRelay(o RelayOptions) (*Relay, error) {
	if o.Name == "" {
		o.Name = "outbox"
	}
	if o.Batch == 0 {
		o.Batch = batchMax
	}
	o.Look, o.Lease = or(o.Look, 250*time.Millisecond), or(o.Lease, 10*time.Second)
	o.RetryFirst, o.RetryMax = or(o.RetryFirst, 500*time.Millisecond), or(o.RetryMax, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.DB == nil || o.Publisher == nil:
		return nil, errors.New("outbox: a relay needs a DB and a Publisher")
	case o.Batch < 1 || o.Batch > batchMax:
		return nil, fmt.Errorf("outbox: batches of %d; 1 to %d are possible", o.Batch, batchMax)
	case o.Lease < time.Second:
		return nil, fmt.Errorf("outbox: a lease of %v; a second is the least", o.Lease)
	case len(o.Name) > 64:
		return nil, fmt.Errorf("outbox: the name of a lease has 64 bytes at most")
	}
	t := &table{db: o.DB, name: o.Name, owner: rand.Text()}
	return &Relay{o: o, table: t, wake: make(chan struct{}, 1), heldMax: heldMax}, nil
}

// Wake has the relay look at the table at once. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Backlog says what waits.
func (r *Relay) Backlog(ctx context.Context) (Backlog, error) { return r.table.count(ctx) }

// Run publishes until ctx ends, and returns its cause. It copes with databases and brokers that are away; what it was
// about to publish then comes again. It must not run twice at once.
func (r *Relay) Run(ctx context.Context) error {
	w := &work{Relay: r, held: map[string]*hold{}}
	defer w.leave(ctx)
	for ctx.Err() == nil {
		more, err := w.round(ctx)
		pause := r.o.Look
		switch {
		case err == nil && more:
			continue
		case err != nil && ctx.Err() == nil:
			w.pause = min(max(2*w.pause, r.o.RetryFirst), r.o.RetryMax, r.o.Lease)
			pause = w.pause
			r.o.Logger.WarnContext(ctx, "events are not published", "pause", pause, "err", err)
		default:
			w.pause = 0
		}
		r.rest(ctx, pause)
	}
	return context.Cause(ctx)
}

// rest waits for a while, or until somebody wakes the relay.
func (r *Relay) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-r.wake:
	}
}

// work is what a relay knows while it runs.
type work struct {
	*Relay
	until time.Time        // of the lease, by our clock and on the safe side; zero: somebody else has it
	held  map[string]*hold // by what they hold
	after int64            // where a lap goes on
	pause time.Duration
}

// leave gives the lease back.
func (w *work) leave(ctx context.Context) {
	if w.until.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	if err := w.table.release(ctx); err != nil {
		w.o.Logger.WarnContext(ctx, "the lease of the outbox is not given back", "err", err)
	}
}

// renew takes or prolongs the lease unless it lasts.
func (w *work) renew(ctx context.Context) (bool, error) {
	asked := time.Now()
	if w.until.Sub(asked) > w.o.Lease/2 {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	ours, err := w.table.lease(ctx, w.o.Lease)
	switch {
	case err != nil:
		return false, err
	case !ours:
		w.until = time.Time{}
		return false, nil
	}
	w.until = asked.Add(w.o.Lease)
	return true, nil
}

// round publishes one batch. more says that there is likely more to do at once.
func (w *work) round(ctx context.Context) (more bool, err error) {
	if ours, err := w.renew(ctx); !ours {
		w.after = 0
		return false, err
	}
	rows, more, err := w.next(ctx)
	done := false
	if err == nil {
		done, err = w.waves(ctx, rows)
	}
	if !done {
		w.after = 0 // what was read and not tried is before it
		return false, err
	}
	return more, nil
}

// waves publishes rows, those of one key one after the other, and reports whether each was tried, or is behind one that
// has failed.
func (w *work) waves(ctx context.Context, rows []row) (done bool, err error) {
	failed := map[string]bool{} // the keys behind which nothing is published
	for next := rows; len(next) > 0; {
		var wave []row
		wave, next = split(next, failed)
		if len(wave) == 0 {
			break
		}
		if ours, err := w.renew(ctx); !ours {
			return false, err
		}
		if err := w.publish(ctx, wave, failed); err != nil {
			return false, err
		}
	}
	return true, nil
}

// split takes from rows the first of each key, and all without one; what is behind a failed key is dropped.
func split(rows []row, failed map[string]bool) (wave, rest []row) {
	taken := map[string]bool{}
	for _, r := range rows {
		switch key := r.event.Key; {
		case key == "":
			wave = append(wave, r)
		case failed[key]:
		case taken[key]:
			rest = append(rest, r)
		default:
			taken[key] = true
			wave = append(wave, r)
		}
	}
	return wave, rest
}

// publish publishes events of which no two have the same key, and deletes those that are.
func (w *work) publish(ctx context.Context, wave []row, failed map[string]bool) error {
	publishing, cancel := context.WithDeadline(ctx, w.until)
	defer cancel()
	errs := w.attempt(publishing, wave)
	if ctx.Err() != nil {
		errs = cut(errs, len(wave), ctx.Err())
	}
	var done []int64
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	for i, r := range wave {
		if errs[i] == nil {
			done = append(done, r.seq)
			w.release(holdName(r))
			continue
		}
		failed[r.event.Key] = true
		attempts := 1
		if ctx.Err() != nil {
			attempts = 0 // we were told to stop; that is not the event's fault
			if underWay(errs[i]) == "" {
				continue
			}
		} else {
			w.hold(ctx, r, errs[i])
		}
		if err := w.table.failed(ending, r.seq, errs[i], attempts); err != nil {
			return fmt.Errorf("note a failure: %w", err)
		}
	}
	if len(done) == 0 {
		return nil
	}
	return w.table.remove(ending, done)
}

// attempt publishes what can be read, and returns an error or nil for each.
func (w *work) attempt(ctx context.Context, wave []row) []error {
	errs := make([]error, len(wave))
	var events []Event
	var at []int
	xids := map[string]string{}
	for i, r := range wave {
		if errs[i] = r.wrong; r.wrong != nil {
			continue
		}
		events, at = append(events, r.event), append(at, i)
		if xid := w.underWay(r); xid != "" {
			xids[r.event.ID] = xid
		}
	}
	if len(events) == 0 {
		return errs
	}
	for i, err := range cut(w.o.Publisher.Publish(withUnderWay(ctx, xids), events), len(events), nil) {
		errs[at[i]] = err
	}
	return errs
}

// cut makes a list of errors as long as it should be: none is no failure, what is missing in others is one.
func cut(errs []error, n int, missing error) []error {
	if errs == nil {
		return make([]error, n)
	}
	if missing == nil {
		missing = errors.New("the publisher does not say whether it is published")
	}
	for len(errs) < n {
		errs = append(errs, missing)
	}
	return errs[:n]
}

func or(value, standard time.Duration) time.Duration {
	if value == 0 {
		return standard
	}
	return value
}
