//go:build !unix

package pebble

import "github.com/cockroachdb/pebble/vfs"

// lockDir leaves it to Pebble's own lock.
func lockDir(vfs.FS, string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
