package access

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what one principal may ask of one node: a cluster of n nodes lets n times as much pass. Zero is no
// limit.
type Limits struct {
	// Requests and Begins are per second.
	Requests float64 `json:"requestsPerSecond,omitempty"`
	Begins   float64 `json:"beginsPerSecond,omitempty"`
	// Live is how many transactions that were begun here may be live at once.
	Live int `json:"liveMax,omitempty"`
}

// rates holds the counters of one principal.
type rates struct {
	requests, begins *rate.Limiter // nil: no limit
	live             *liveSet      // nil: no limit
}

func newRates(l Limits) *rates {
	r := &rates{requests: limiter(l.Requests), begins: limiter(l.Begins)}
	if l.Live > 0 {
		r.live = &liveSet{most: l.Live, ids: make(map[int64]struct{})}
	}
	return r
}

// limiter lets a second's worth pass at once.
func limiter(perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
}

// take takes one from a limiter, or returns when there will be one.
func take(l *rate.Limiter, now time.Time) (after time.Duration) {
	if l == nil || l.AllowN(now, 1) {
		return 0
	}
	r := l.ReserveN(now, 1)
	defer r.CancelAt(now)
	return max(r.DelayFrom(now), time.Millisecond)
}

// liveSet knows the transactions that a principal has begun here and that may not have ended.
type liveSet struct {
	most int
	mu   sync.Mutex
	// held counts begins under way, ids are those that were answered.
	held   int
	ids    map[int64]struct{}
	pruned time.Time
}

// pruneEvery bounds how often a full set is looked through.
const pruneEvery = time.Second

// prunedMax is how many transactions are looked at each time.
const prunedMax = 2000

// reserve makes room for one more, and reports whether there is any. ended says whether a transaction has ended.
func (s *liveSet) reserve(now time.Time, ended func(id int64) bool) bool {
	s.mu.Lock()
	if len(s.ids)+s.held < s.most {
		s.held++
		s.mu.Unlock()
		return true
	}
	if now.Sub(s.pruned) < pruneEvery {
		s.mu.Unlock()
		return false
	}
	s.pruned = now
	ids := make([]int64, 0, min(len(s.ids), prunedMax))
	for id := range s.ids { // in no order, so that all come by
		if ids = append(ids, id); len(ids) == prunedMax {
			break
		}
	}
	s.mu.Unlock()

	var gone []int64
	for _, id := range ids {
		if ended(id) {
			gone = append(gone, id)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range gone {
		delete(s.ids, id)
	}
	if len(s.ids)+s.held >= s.most {
		return false
	}
	s.held++
	return true
}

// settle ends a reservation: with the transaction that was begun, or 0 if none was.
func (s *liveSet) settle(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	if id != 0 {
		s.ids[id] = struct{}{}
	}
}

// failures slows down who comes with wrong credentials again and again. What is known to be right is not slowed.
type failures struct {
	mu     sync.Mutex
	places map[netip.Prefix]*rate.Limiter
	swept  time.Time     // when those that are as good as forgotten were looked for
	rest   *rate.Limiter // of all places that there was no room for
}

// The bounds of failures: attempts per place, and places.
const (
	failuresPerSecond = 0.2
	failuresAtOnce    = 20
	failurePlacesMax  = 4096
)

func newFailures() *failures {
	return &failures{
		places: make(map[netip.Prefix]*rate.Limiter),
		rest:   rate.NewLimiter(failuresPerSecond*100, failuresAtOnce*100),
	}
}

// place is what counts as one attacker: an IPv4 address, or an IPv6 network as one customer has it.
func place(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// of returns the limiter of a place. A place whose limiter is full again is as good as forgotten.
func (f *failures) of(addr netip.Addr, now time.Time) *rate.Limiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := place(addr)
	if l := f.places[p]; l != nil {
		return l
	}
	if len(f.places) >= failurePlacesMax && now.Sub(f.swept) >= pruneEvery {
		f.swept = now
		for known, l := range f.places {
			if l.TokensAt(now) >= failuresAtOnce {
				delete(f.places, known)
			}
		}
	}
	if len(f.places) >= failurePlacesMax {
		return f.rest
	}
	l := rate.NewLimiter(failuresPerSecond, failuresAtOnce)
	f.places[p] = l
	return l
}

// blocked returns how long a place has to wait, 0 if it may try.
func (f *failures) blocked(addr netip.Addr, now time.Time) time.Duration {
	l := f.of(addr, now)
	if tokens := l.TokensAt(now); tokens < 1 {
		return time.Duration((1 - tokens) / failuresPerSecond * float64(time.Second))
	}
	return 0
}

// count notes a failure.
func (f *failures) count(addr netip.Addr, now time.Time) { f.of(addr, now).AllowN(now, 1) }
