package mysql

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h: after how many milliseconds without an acknowledgement of what was
// sent the connection ends. Package syscall lacks it.
const tcpUserTimeout = 0x12

// boundArrival sets arriveTimeout on a new socket. A system that refuses it is left with answerTimeout.
func boundArrival(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(arriveTimeout.Milliseconds()))
	})
}
