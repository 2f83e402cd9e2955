//go:build parts

package zookeeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

const address = "127.0.0.1:8091"

func TestEntryIsWhereSeataClientsLook(t *testing.T) {
	t.Parallel()
	o := options(t, address)
	o.Root = ""
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c := client(t, o.Servers[0])
	for _, path := range []string{"/registry", "/registry/zk", "/registry/zk/default"} {
		data, stat, err := c.Get(path)
		if err != nil || string(data) != "true" || stat.EphemeralOwner != 0 {
			t.Errorf("%s: %q, owner %x, %v", path, data, stat.EphemeralOwner, err)
		}
	}
	data, stat, err := c.Get("/registry/zk/default/127.0.0.1:8091")
	if err != nil || string(data) != "true" || stat.EphemeralOwner == 0 {
		t.Errorf("entry: %q, owner %x, %v", data, stat.EphemeralOwner, err)
	}
	children, _, err := c.Children("/registry/zk/default")
	if err != nil || !slices.Equal(children, []string{address}) {
		t.Errorf("children %v, %v", children, err)
	}
	if s := n.Stats(); !s.Entered || s.Entries != 1 || s.Failures != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestEntryOfAHostNameBelowAPath(t *testing.T) {
	t.Parallel()
	o := options(t, "coordinator-0.concord.svc:8091")
	port := o.Servers[0][strings.LastIndex(o.Servers[0], ":"):]
	o.Servers = []string{"no-such-host.invalid:2181", "localhost" + port + "/team/one"}
	o.Root, o.Cluster = "", "blue"
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c := client(t, serverAddress(t, sharedServer))
	if owner(t, c, "/team/one/registry/zk/blue/coordinator-0.concord.svc:8091") == 0 {
		t.Error("no entry below the path")
	}
}

func TestTwoNodesSeeEachOther(t *testing.T) {
	t.Parallel()
	a, b := open(t, options(t, "127.0.0.1:8091")), open(t, options(t, "127.0.0.1:8092"))
	both := []string{"127.0.0.1:8091", "127.0.0.1:8092"}
	lists := func(n *node, want []string) func() bool {
		return func() bool {
			got, err := n.Nodes(t.Context())
			return err == nil && slices.Equal(got, want)
		}
	}
	eventually(t, "a sees both", lists(a, both))
	eventually(t, "b sees both", lists(b, both))
	reader := open(t, options(t, ""))
	eventually(t, "a reader that enters nothing sees both", lists(reader, both))
	if err := reader.Health(); err != nil {
		t.Error(err)
	}
	a.close()
	eventually(t, "b sees that a is closed", lists(b, both[1:]))
}

func TestExpiredSessionIsMended(t *testing.T) {
	t.Parallel()
	g := newGate(t, serverAddress(t, sharedServer))
	o := options(t, address)
	o.Servers = []string{g.address()}
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c, path := client(t, serverAddress(t, sharedServer)), n.path
	first := owner(t, c, path)
	g.set(true)
	eventually(t, "the session expires", func() bool { return owner(t, c, path) == 0 })
	eventually(t, "health says so", n.unhealthy("no session"))
	g.set(false)
	eventually(t, "entered again", func() bool { s := owner(t, c, path); return s != 0 && s != first })
	eventually(t, "healthy again", n.healthy)
	if s := n.Stats(); s.Entries != 2 || !s.Entered {
		t.Errorf("stats %+v", s)
	}
}

func TestShortDisconnectChangesNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t, serverAddress(t, sharedServer))
	o := options(t, address)
	o.Servers, o.SessionTimeout = []string{g.address()}, 5*time.Second
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c := client(t, serverAddress(t, sharedServer))
	first, connects := owner(t, c, n.path), n.Stats().Connects
	g.cut()
	eventually(t, "connected again", func() bool {
		if err := n.Health(); err != nil {
			t.Fatal(err)
		}
		return n.Stats().Connects > connects
	})
	if again := owner(t, c, n.path); again != first || n.Stats().Entries != 1 {
		t.Errorf("owner %x, before %x, stats %+v", again, first, n.Stats())
	}
}

func TestServerRestart(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := options(t, address)
	o.Servers = []string{s.address()}
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	s.stop()
	eventually(t, "health says so", n.unhealthy("connection refused"))
	s.start()
	eventually(t, "entered again", func() bool {
		nodes, err := n.Nodes(t.Context())
		return err == nil && slices.Equal(nodes, []string{address}) && n.healthy()
	})
}

