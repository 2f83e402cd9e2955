package mysql

import (
	"net"
	"syscall"
	"testing"
)

func TestConnectionsEndWhenWhatIsSentDoesNotArrive(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := parseDSN("u:p@tcp(" + l.Addr().String() + ")/d")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.DialFunc(t.Context(), c.Net, c.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	limit := 0
	if err := raw.Control(func(fd uintptr) {
		limit, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil || limit != int(arriveTimeout.Milliseconds()) {
		t.Errorf("bound is %d ms, %v", limit, err)
	}
	if c, err := parseDSN("u:p@unix(/run/socket)/d"); err != nil || c.DialFunc != nil {
		t.Errorf("a socket of the file system is dialled over TCP: %v", err)
	}
}
