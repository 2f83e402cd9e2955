package pebble

import (
	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/internal/datasync"
)

// syncFS is the machine's file system, on which waiting for a sync takes no processor away from the runtime.
type syncFS struct {
	vfs.FS
	syncer *datasync.Syncer
}

// syncFile is a file that can be written there.
type syncFile struct {
	vfs.File
	syncer *datasync.Syncer
}

// Create implements vfs.FS.
func (f syncFS) Create(name string) (vfs.File, error) { return f.wrap(f.FS.Create(name)) }

// OpenReadWrite implements vfs.FS.
func (f syncFS) OpenReadWrite(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.wrap(f.FS.OpenReadWrite(name, opts...))
}

// ReuseForWrite implements vfs.FS.
func (f syncFS) ReuseForWrite(oldname, newname string) (vfs.File, error) {
	return f.wrap(f.FS.ReuseForWrite(oldname, newname))
}

func (f syncFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil || file.Fd() == vfs.InvalidFd {
		return file, err
	}
	return syncFile{file, f.syncer}, nil
}

// SyncData implements vfs.File.
func (f syncFile) SyncData() error { return f.syncer.Sync(f.Fd(), f.File.SyncData) }
