package orchestrator

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Which rows registrations meet locked most often. It costs nothing where nothing is in the way: only conflicts are
// counted. The numbers are of this node and of the last minutes.

const (
	// hotWindows and hotWindow are how long a conflict is remembered: in whole windows.
	hotWindows = 15
	hotWindow  = txn.Millis(20_000)
	// hotRowsMax is how many rows one window counts.
	hotRowsMax = 128
)

// HotRow is a row that registrations have met locked.
type HotRow struct {
	Row txn.Row
	// Conflicts counts the registrations that met it locked, those that got it in the end among them; it may be too high
	// by Over, because only so many rows are counted at once.
	Conflicts, Over int64
	// Waited is for how long registrations have waited for it, together; Longest the longest of these waits.
	Waited, Longest time.Duration
	// Holder held it at the last of the conflicts, at LastAt.
	Holder txn.XID
	LastAt txn.Millis
	// Series are the conflicts of each [HotRowsWindow], the oldest first; the last one is not over yet.
	Series []int64
}

// hotRows counts conflicts by row in windows of time, each with at most hotRowsMax rows: a new one takes the place of
// that with the fewest conflicts and inherits its number as its error. Every row that has more than one conflict in
// hotRowsMax is therefore among them. (The algorithm is known as space-saving.) Its mutex is never held with another.
type hotRows struct {
	mu      sync.Mutex
	windows [hotWindows]hotRowWindow
}

type hotRowWindow struct {
	number txn.Millis // of the window since the epoch
	rows   map[txn.Row]*HotRow
}

// met notes a conflict: n is 1, or 0 if it was counted already and only what was waited is new.
func (h *hotRows) met(e *LockedError, n int64, waited time.Duration, now txn.Millis) {
	key := rowKey(e)
	h.mu.Lock()
	defer h.mu.Unlock()
	row := h.window(now).row(key, n)
	if row == nil {
		return
	}
	row.Conflicts += n
	row.Waited += waited
	row.Longest = max(row.Longest, waited)
	row.Holder, row.LastAt = e.Holder, now
}

// window returns the present window, empty if it has just begun. The caller holds h.mu.
func (h *hotRows) window(now txn.Millis) *hotRowWindow {
	number := max(now, 0) / hotWindow // clocks are set back
	w := &h.windows[int(number%hotWindows)]
	if w.number != number || w.rows == nil {
		w.number, w.rows = number, make(map[txn.Row]*HotRow)
	}
	return w
}

// row returns the entry of a row, or nil if there is none and n is 0: what a conflict of a window before waited.
func (w *hotRowWindow) row(key txn.Row, n int64) *HotRow {
	if row := w.rows[key]; row != nil {
		return row
	}
	row := &HotRow{Row: key}
	switch {
	case n == 0 && len(w.rows) >= hotRowsMax:
		return nil
	case len(w.rows) >= hotRowsMax:
		var least *HotRow
		for _, other := range w.rows {
			if least == nil || other.Conflicts < least.Conflicts {
				least = other
			}
		}
		delete(w.rows, least.Row)
		row.Conflicts, row.Over = least.Conflicts, least.Conflicts
	}
	w.rows[key] = row
	return row
}

// top returns the rows with the most conflicts of the last windows, at most limit.
func (h *hotRows) top(limit int, now txn.Millis) []HotRow {
	sum := make(map[txn.Row]HotRow)
	h.mu.Lock()
	for i := range h.windows {
		w := &h.windows[i]
		if now/hotWindow-w.number >= hotWindows {
			continue
		}
		for key, row := range w.rows {
			s := sum[key]
			s.Row = key
			if s.Series == nil {
				s.Series = make([]int64, hotWindows)
			}
			if age := now/hotWindow - w.number; age >= 0 { // the clock may have been set back
				s.Series[hotWindows-1-age] += row.Conflicts
			}
			s.Conflicts += row.Conflicts
			s.Over += row.Over
			s.Waited += row.Waited
			s.Longest = max(s.Longest, row.Longest)
			if row.LastAt >= s.LastAt {
				s.Holder, s.LastAt = row.Holder, row.LastAt
			}
			sum[key] = s
		}
	}
	h.mu.Unlock()
	all := make([]HotRow, 0, len(sum))
	for _, row := range sum {
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b HotRow) int {
		return cmp.Or(cmp.Compare(b.Conflicts, a.Conflicts), cmp.Compare(b.Waited, a.Waited), compareRows(a.Row, b.Row))
	})
	return all[:min(limit, len(all))]
}

// HotRowsSpan is how far back [Coordinator.HotRows] looks at most, in windows of HotRowsWindow.
const (
	HotRowsSpan   = hotWindows * HotRowsWindow
	HotRowsWindow = time.Duration(hotWindow) * time.Millisecond
)

// HotRows lists the rows that registrations on this node have met locked most often in the last minutes, at most limit,
// the most frequent first.
func (c *Coordinator) HotRows(limit int) []HotRow { return c.rows.hot.top(limit, c.clock.Now()) }