func TestServerThatLostItsData(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := options(t, address)
	o.Servers = []string{s.address()}
	c := client(t, s.address())
	for i := range 20 { // the new server's transaction ids are below what the connection has seen
		if _, err := c.Create(fmt.Sprint("/filler", i), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	s.stop()
	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
		t.Fatal(err)
	}
	s.start()
	began := time.Now()
	eventually(t, "entered in the empty server", func() bool {
		nodes, err := n.Nodes(t.Context())
		return err == nil && slices.Equal(nodes, []string{address}) && n.healthy()
	})
	if took := time.Since(began); took > 15*o.SessionTimeout {
		t.Errorf("it took %s, which is more than the replacing of a connection", took)
	}
}

func TestFrozenServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := options(t, address)
	o.Servers = []string{s.address()}
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	s.signal(syscall.SIGSTOP)
	t.Cleanup(func() { s.signal(syscall.SIGCONT) }) // before the server is stopped
	eventually(t, "health says so", n.unhealthy("gives none"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := n.Nodes(ctx); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("nodes: %v after %s", err, time.Since(began))
	}
	s.signal(syscall.SIGCONT)
	eventually(t, "healthy again", n.healthy)
}

func TestDeregisterIsForGood(t *testing.T) {
	t.Parallel()
	g := newGate(t, serverAddress(t, sharedServer))
	o := options(t, address)
	o.Servers = []string{g.address()}
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	if err := n.Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := client(t, serverAddress(t, sharedServer))
	if s := owner(t, c, n.path); s != 0 {
		t.Errorf("the entry still belongs to %x", s)
	}
	if err := n.Health(); err == nil || !strings.Contains(err.Error(), "left") {
		t.Errorf("health %v", err)
	}
	if err := n.Deregister(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
	connects := n.Stats().Connects
	g.cut()
	eventually(t, "connected again", func() bool { return n.Stats().Connects > connects })
	if err := n.attempt(t.Context()); err != nil {
		t.Error(err)
	}
	if s := owner(t, c, n.path); s != 0 || n.Stats().Entered {
		t.Errorf("entered again by %x", s)
	}
}

func TestWithdrawIsForTheTimeBeing(t *testing.T) {
	t.Parallel()
	n := open(t, options(t, address))
	eventually(t, "entered", n.healthy)
	c := client(t, serverAddress(t, sharedServer))
	n.Withdraw(errors.New("the lease is lost"))
	eventually(t, "gone", func() bool { return owner(t, c, n.path) == 0 && !n.Stats().Entered })
	if err := n.Health(); err == nil || !strings.Contains(err.Error(), "the lease is lost") {
		t.Errorf("health %v", err)
	}
	n.Enter()
	eventually(t, "entered again", func() bool { return owner(t, c, n.path) != 0 && n.healthy() })
	if err := n.Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Enter()
	if err := n.attempt(t.Context()); err != nil || owner(t, c, n.path) != 0 {
		t.Errorf("entered after it has left, %v", err)
	}
}

// child is a node that another test kills.
func child(address string) {
	r, err := Open(context.Background(), Options{
		Servers: []string{os.Getenv("TEST_REGISTRY_SERVER")}, Root: os.Getenv("TEST_REGISTRY_ROOT"),
		Address: address, SessionTimeout: 3 * time.Second, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { _ = r.Run(context.Background()) }()
	for r.Health() != nil {
		<-time.After(time.Millisecond)
	}
	fmt.Println("entered")
	select {}
}

func TestLeftoverOfAKilledProcess(t *testing.T) {
	t.Parallel()
	o := options(t, address)
	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), childAddress+"="+address, "TEST_REGISTRY_SERVER="+o.Servers[0],
		"TEST_REGISTRY_ROOT="+o.Root)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "entered\n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()
	c := client(t, o.Servers[0])
	left := owner(t, c, o.Root+"/default/"+address)
	if left == 0 {
		t.Fatal("nothing was left over")
	}
	n := open(t, o)
	eventually(t, "health names the leftover", n.unhealthy("left over"))
	if s := owner(t, c, n.path); s != left {
		t.Errorf("the leftover was touched: now of %x", s)
	}
	eventually(t, "entered when the session of the killed process is over", n.healthy)
	if s := owner(t, c, n.path); s == left || s == 0 {
		t.Errorf("owner %x, of the leftover %x", s, left)
	}
}

func TestLeftoverOfThisProcessIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	o := options(t, address)
	o.SessionTimeout = 20 * time.Second
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c := client(t, o.Servers[0])
	first := owner(t, c, n.path)
	// The connection is lost without a farewell, and another one takes its place.
	old := n.current()
	old.Abandon()
	fresh, err := newLink(n.o, n.changed)
	if err != nil {
		t.Fatal(err)
	}
	n.turn <- struct{}{}
	n.mu.Lock()
	n.link = fresh
	n.mu.Unlock()
	<-n.turn
	t.Cleanup(old.Close)
	_, _, events, err := c.ExistsW(n.path)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "entered by the new session", func() bool { return owner(t, c, n.path) != first })
	if e := <-events; e.Type != zk.EventNodeDeleted { // deleted and made in one transaction
		t.Errorf("event %+v", e)
	}
	if owner(t, c, n.path) == 0 {
		t.Error("clients saw the address missing")
	}
	eventually(t, "healthy", n.healthy)
}

