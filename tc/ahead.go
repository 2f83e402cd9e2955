package tc

import (
	"sync"

	"github.com/concord-tx/concord/tc/seata"
)

// ahead are the branch ids that a session was given for later registrations. See seata.HeadBranch.
type ahead struct {
	mu  sync.Mutex
	ids map[int64]struct{} // not used yet, at most seata.AheadMax
}

// use returns an id that the session was given and that no registration has used, else 0.
func (a *ahead) use(id int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.ids[id]; !ok {
		return 0
	}
	delete(a.ids, id)
	return id
}

// give remembers an id that reserve returns, and returns it, or 0 if there is none. If there is no room it forgets
// another: those that a client has lost, with requests that were given up or refused unseen, must not fill it for good.
func (a *ahead) give(reserve func() (int64, error)) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, err := reserve()
	if err != nil {
		return 0 // the client does without
	}
	if a.ids == nil {
		a.ids = make(map[int64]struct{})
	}
	for other := range a.ids {
		if len(a.ids) < seata.AheadMax {
			break
		}
		delete(a.ids, other)
	}
	a.ids[id] = struct{}{}
	return id
}
