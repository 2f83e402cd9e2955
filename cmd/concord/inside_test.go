package main

import (
	"context"
	"io"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/store/pebble"
)

// inside is a server in the test's own process, whose store the test can harm. Its data survives [inside.crash].
type inside struct {
	fs       *vfs.MemFS
	freeDisk atomic.Uint64
	syncs    atomic.Pointer[error] // what a sync answers; nil: it does its work
	exits    chan int              // what the process asked to end with
	release  chan struct{}         // closed when the process is to be gone
	stop     context.CancelFunc
	process  *process
}

func newInside() *inside {
	h := &inside{fs: vfs.NewStrictMem()}
	h.freeDisk.Store(10 << 30)
	return h
}

// start runs a server on what is durable.
func (h *inside) start(t *testing.T, args ...string) *process {
	t.Helper()
	h.exits, h.release = make(chan int, 10), make(chan struct{})
	exits, release := h.exits, h.release
	reader, writer := io.Pipe()
	a := &app{
		stdout: io.Discard, stderr: writer,
		exit: func(code int) {
			exits <- code
			<-release // as the real one, it does not return to a process that goes on
		},
		adjustStore: func(o *pebble.Options) {
			o.FS = harmedFS{h.fs, h}
			o.DiskFree = func() (uint64, error) { return h.freeDisk.Load(), nil }
			o.DiskEvery = 1
		},
	}
	p := &process{t: t, exited: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.process = stop, p
	args = append([]string{"serve", "--dev", "--data", "data", "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--limits-drain", "100ms"}, args...)
	go func() {
		p.code = a.run(ctx, args)
		_ = writer.Close()
		close(p.exited)
	}()
	ready := make(chan struct{})
	go p.keep(reader, ready)
	t.Cleanup(func() { h.end(p) })
	p.await(ready)
	return p
}

// end stops the server if it still runs.
func (h *inside) end(p *process) {
	select {
	case <-h.release:
	default:
		close(h.release)
	}
	h.stop()
	<-p.exited
}

// crash ends the server and forgets what was not synced, as a power failure does.
func (h *inside) crash() {
	h.fs.SetIgnoreSyncs(true)
	h.end(h.process)
	h.fs.ResetToSyncedState()
	h.fs.SetIgnoreSyncs(false)
	h.syncs.Store(nil)
}

// harmedFS makes syncs of files fail. (Pebble's errorfs does not inject into SyncData, which the log uses.)
type harmedFS struct {
	vfs.FS
	h *inside
}

func (fs harmedFS) Create(name string) (vfs.File, error) {
	return fs.harm(fs.FS.Create(name))
}

func (fs harmedFS) ReuseForWrite(from, to string) (vfs.File, error) {
	return fs.harm(fs.FS.ReuseForWrite(from, to))
}

func (fs harmedFS) harm(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return harmedFile{f, fs.h}, nil
}

type harmedFile struct {
	vfs.File
	h *inside
}

func (f harmedFile) broken() error {
	if err := f.h.syncs.Load(); err != nil {
		return *err
	}
	return nil
}

func (f harmedFile) Sync() error {
	if err := f.broken(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f harmedFile) SyncData() error {
	if err := f.broken(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f harmedFile) SyncTo(length int64) (bool, error) {
	if err := f.broken(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}
