//go:build parts

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A cage is a network namespace with nothing but a loopback device. What a node in it reaches, it reaches through
// sockets that this process has opened inside: the addresses are the same inside and outside. A part is cut off by
// dropping its packets inside the cage, so both ends see what a partition shows: silence.
type cage struct {
	name string
	jobs chan func()
}

// newCage makes a namespace, which is removed in the end.
func newCage(t testing.TB, c *cleaner) *cage {
	t.Helper()
	g := &cage{name: fmt.Sprintf("concord-%d-%d", os.Getpid(), rand.IntN(1_000_000)), jobs: make(chan func())}
	c.add(func() { _ = exec.Command("ip", "netns", "del", g.name).Run() })
	run(t, "ip", "netns", "add", g.name)
	run(t, "ip", "netns", "exec", g.name, "ip", "link", "set", "lo", "up")
	entered := make(chan error)
	go g.serve(entered)
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	return g
}

// run runs a command that must succeed.
func run(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// serve runs jobs on a thread that has entered the namespace; sockets made there belong to it. The thread ends with
// the process.
func (g *cage) serve(entered chan<- error) {
	runtime.LockOSThread()
	f, err := os.Open("/var/run/netns/" + g.name)
	if err == nil {
		const newNet = 0x40000000 // CLONE_NEWNET
		if _, _, errno := syscall.RawSyscall(sysSetns, f.Fd(), newNet, 0); errno != 0 {
			err = errno
		}
		_ = f.Close()
	}
	entered <- err
	for job := range g.jobs {
		job()
	}
}

// sysSetns is setns(2), which package syscall does not name on every platform.
const sysSetns = 308

// inside runs a job on the thread in the namespace.
func inside[T any](g *cage, do func() (T, error)) (out T, err error) {
	done := make(chan struct{})
	g.jobs <- func() {
		out, err = do()
		close(done)
	}
	<-done
	return out, err
}

// reach lets what is in the cage reach ports of the machine.
func (g *cage) reach(t testing.TB, c *cleaner, ports ...int) {
	t.Helper()
	for _, port := range ports {
		l, err := inside(g, func() (net.Listener, error) { return net.Listen("tcp", local(port)) })
		if err != nil {
			t.Fatal(err)
		}
		c.add(func() { _ = l.Close() })
		go forward(l, func() (net.Conn, error) { return net.DialTimeout("tcp", local(port), 2*time.Second) })
	}
}

// expose lets the machine reach ports of a process in the cage, until it is done. While nobody listens inside, nobody
// does outside: clients of a node that is gone must be refused, as they would be without the cage. Seata's clients can
// need minutes to recover from an address that takes every connection and closes it.
func (g *cage) expose(done <-chan struct{}, ports ...int) {
	for _, port := range ports {
		go func() {
			for {
				if conn, err := g.dial(port); err == nil {
					_ = conn.Close()
					break
				}
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
			l, err := net.Listen("tcp", local(port))
			if err != nil {
				log.Printf("a node's port: %v", err) // the node will not become ready
				return
			}
			go forward(l, func() (net.Conn, error) { return g.dial(port) })
			<-done
			_ = l.Close()
		}()
	}
}

// dial connects inside the cage. The socket is made on the thread in the namespace; waiting is done elsewhere, because
// while a port is cut off a connection takes as long as it may.
func (g *cage) dial(port int) (net.Conn, error) {
	fd, err := inside(g, func() (int, error) {
		return syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	// A blocking connect with a bound, on this goroutine's thread: the socket stays in its namespace.
	timeout := syscall.Timeval{Sec: 2}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &timeout)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{})
	f := os.NewFile(uintptr(fd), "cage")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}

// forward joins each connection with one of the other side until one of them ends. While the other side is silent, so
// is this one: who connects to a port that is cut off waits, and gets through when it is mended.
func forward(l net.Listener, dial func() (net.Conn, error)) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			out, err := dial()
			for tries := 0; err != nil && silent(err) && tries < silentTries; tries++ {
				out, err = dial()
			}
			if err != nil {
				_ = in.Close()
				return
			}
			go pipe(in, out)
			pipe(out, in)
		}()
	}
}

// silentTries bounds how long a connection waits for the other side: two seconds each.
const silentTries = 30

// silent reports whether a connection got no answer, not even a refusal.
func silent(err error) bool {
	return errors.Is(err, syscall.EINPROGRESS) || errors.Is(err, syscall.EAGAIN) || os.IsTimeout(err)
}

// pipe copies until the end and closes both.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

// cut drops all packets of ports inside the cage, in both directions.
func (g *cage) cut(t testing.TB, ports ...int) {
	t.Helper()
	for _, port := range ports {
		for _, side := range []string{"--dport", "--sport"} {
			g.iptables(t, "-A", "OUTPUT", "-p", "tcp", side, strconv.Itoa(port), "-j", "DROP")
		}
	}
}

// mend lets everything through again.
func (g *cage) mend(t testing.TB) {
	t.Helper()
	g.iptables(t, "-F", "OUTPUT")
}

func (g *cage) iptables(t testing.TB, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	args = append([]string{"netns", "exec", g.name, "iptables", "-w"}, args...)
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("iptables %v: %v: %s", args, err, out)
	}
}

// TestACageCutsOff shows that a cut port is silent in both directions and comes back, so that the scenarios mean what
// they say.
func TestACageCutsOff(t *testing.T) {
	t.Parallel()
	c := &cleaner{}
	t.Cleanup(c.run)
	g := newCage(t, c)
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.add(func() { _ = echo.Close() })
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	port := echo.Addr().(*net.TCPAddr).Port
	g.reach(t, c, port)
	open, err := g.dial(port)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(conn net.Conn, within time.Duration) error {
		_ = conn.SetDeadline(time.Now().Add(within))
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	if err := ask(open, 2*time.Second); err != nil {
		t.Fatalf("before the cut: %v", err)
	}
	g.cut(t, port)
	if err := ask(open, time.Second); err == nil || !os.IsTimeout(err) {
		t.Errorf("an open connection while it is cut off: %v", err)
	}
	if conn, err := g.dial(port); err == nil {
		t.Error("a new connection was made while it was cut off")
		_ = conn.Close()
	}
	g.mend(t)
	until(t, 10*time.Second, "a connection after the cut", func() error {
		conn, err := g.dial(port)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return ask(conn, time.Second)
	})
}

// TestAPortInACageIsRefusedWithItsProcess shows that who connects to a node that is not up yet, or is gone, is refused.
func TestAPortInACageIsRefusedWithItsProcess(t *testing.T) {
	t.Parallel()
	c := &cleaner{}
	t.Cleanup(c.run)
	g := newCage(t, c)
	port, done := freePort(t), make(chan struct{})
	g.expose(done, port)
	connect := func() error {
		conn, err := net.DialTimeout("tcp", local(port), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := connect(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("before anybody listens inside: %v", err)
	}
	l, err := inside(g, func() (net.Listener, error) { return net.Listen("tcp", local(port)) })
	if err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "a connection", connect)
	_ = l.Close()
	close(done)
	until(t, 10*time.Second, "a refusal", func() error {
		if err := connect(); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("after the process has ended: %w", err)
		}
		return nil
	})
}
