//go:build !linux

package datasync

// waiter is not there on other systems.
type waiter struct{}

func newWaiter() (*waiter, error)     { return nil, errUnable }
func (*waiter) sync(fd uintptr) error { return errUnable }
func (*waiter) close()                {}
