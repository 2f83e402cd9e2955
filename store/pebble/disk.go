package pebble

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// diskLoop watches the free space.
func (s *Store) diskLoop(ctx context.Context) {
	ticker := time.NewTicker(s.opts.DiskEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.checkDisk()
		}
	}
}

// checkDisk makes the store read-only for new work when less than the reserve is free, and writable again when space
// has come back. A file system that cannot tell is taken to have room.
func (s *Store) checkDisk() {
	if s.opts.DiskReserveBytes == 0 {
		return
	}
	free, err := s.diskFree()
	if err != nil {
		return
	}
	was := s.readOnly.Load() != nil
	switch {
	case free < s.opts.DiskReserveBytes:
		reason := fmt.Errorf("data directory %s has %d MiB free, less than the reserve of %d MiB",
			s.dir, free>>20, s.opts.DiskReserveBytes>>20)
		s.readOnly.Store(&reason)
		if !was {
			s.opts.Logger.Error("store accepts no new work", "err", reason)
		}
	case was:
		s.readOnly.Store(nil)
		s.opts.Logger.Info("store accepts new work again", "freeBytes", free)
	}
}

func (s *Store) diskFree() (uint64, error) {
	if s.opts.DiskFree != nil {
		return s.opts.DiskFree()
	}
	usage, err := s.opts.FS.GetDiskUsage(s.dir)
	return usage.AvailBytes, err
}

// Admit returns [orchestrator.ErrReadOnly] if the disk is too full for new work. It takes no lock.
func (s *Store) Admit() error {
	if s.readOnly.Load() != nil {
		return orchestrator.ErrReadOnly
	}
	return nil
}

// Writable returns nil if the store accepts new work, else why not.
func (s *Store) Writable() error {
	if err := s.failure(); err != nil {
		return err
	}
	if reason := s.readOnly.Load(); reason != nil {
		return *reason
	}
	return nil
}
