package datasync

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What linux/aio_abi.h defines and x/sys/unix does not.
const (
	commandSync = 3 // IOCB_CMD_FDSYNC
	flagEvent   = 1 // IOCB_FLAG_RESFD
)

// control is struct iocb of linux/aio_abi.h. Its field for the key and that for the flags of reads and writes, whose
// order depends on the machine's, are both 0 here.
type control struct {
	data       uint64
	key, flags uint32
	command    uint16
	priority   int16
	fd         uint32
	buf, bytes uint64
	offset     int64
	reserved   uint64
	options    uint32
	event      uint32
}

// completion is struct io_event.
type completion struct {
	data, control uint64
	result        int64 // 0, or an error number below 0
	more          int64
}

// waiter asks the kernel for one sync at a time.
type waiter struct {
	context uintptr  // aio_context_t
	event   *os.File // eventfd(2), which the runtime waits for as for a socket
	control *control
	list    [1]*control
	done    [1]completion
}

// newWaiter makes a waiter. Errors say that the kernel cannot, may not, or has no more of them.
func newWaiter() (*waiter, error) {
	w := &waiter{control: new(control)}
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&w.context)), 0); errno != 0 {
		return nil, fmt.Errorf("io_setup: %w", errno)
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		w.destroy()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	w.event = os.NewFile(uintptr(fd), "eventfd")
	*w.control = control{command: commandSync, options: flagEvent, event: uint32(fd)}
	return w, nil
}

// sync has the kernel sync a file and waits for it.
func (w *waiter) sync(fd uintptr) error {
	w.control.fd = uint32(fd)
	w.list[0] = w.control
	_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, w.context, 1, uintptr(unsafe.Pointer(&w.list)))
	if errno != 0 {
		return errUnable
	}
	var count [8]byte
	if _, err := w.event.Read(count[:]); err != nil {
		return fmt.Errorf("wait for a sync: %w", err)
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, w.context, 1, 1, uintptr(unsafe.Pointer(&w.done)), 0, 0)
		switch {
		case errno == 0:
			return w.done[0].err()
		case !errors.Is(errno, unix.EINTR):
			return fmt.Errorf("io_getevents: %w", errno)
		}
	}
}

// err is what the kernel says of a sync that has ended.
func (c *completion) err() error {
	if c.result < 0 {
		return fmt.Errorf("fdatasync: %w", unix.Errno(-c.result))
	}
	return nil
}

func (w *waiter) close() {
	_ = w.event.Close()
	w.destroy()
}

func (w *waiter) destroy() {
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, w.context, 0, 0)
}
