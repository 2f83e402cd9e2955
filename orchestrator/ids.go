package orchestrator

import (
	"context"
	"fmt"
	"sync"
)

// idRange hands out ids from ranges that the store has reserved durably, so that no crash and no clock makes one come
// back. One range is in use and one in reserve.
type idRange struct {
	mu            sync.Mutex
	next, end     int64
	spare, spareN int64
}

// nextID returns an id that was never used. [ErrBusy] if ids are used up faster than the store reserves them.
func (c *Coordinator) nextID() (int64, error) {
	r := &c.ids
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == r.end {
		if r.spareN == 0 {
			return 0, fmt.Errorf("ids are used up: %w", ErrBusy)
		}
		r.next, r.end, r.spareN = r.spare, r.spare+r.spareN, 0
	}
	id := r.next
	r.next++
	return id, nil
}

// refillIDs reserves ranges until one is in use and one in reserve. It is called from one goroutine at a time.
func (c *Coordinator) refillIDs(ctx context.Context) error {
	r := &c.ids
	for {
		r.mu.Lock()
		full := r.spareN > 0
		r.mu.Unlock()
		if full {
			return nil
		}
		n := c.limits().IDRange // once: Tune may change it meanwhile
		first, err := c.store.ReserveIDs(ctx, n)
		if err != nil {
			return fmt.Errorf("reserve ids: %w", err)
		}
		r.mu.Lock()
		if r.next == r.end {
			r.next, r.end = first, first+n
		} else {
			r.spare, r.spareN = first, n
		}
		r.mu.Unlock()
	}
}
