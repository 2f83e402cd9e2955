//go:build parts

package zookeeper

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
)

// startParts has what is missing be installed.
func startParts() (stop func()) {
	if err := script("install"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return func() {}
}

// script runs .ci/parts/zookeeper.sh.
func script(args ...string) error {
	out, err := exec.Command(filepath.Join("..", "..", ".ci", "parts", "zookeeper.sh"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("zookeeper.sh %v: %w: %s", args, err, out)
	}
	return nil
}

// server is a ZooKeeper of a test's own.
type server struct{ dir, address string }

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{dir: t.TempDir()}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	if err := script("start", s.dir); err != nil {
		t.Fatal(err)
	}
	port, err := os.ReadFile(filepath.Join(s.dir, "port"))
	if err != nil {
		t.Fatal(err)
	}
	s.address = "127.0.0.1:" + strings.TrimSpace(string(port))
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := script("stop", s.dir); err != nil {
		t.Error(err)
	}
}

// change makes one change through a session of its own.
func (s *server) change(t *testing.T, do func(c *zk.Conn) error) {
	t.Helper()
	c, _, err := zk.Connect([]string{s.address}, 6*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := do(c); err != nil {
		t.Fatal(err)
	}
}

// enter enters nodes for good, as no node does, with its parents.
func enter(addresses ...string) func(c *zk.Conn) error {
	return func(c *zk.Conn) error {
		paths := []string{"/registry", "/registry/zk", "/registry/zk/default"}
		for _, a := range addresses {
			paths = append(paths, "/registry/zk/default/"+a)
		}
		for _, path := range paths {
			_, err := c.Create(path, []byte("true"), 0, zk.WorldACL(zk.PermAll))
			if err != nil && err != zk.ErrNodeExists {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	}
}

func leave(address string) func(c *zk.Conn) error {
	return func(c *zk.Conn) error { return c.Delete("/registry/zk/default/"+address, -1) }
}

// watched are nodes that are watched.
type watched struct {
	mu  sync.Mutex
	all [][]string
}

func watch(t *testing.T, s *server) *watched {
	t.Helper()
	w := &watched{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		nodes := Nodes(Options{Servers: []string{s.address}, SessionTimeout: 2 * time.Second})
		for ctx.Err() == nil { // as the client does
			if err := nodes.Watch(ctx, w.update); err != nil {
				t.Log(err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

func (w *watched) update(addresses []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, addresses)
}

// last is what was told last.
func (w *watched) last() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) == 0 {
		return nil
	}
	return w.all[len(w.all)-1]
}

func (w *watched) is(t *testing.T, want ...string) {
	t.Helper()
	clienttest.Eventually(t, fmt.Sprintf("%v is told", want), func() bool { return slices.Equal(w.last(), want) })
}

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := watch(t, s) // before anybody has entered anything
	s.change(t, enter("b:2", "no address", "application=orders"))
	w.is(t, "b:2")
	s.change(t, enter("a:1"))
	w.is(t, "a:1", "b:2")
	s.change(t, leave("b:2"))
	w.is(t, "a:1")
	s.change(t, leave("a:1")) // an empty registry is not told
	s.change(t, enter("c:3"))
	w.is(t, "c:3")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, addresses := range w.all {
		if len(addresses) == 0 {
			t.Error("an empty list was told")
		}
	}
}

func TestAServerThatWasAwayIsReadAgain(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.change(t, enter("a:1"))
	w := watch(t, s)
	w.is(t, "a:1")
	s.stop(t)
	s.start(t)
	s.change(t, enter("b:2"))
	w.is(t, "a:1", "b:2")
	s.change(t, leave("a:1"))
	w.is(t, "b:2")
}

func TestAClientFindsItsCoordinator(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	one, two := clienttest.Start(t), clienttest.Start(t)
	s.change(t, enter(one.Addr()))
	c := clienttest.OpenWith(t, client.Options{Nodes: Nodes(Options{Servers: []string{s.address}})})
	if _, err := c.Begin(t.Context(), "test", time.Minute); err != nil {
		t.Fatal(err)
	}
	s.change(t, enter(two.Addr()))
	clienttest.Eventually(t, "both are connected", func() bool { return len(c.Connected()) == 2 })
	s.change(t, leave(one.Addr()))
	clienttest.Eventually(t, "the other is left", func() bool {
		return slices.Equal(c.Connected(), []string{two.Addr()})
	})
	s.stop(t) // who is connected notices nothing
	xid, err := c.Begin(t.Context(), "test", time.Minute)
	if err != nil || !strings.HasPrefix(xid, two.Addr()+":") {
		t.Errorf("%s %v", xid, err)
	}
	s.start(t)
}