func TestEntryThatIsRemovedByHandComesBack(t *testing.T) {
	t.Parallel()
	n := open(t, options(t, address))
	eventually(t, "entered", n.healthy)
	c := client(t, serverAddress(t, sharedServer))
	for range 3 {
		before := n.Stats().Entries
		if err := c.Delete(n.path, -1); err != nil {
			t.Fatal(err)
		}
		eventually(t, "entered again", func() bool { return n.Stats().Entries > before && n.healthy() })
	}
	// The parents too.
	before := n.Stats().Entries
	if _, err := c.Multi(&zk.DeleteRequest{Path: n.path, Version: -1},
		&zk.DeleteRequest{Path: n.parent, Version: -1}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "entered again", func() bool { return n.Stats().Entries > before && n.healthy() })
}

func TestPermanentNodeInTheWay(t *testing.T) {
	t.Parallel()
	o := options(t, address)
	c := client(t, o.Servers[0])
	for _, path := range []string{o.Root, o.Root + "/default", o.Root + "/default/" + address} {
		if _, err := c.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	n := open(t, o)
	eventually(t, "health names it", n.unhealthy("permanent node"))
	if err := c.Delete(n.path, -1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "entered", n.healthy)
}

func TestTwoNodesWithOneAddress(t *testing.T) {
	t.Parallel()
	a := open(t, options(t, address))
	eventually(t, "entered", a.healthy)
	b := open(t, options(t, address))
	eventually(t, "the second says why not", b.unhealthy("two nodes advertise the same address"))
	if err := a.Health(); err != nil || a.Stats().Entries != 1 {
		t.Errorf("the first: %v, %+v", err, a.Stats())
	}
	if err := b.Deregister(t.Context()); err != nil {
		t.Error(err)
	}
	c := client(t, serverAddress(t, sharedServer))
	if owner(t, c, a.path) == 0 {
		t.Error("the second removed the entry of the first")
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	o := options(t, address)
	o.Digest = "seata:right"
	n := open(t, o)
	eventually(t, "entered", n.healthy)

	wrong := o
	wrong.Digest, wrong.Address, wrong.Wait = "seata:wrong", "127.0.0.1:8092", true
	for _, digest := range []string{"seata:wrong", ""} {
		wrong.Digest = digest
		r, err := Open(t.Context(), wrong)
		if err == nil {
			r.Close()
			t.Fatalf("%q is let in", digest)
		}
		if !strings.Contains(err.Error(), "zookeeper.digest") {
			t.Errorf("%q: %v", digest, err)
		}
	}
	// Clients without credentials find the node, and can do no more.
	c := client(t, o.Servers[0])
	children, _, err := c.Children(n.parent)
	if err != nil || !slices.Equal(children, []string{address}) {
		t.Errorf("children %v, %v", children, err)
	}
	if err := c.Delete(n.path, -1); err != zk.ErrNoAuth {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.Create(n.parent+"/10.0.0.1:1", nil, 0, zk.WorldACL(zk.PermAll)); err != zk.ErrNoAuth {
		t.Errorf("create: %v", err)
	}
}

func TestCredentialsArePresentedAgainAfterAReconnect(t *testing.T) {
	t.Parallel()
	g := newGate(t, serverAddress(t, sharedServer))
	o := options(t, address)
	o.Servers, o.Digest = []string{g.address()}, "seata:right"
	n := open(t, o)
	eventually(t, "entered", n.healthy)
	c := client(t, serverAddress(t, sharedServer))
	g.set(true)
	eventually(t, "the session expires", func() bool { return owner(t, c, n.path) == 0 })
	g.set(false)
	eventually(t, "entered again", func() bool { return owner(t, c, n.path) != 0 && n.healthy() })
}

func TestUnreachableServerAtStart(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := options(t, address)
	o.Servers = []string{s.address()}
	s.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := Open(ctx, o)
	if err == nil {
		r.Close()
		t.Fatal("opened without a server")
	}
	if !strings.Contains(err.Error(), "--zookeeper") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
	o.Wait = true
	n := open(t, o)
	if err := n.Health(); err == nil {
		t.Error("healthy without a server")
	}
	s.start()
	eventually(t, "entered", n.healthy)
}
