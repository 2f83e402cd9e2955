package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// heldMax is how much of what is held a query leaves out. If more is held, the table is read in laps: page by page,
	// what is held being dropped from each, and from its begin again after its end.
	heldMax = 1000
	// holdsMax bounds what is passed over because it has failed; beyond it all wait.
	holdsMax = 100_000
)

// hold is a key, or an event without one, that has failed.
type hold struct {
	key string
	seq int64 // of the event
	// underWay is the transaction that may have published the event, or will.
	underWay string
	until    time.Time
	pause    time.Duration
}

// holdName names what an event holds up.
func holdName(r row) string {
	if r.event.Key == "" {
		return fmt.Sprintf("event %d", r.seq)
	}
	return "key " + r.event.Key
}

// hold has an event, and what is behind it, wait.
func (w *work) hold(ctx context.Context, r row, err error) {
	name := holdName(r)
	h, ok := w.held[name]
	if !ok {
		h = &hold{key: r.event.Key}
		w.held[name] = h
	}
	h.seq, h.underWay = r.seq, underWay(err)
	h.pause = min(max(2*h.pause, w.o.RetryFirst), w.o.RetryMax)
	h.until = time.Now().Add(h.pause)
	w.o.Logger.WarnContext(ctx, "an event is not published", "event", r.event.ID, "topic", r.event.Topic,
		"attempt", r.attempts+1, "pause", h.pause, "err", err)
}

// release lets go on what is behind an event, if that is held: the lap goes back to it.
func (w *work) release(name string) {
	if h := w.held[name]; h != nil {
		delete(w.held, name)
		w.after = min(w.after, h.seq-1)
	}
}

// underWay returns the transaction that may have published an event, or will; "" if there is none.
func (w *work) underWay(r row) string {
	if h := w.held[holdName(r)]; h != nil && h.seq == r.seq && h.underWay != "" {
		return h.underWay // the table could not be told, perhaps
	}
	return r.underWay
}

// next reads what is to be published now, in order, and reports whether there is likely more.
func (w *work) next(ctx context.Context) (rows []row, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	h, due := w.holding(time.Now())
	switch {
	case len(w.held) > holdsMax:
		return nil, false, fmt.Errorf("%w: %d", errTooMany, len(w.held))
	case len(h.keys)+len(h.seqs) <= w.heldMax:
		w.after = 0
		rows, err = w.table.read(ctx, w.o.Batch, h)
		return rows, len(rows) == w.o.Batch, err
	}
	return w.lap(ctx, h, due)
}

// errTooMany says that more has failed than a relay remembers.
var errTooMany = errors.New("too many keys have failed")

// lap reads one page of the table, and what is due. Of a key that is held, nothing but the event that has failed is
// read, by its number; so that all before the page is held, and the page has what comes first of all other keys.
func (w *work) lap(ctx context.Context, h held, due []int64) (rows []row, more bool, err error) {
	due = due[:min(len(due), (w.o.Batch+1)/2)]
	rows, err = w.table.find(ctx, due)
	if err != nil {
		return nil, false, err
	}
	w.gone(due, rows)
	h.after = w.after
	size := max(w.o.Batch-len(rows), 1)
	page, err := w.table.read(ctx, size, h.cut(w.heldMax))
	if err != nil {
		return nil, false, err
	}
	w.after = 0
	if more = len(page) == size; more {
		w.after = page[size-1].seq
	}
	for _, r := range page {
		if w.held[holdName(r)] == nil {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.seq, b.seq) })
	return rows, more, nil
}

// gone forgets those of due that are not in the table any more: somebody has deleted them.
func (w *work) gone(due []int64, found []row) {
	missing := map[int64]bool{}
	for _, seq := range due {
		missing[seq] = true
	}
	for _, r := range found {
		delete(missing, r.seq)
	}
	if len(missing) == 0 {
		return
	}
	for name, h := range w.held {
		if missing[h.seq] {
			w.release(name)
		}
	}
}

// holding lists what is not to be read now, and the numbers of the events to be tried again, those first that have
// waited longest for it. What was not read for long is forgotten: somebody has deleted it.
func (w *work) holding(now time.Time) (h held, due []int64) {
	var ready []*hold
	for name, one := range w.held {
		switch {
		case now.After(one.until.Add(2 * w.o.RetryMax)):
			w.release(name)
		case !now.Before(one.until):
			ready = append(ready, one)
		case one.key != "":
			h.keys = append(h.keys, one.key)
		default:
			h.seqs = append(h.seqs, one.seq)
		}
	}
	slices.SortFunc(ready, func(a, b *hold) int { return a.until.Compare(b.until) })
	for _, one := range ready {
		due = append(due, one.seq)
	}
	return h, due
}

// cut returns as much of what is held as a query leaves out.
func (h held) cut(most int) held {
	h.keys = h.keys[:min(len(h.keys), most)]
	h.seqs = h.seqs[:min(len(h.seqs), most-len(h.keys))]
	return h
}
