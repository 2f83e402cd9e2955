package tc

import (
	"math"
	"math/rand/v2"
	"sync"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// command is a phase-two command whose answer is waited for.
type command struct {
	id       int32
	xid      int64
	branch   int64
	attempt  uint32
	op       txn.Outcome
	saga     bool
	session  *session
	deadline int64                       // server time
	report   func(id int64, r txn.Reply) // nil: the coordinator

	older, newer *command // in the list of all
	prev, next   *command // in the list of the session
}

// commands is the table of unanswered commands. Their time limit is the same, so the list of all is in order of
// deadline and one look at its old end finds what has expired.
type commands struct {
	mu     sync.Mutex
	byID   map[int32]*command
	oldest *command
	newest *command
	free   *command // used again; linked by next
	lastID int32
}

// init draws the first id, so that an answer to a command of this process's predecessor finds nothing.
func (t *commands) init() {
	t.byID = make(map[int32]*command)
	t.lastID = rand.Int32()
}

// add notes a command and gives it an id that no other unanswered command has; ok is false if there are too many.
func (t *commands) add(
	s *session, cmd *txn.Command, report func(int64, txn.Reply), deadline int64, pendingMax int,
) (id int32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byID) >= pendingMax {
		return 0, false
	}
	for id = t.nextID(); t.byID[id] != nil; id = t.nextID() {
	}
	c := t.free
	if c == nil {
		c = new(command)
	} else {
		t.free = c.next
	}
	*c = command{
		id: id, xid: cmd.XID.ID, branch: cmd.BranchID, attempt: cmd.Attempt, op: cmd.Op,
		saga: cmd.BranchID == txn.SagaBranchID, session: s, deadline: deadline, report: report,
		older: t.newest, next: s.owed,
	}
	t.byID[id] = c
	if t.newest != nil {
		t.newest.newer = c
	} else {
		t.oldest = c
	}
	t.newest = c
	if s.owed != nil {
		s.owed.prev = c
	}
	s.owed = c
	s.commands.Add(1)
	return id, true
}

func (t *commands) nextID() int32 {
	t.lastID = (t.lastID + 1) & math.MaxInt32
	return t.lastID
}

// take removes the command with the id if accept, unless it is nil, agrees, and returns a copy of it.
func (t *commands) take(id int32, accept func(*command) bool) (c command, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.byID[id]
	if found == nil || accept != nil && !accept(found) {
		return command{}, false
	}
	return t.remove(found), true
}

// expire removes at most len(into) commands whose deadline has passed, and returns how many.
func (t *commands) expire(now int64, into []command) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(into) && t.oldest != nil && t.oldest.deadline <= now {
		into[n] = t.remove(t.oldest)
		n++
	}
	return n
}

// drop removes all commands that s owes an answer to.
func (t *commands) drop(s *session) []command {
	t.mu.Lock()
	defer t.mu.Unlock()
	var dropped []command
	for s.owed != nil {
		dropped = append(dropped, t.remove(s.owed))
	}
	return dropped
}

// size is how many commands are unanswered.
func (t *commands) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// remove unlinks c and returns a copy; c is used again. The mutex is held.
func (t *commands) remove(c *command) command {
	delete(t.byID, c.id)
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		t.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		t.newest = c.older
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		c.session.owed = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.session.commands.Add(-1)
	removed := *c
	*c = command{next: t.free}
	t.free = c
	return removed
}

// spareID returns an id for a message that is not answered.
func (t *commands) spareID() int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nextID()
}
