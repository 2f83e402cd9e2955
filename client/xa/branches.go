package xa

import (
	"errors"
	"sync"
	"time"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// Outcomes of local transactions that callers branch on, with errors.Is.
var (
	// ErrRolledBack means that the branch is rolled back: the coordinator rolled back the global transaction meanwhile,
	// or the local transaction took longer than Options.BranchTimeout.
	ErrRolledBack = errors.New("XA branch is rolled back")
	// ErrUnprepared means that the database did not answer whether the branch is prepared. Roll back the global
	// transaction: that is right in either case.
	ErrUnprepared = errors.New("XA branch may not be prepared")
)

// end is how a branch of this process ended.
type end uint8

const (
	endUnknown    end = iota // the database knows whether it is prepared
	endPrepared              // it was prepared; if the database does not know it any more, it was finished as decided
	endRolledBack            // nothing of it is left
	endCommitted             // committed by the second phase, or it had changed nothing
	endDoomed                // rolled back before it was known here: the database knows, and it must not be prepared
)

// branch is a branch whose local transaction is open in this process.
type branch struct {
	key     key
	started time.Time
	done    chan struct{} // closed when the local transaction has ended

	// Guarded by the mutex of branches.
	doomed    bool // the second phase has rolled it back: it must not be prepared
	preparing bool // too late to doom it
}

// held is a prepared branch with the connection that has prepared it.
type held struct {
	conn  sqlwrap.Conn
	since time.Time
}

// endedMax is how many ended branches are remembered, so that a repeated second phase gets its answer.
const endedMax = 8192

// branches are those that this process knows.
type branches struct {
	heldMax int

	mu     sync.Mutex
	closed bool
	open   map[key]*branch
	held   map[key]held
	ended  map[key]end
	ring   []key // of ended, oldest at next
	next   int
}

func newBranches(heldMax int) *branches {
	return &branches{heldMax: heldMax, open: map[key]*branch{}, held: map[key]held{}, ended: map[key]end{}}
}

// start notes that a local transaction begins. Its second phase may have come while the answer to its registration was
// on its way; then it is doomed from the start.
func (s *branches) start(k key, now time.Time) *branch {
	b := &branch{key: k, started: now, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.doomed = s.ended[k] == endDoomed
	s.open[k] = b
	return b
}

// prepare is asked before XA PREPARE is sent; false means that the branch has to be rolled back instead.
func (s *branches) prepare(b *branch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.preparing = !b.doomed
	return b.preparing
}

// finish notes that the local transaction has ended. conn, if not nil, is the connection that has prepared it, which is
// kept for the second phase; false means that it cannot be kept.
func (s *branches) finish(b *branch, how end, conn sqlwrap.Conn, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, b.key)
	close(b.done)
	if how != endUnknown {
		s.remember(b.key, how)
	}
	if conn == nil || s.closed || len(s.held) >= s.heldMax {
		return false
	}
	s.held[b.key] = held{conn: conn, since: now}
	return true
}

// doom forbids that a branch is prepared, now or when it begins. It returns the branch, nil if it is not open here.
func (s *branches) doom(k key) *branch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.open[k]
	if b != nil {
		b.doomed = !b.preparing
	} else if s.ended[k] == endUnknown {
		s.remember(k, endDoomed)
	}
	return b
}

// active returns an open branch, nil if it is not open here.
func (s *branches) active(k key) *branch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[k]
}

// take removes a held connection.
func (s *branches) take(k key) (sqlwrap.Conn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.held[k]
	delete(s.held, k)
	return h.conn, ok
}

// takeOlder removes the connections that are held since before a time.
func (s *branches) takeOlder(than time.Time) []sqlwrap.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []sqlwrap.Conn
	for k, h := range s.held {
		if h.since.Before(than) {
			all = append(all, h.conn)
			delete(s.held, k)
		}
	}
	return all
}

// close has nothing held from now on, and returns what is.
func (s *branches) close() []sqlwrap.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all []sqlwrap.Conn
	for _, h := range s.held {
		all = append(all, h.conn)
	}
	clear(s.held)
	return all
}

// note remembers how a branch ended.
func (s *branches) note(k key, how end) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(k, how)
}

// remember is note under the mutex.
func (s *branches) remember(k key, how end) {
	if _, ok := s.ended[k]; !ok {
		if len(s.ring) < endedMax {
			s.ring = append(s.ring, k)
		} else {
			delete(s.ended, s.ring[s.next])
			s.ring[s.next] = k
			s.next = (s.next + 1) % endedMax
		}
	}
	s.ended[k] = how
}

// how returns how a branch ended, as far as this process knows.
func (s *branches) how(k key) end {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[k]
}
