package pebble

import "time"

// WaitRetention waits until two passes have begun and the first of them has ended: everything that is past retention
// now is gone.
func (s *Store) WaitRetention() {
	for range 2 {
		s.mu.Lock()
		from := s.passes
		s.mu.Unlock()
		s.await(func() bool { return s.passes > from })
	}
}

// await polls cond under the mutex.
func (s *Store) await(cond func() bool) {
	for {
		s.mu.Lock()
		ok := cond()
		s.mu.Unlock()
		if ok {
			return
		}
		<-time.After(time.Millisecond)
	}
}
