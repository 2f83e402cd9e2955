//go:build parts

package zookeeper

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// sharedServer is the directory of the server that most tests use; those that stop one have their own.
var sharedServer string

func startParts() (stop func()) {
	dir, err := os.MkdirTemp("", "zookeeper")
	if err == nil {
		err = script("start", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sharedServer = dir
	return func() {
		_ = script("stop", dir)
		_ = os.RemoveAll(dir)
	}
}

// script runs .ci/parts/zookeeper.sh.
func script(args ...string) error {
	path := filepath.Join("..", "..", ".ci", "parts", "zookeeper.sh")
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("zookeeper.sh %v: %w: %s", args, err, out)
	}
	return nil
}

// server is a ZooKeeper of a test's own.
type server struct {
	t   *testing.T
	dir string
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	if err := script("start", s.dir); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) stop() {
	s.t.Helper()
	if err := script("stop", s.dir); err != nil {
		s.t.Error(err)
	}
}

func (s *server) address() string { return serverAddress(s.t, s.dir) }

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

func serverAddress(t *testing.T, dir string) string {
	t.Helper()
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strings.TrimSpace(string(port))
}

// node is a registry that runs.
type node struct {
	*Registry
	t     *testing.T
	ended chan error
	stop  context.CancelFunc
}

// options are of a node on the shared server, below a root of the test's own.
func options(t *testing.T, address string) Options {
	return Options{
		Servers: []string{serverAddress(t, sharedServer)}, Root: "/" + t.Name(), SessionTimeout: time.Second,
		Address: address, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// open opens a registry and runs it until the test ends.
func open(t *testing.T, o Options) *node {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{Registry: r, t: t, ended: make(chan error, 1), stop: cancel}
	go func() { n.ended <- r.Run(ctx) }()
	t.Cleanup(n.close)
	return n
}

// close ends the node. Run must have gone on until here.
func (n *node) close() {
	n.t.Helper()
	if n.stop == nil {
		return
	}
	select {
	case err := <-n.ended:
		n.t.Errorf("Run ended by itself: %v", err)
		n.ended <- nil
	default:
	}
	n.stop()
	if err := <-n.ended; err != nil {
		n.t.Errorf("Run: %v", err)
	}
	n.Close()
	n.stop = nil
}

// client is a connection that has nothing to do with the registry.
func client(t *testing.T, address string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{address}, 5*time.Second, zk.WithLogInfo(false),
		zk.WithLogger(log.New(io.Discard, "", 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

// owner returns the session that has an entry, or 0.
func owner(t *testing.T, c *zk.Conn, path string) int64 {
	t.Helper()
	exists, stat, err := c.Exists(path)
	if err != nil {
		t.Fatal(err)
	}
	if !exists {
		return 0
	}
	return stat.EphemeralOwner
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-ticker.C {
		if condition() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

func (n *node) healthy() bool { return n.Health() == nil }

func (n *node) unhealthy(words string) func() bool {
	return func() bool {
		err := n.Health()
		return err != nil && strings.Contains(err.Error(), words)
	}
}

// gate is a TCP proxy that can be closed: then connections neither get through nor end.
type gate struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	open  *sync.Cond
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, target: target, conns: map[net.Conn]bool{}}
	g.open = sync.NewCond(&g.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		g.set(false)
		g.cut()
		all.Wait()
	})
	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

func (g *gate) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer s.Close()
	g.keep(c, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.copy(s, c)
	}()
	g.copy(c, s)
	<-done
}

func (g *gate) keep(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
}

// copy passes bytes on while the gate is open, and ends both connections.
func (g *gate) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		g.mu.Lock()
		for g.shut {
			g.open.Wait()
		}
		g.mu.Unlock()
		if _, e := to.Write(buffer[:n]); e != nil || err != nil {
			return
		}
	}
}

// set shuts the gate or opens it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.open.Broadcast()
}

// cut ends all connections.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Close()
	}
	clear(g.conns)
}
