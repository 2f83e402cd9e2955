package mysql

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// A lease runs out by the clock: nobody has to notice. A node that stood still is asked first and looks afterwards.
func TestANodeWhoseLeaseRanOutUnnoticedIsNotHealthy(t *testing.T) {
	t.Parallel()
	s := &Store{opts: Options{Lease: time.Minute}}
	s.clock.started = time.Now()
	s.member.init()
	s.extend(s.clock.local())
	if err := s.Health(); err != nil || !s.Valid() {
		t.Fatalf("a fresh lease: %v", err)
	}
	s.extend(s.clock.local() - s.opts.Lease) // renewed a lease ago
	if err := s.Health(); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("the lease is over: %v", err)
	}
	s.extend(s.clock.local())
	if err := s.Health(); err != nil {
		t.Errorf("renewed in time after all: %v", err)
	}
	s.lose()
	if err := s.Health(); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("lost before its end: %v", err)
	}
}
