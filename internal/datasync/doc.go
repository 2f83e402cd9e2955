// Package datasync makes the data of files durable without keeping a processor of Go's runtime.
//
// A goroutine in fdatasync(2) keeps its processor until the runtime's monitor takes it away. With a few hundred syncs a
// second the monitor never sleeps for long: it looks every 20 µs, hands processors on and wakes threads for them. Here
// the kernel is asked to sync by its asynchronous I/O (io_submit(2) with IOCB_CMD_FDSYNC, Linux 4.18 or newer), and the
// goroutine waits as for a socket. docs/decisions/0023-syncs-wait-in-the-kernel.md has what that saves.
package datasync
