package pebble

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-tx/concord/internal/datasync"
	"github.com/concord-tx/concord/orchestrator"
)

// waiters counts what this process waits for the kernel with; the runtime has one of its own.
func waiters(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); strings.Contains(to, "eventfd") {
			n++
		}
	}
	return n
}

// This test counts for the whole process, so it runs beside no other.
func TestSyncsOfTheMachinesFilesWaitInTheKernel(t *testing.T) {
	var probe datasync.Syncer
	f, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	none := waiters(t)
	if err := probe.Sync(f.Fd(), f.Sync); err != nil {
		t.Fatal(err)
	}
	each := waiters(t) - none // 0 where the kernel may not be asked
	probe.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before := waiters(t)
	s, err := Open(t.Context(), t.TempDir(), DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(t, s, &orchestrator.Change{Global: active(1)}); err != nil {
		t.Error(err)
	}
	if got := waiters(t) - before; got < each || got > 8*each {
		t.Errorf("%d waiters, want at least %d", got, each)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := waiters(t) - before; left != 0 {
		t.Errorf("%d waiters are left", left)
	}
}
