//go:build parts

package mysql

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// ownServer starts a server for one test alone, with a user that may not write to a read-only server.
func ownServer(t *testing.T) (dir string, p *proxy) {
	t.Helper()
	dir = t.TempDir()
	port, err := startServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = script("stop", dir) })
	p = newProxy(t, "127.0.0.1:"+port)
	for _, query := range []string{
		"CREATE DATABASE concord", "CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON concord.* TO app@'%'",
	} {
		root(t, p, query)
	}
	return dir, p
}

// root runs a statement as root on the server behind p.
func root(t *testing.T, p *proxy, query string) {
	t.Helper()
	c, err := parseDSN("root@tcp(" + *p.target.Load() + ")/mysql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := openPool(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func appOptions(t testing.TB, p *proxy) Options {
	o := options(t, "concord", "n1")
	o.DSN, o.Migrate = "app:secret@tcp(127.0.0.1:"+p.port()+")/concord", true
	return o
}

// TestServerRestartsUnderLoad stops the database, and then kills it, under load: nothing that was answered is lost, and
// the store goes on by itself.
func TestServerRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	dir, p := ownServer(t)
	o := appOptions(t, p)
	o.RetryFor = 30 * time.Second
	s := openNode(t, o)
	run(t, s)
	const workers = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	stories := map[int64]uint64{}
	stop := make(chan struct{})
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				st := begin(s, int64(1_000_000*(w+1)+10*i))
				if err := st.whole(fmt.Sprintf("t:%d_%d", w, i)); err != nil {
					t.Errorf("worker %d, transaction %d: %v", w, i, err)
					return
				}
				mu.Lock()
				stories[st.g.XID.ID] = st.g.Version
				mu.Unlock()
			}
		})
	}
	for _, kill := range []bool{false, true} {
		before := s.Stats().Commits
		eventually(t, "the load goes on", func() bool { return s.Stats().Commits > before+20 })
		if kill {
			pid, err := os.ReadFile(dir + "/pid")
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
			if err != nil || syscall.Kill(n, syscall.SIGKILL) != nil {
				t.Fatalf("kill %s: %v", pid, err)
			}
			eventually(t, "the server is gone", func() bool { return syscall.Kill(n, 0) != nil })
		}
		if err := script("stop", dir); err != nil {
			t.Fatal(err)
		}
		port, err := startServer(dir)
		if err != nil {
			t.Fatal(err)
		}
		target := "127.0.0.1:" + port
		p.target.Store(&target)
	}
	before := s.Stats().Commits
	eventually(t, "the load goes on", func() bool { return s.Stats().Commits > before+20 })
	close(stop)
	wg.Wait()
	for id, version := range stories {
		if got, err := loadNow(t, s, id); err != nil || got.Version != version {
			t.Fatalf("%d: %+v, %v; version %d was answered", id, got, err, version)
		}
	}
	if n, err := s.Counts(t.Context()); err != nil || n.Committing != int64(len(stories)) || n.Locks != 0 {
		t.Errorf("%d stories, %+v, %v", len(stories), n, err)
	}
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	t.Logf("%d transactions, %+v", len(stories), s.Stats())
}

// TestReadOnlyServerIsRefused at the start, and told of while the store runs.
func TestReadOnlyServerIsRefused(t *testing.T) {
	t.Parallel()
	_, p := ownServer(t)
	o := appOptions(t, p)
	o.RetryFor = 200 * time.Millisecond
	s := openNode(t, o)
	st := begin(s, 100)
	if err := st.whole("t:1"); err != nil {
		t.Fatal(err)
	}
	root(t, p, "SET GLOBAL read_only = 1")
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--mysql-dsn") {
		t.Errorf("opened a read-only server: %v", err)
	}
	other := begin(s, 200)
	if err := other.whole("t:2"); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("written to a read-only server: %v", err)
	}
	if err := s.Health(); err == nil || !strings.Contains(err.Error(), "refuses writes") {
		t.Errorf("health: %v", err)
	}
	if got, err := loadNow(t, s, 100); err != nil || got.Version != 4 {
		t.Errorf("read from a read-only server: %+v, %v", got, err)
	}
	root(t, p, "SET GLOBAL read_only = 0")
	if err := other.whole("t:2"); err != nil {
		t.Errorf("when it takes writes again: %v", err)
	}
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
}

// TestStoppedServerIsGivenUp stops the server's process, which keeps its connections open and says nothing.
func TestStoppedServerIsGivenUp(t *testing.T) {
	t.Parallel()
	dir, p := ownServer(t)
	o := appOptions(t, p)
	o.DSN += "?readTimeout=500ms"
	o.RetryFor = 300 * time.Millisecond
	s := openNode(t, o)
	if err := begin(s, 100).whole("t:1"); err != nil {
		t.Fatal(err)
	}
	goOn := freeze(t, dir)
	start := time.Now()
	other := begin(s, 200)
	err := other.whole("t:2")
	goOn()
	if !errors.Is(err, orchestrator.ErrUnavailable) || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if err := begin(s, 300).whole("t:3"); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}

// TestNobodyWaitsForAWriteOfALostLease stops the server's process until the node has lost its lease: what was being
// written, and what is written then, is refused soon, although no answer comes. When the server goes on, so does the
// node.
func TestNobodyWaitsForAWriteOfALostLease(t *testing.T) {
	t.Parallel()
	dir, p := ownServer(t)
	o := appOptions(t, p)
	o.Lease, o.RetryFor = time.Second, time.Second
	lost, joined := make(chan struct{}, 10), make(chan int64, 10)
	o.Lost, o.Joined = func() { lost <- struct{}{} }, func(epoch int64) { joined <- epoch }
	s := openNode(t, o)
	run(t, s)
	st := begin(s, 100)
	if err := st.step(txn.Begin{Application: "a", Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	goOn := freeze(t, dir)
	for _, when := range []string{"before the loss", "after the loss"} {
		start := time.Now()
		err := st.step(txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: "t:1"})
		away := errors.Is(err, orchestrator.ErrNotMember) || errors.Is(err, orchestrator.ErrUnavailable)
		if !away || time.Since(start) > 6*time.Second {
			t.Errorf("%s: %v after %v", when, err, time.Since(start))
		}
	}
	<-lost
	goOn()
	<-joined
	if err := st.step(txn.Register{BranchID: 101, Kind: txn.AT, Resource: "r", LockKey: "t:1"}); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}

// freeze stops the process of a server and returns when each of its threads has stopped, which the signal alone does
// not wait for. What it returns has the server go on; the end of the test does so too.
func freeze(t *testing.T, dir string) (goOn func()) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(fileOf(t, dir+"/pid")))
	if err != nil || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		t.Fatalf("stop %d: %v", pid, err)
	}
	goOn = sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	t.Cleanup(goOn)
	eventually(t, "the server stands still", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("threads of %d: %v", pid, err)
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread) // one that ends meanwhile is gone
			_, state, _ := strings.Cut(string(text), ") ")
			if err == nil && !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
	return goOn
}

func fileOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
