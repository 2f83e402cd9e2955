package datasync

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatTheKernelCannotSyncIsAnError(t *testing.T) {
	t.Parallel()
	for result, want := range map[int64]error{0: nil, -5: unix.EIO, -28: unix.ENOSPC} {
		c := completion{result: result}
		if err := c.err(); !errors.Is(err, want) {
			t.Errorf("%d: %v", result, err)
		}
	}
}

// Errors of the kernel end the waiter, whose operation may still be under way.
func TestAWaiterThatFailsIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	var s Syncer
	defer s.Close()
	w := s.take()
	if w == nil {
		t.Log("this kernel gives no waiters")
		return
	}
	if err := w.event.Close(); err != nil {
		t.Fatal(err)
	}
	none, err := unix.Eventfd(0, unix.EFD_CLOEXEC) // which is told instead, so that the kernel begins
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(none) }()
	w.control.event = uint32(none)
	s.give(w)
	if err := s.Sync(create(t).Fd(), func() error { return errPlain }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if s.n != 0 || len(s.idle) != 0 {
		t.Errorf("%d waiters are left", s.n)
	}
}
