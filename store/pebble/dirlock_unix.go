//go:build unix

package pebble

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/vfs"
)

// lockDir takes the directory for this process. The file stays behind, with the number of the last owner: it is the
// lock that counts, not the file.
func lockDir(fs vfs.FS, dir string) (unlock func() error, err error) {
	if fs != vfs.Default {
		return func() error { return nil }, nil // Pebble's own lock is enough inside one process
	}
	f, err := os.OpenFile(filepath.Join(dir, "concord.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		var owner [32]byte
		n, _ := f.Read(owner[:])
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is in use by another concord process (pid %s)",
			dir, strings.TrimSpace(string(owner[:n])))
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock data directory: %w", err)
		}
	}
	return f.Close, nil
}
