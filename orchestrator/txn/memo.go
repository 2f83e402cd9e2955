package txn

import "sync"

// Memo is where a planner keeps what it has found out about a run from one look to the next, to save time. It is in no
// record, nothing depends on what is in it, and all states of a run that follow from each other share one. So what is
// kept has to be true of each of them: what a step has answered, but not how far the saga has come.
type Memo struct {
	mu   sync.Mutex
	held any
}

// Use calls work with what is kept, nil at first, and keeps what it returns. Nobody else uses it meanwhile.
func (m *Memo) Use(work func(held any) any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = work(m.held)
}

// Equal says that memos are no part of what states are compared by.
func (m *Memo) Equal(*Memo) bool { return true }

// String says the same of all memos, for the same reason.
func (m *Memo) String() string { return "memo" }
