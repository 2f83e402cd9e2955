package mysql

import "sync"

// refusals answers units that were not queued, from a goroutine of its own: never from the caller's, and not behind a
// write that is waiting for the database. Its length is bounded by the number of callers, since an answer does not
// block.
type refusals struct {
	mu   sync.Mutex
	list []refusal
	wake chan struct{}
}

type refusal struct {
	done func(outcome)
	out  outcome
}

func (r *refusals) post(done func(outcome), out outcome) {
	r.mu.Lock()
	r.list = append(r.list, refusal{done, out})
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run answers until stop is closed and nothing is left.
func (r *refusals) run(stop <-chan struct{}) {
	for stopped := false; ; {
		r.mu.Lock()
		list := r.list
		r.list = nil
		r.mu.Unlock()
		for _, x := range list {
			x.done(x.out)
		}
		switch {
		case len(list) > 0:
			continue
		case stopped:
			return
		}
		select {
		case <-r.wake:
		case <-stop:
			stopped = true
		}
	}
}
