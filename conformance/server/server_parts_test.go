//go:build parts

// Package server_test has the Go SDK talk to Seata's own server: what a service needs while it moves from one to the
// other.
package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// config is the least configuration of one server with the file store.
const config = `server:
  port: %[1]s
spring:
  application:
    name: seata-server
logging:
  config: classpath:logback-spring.xml
  file:
    path: %[2]s
  level:
    root: WARN
console:
  user:
    username: test
    password: test
seata:
  config:
    type: file
  registry:
    type: file
  store:
    mode: file
    file:
      dir: %[2]s/sessions
  security:
    secretKey: test-test-test-test-test-test-test-test-test-test
    tokenValidityInMilliseconds: 1800000
`

// server is Seata's server in a process of its own.
type server struct {
	t       *testing.T
	dir     string
	classes string
	address string
	cmd     *exec.Cmd
}

func start(t *testing.T) *server {
	t.Helper()
	if out, err := exec.Command("../../.ci/parts/java.sh", "install").CombinedOutput(); err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	s := &server{t: t, dir: t.TempDir(), address: clienttest.FreeAddress(t)}
	list := filepath.Join(s.dir, "classes")
	mvn := exec.Command("mvn", "-B", "-ntp", "-q", "-f", "pom.xml", "dependency:build-classpath",
		"-Dmdep.outputFile="+list)
	if out, err := mvn.CombinedOutput(); err != nil {
		t.Fatalf("mvn: %v\n%s", err, out)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	s.classes = strings.TrimSpace(string(text))
	s.run()
	t.Cleanup(s.kill)
	return s
}

// run starts the process and waits until it listens.
func (s *server) run() {
	s.t.Helper()
	_, console, err := net.SplitHostPort(clienttest.FreeAddress(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.dir, "application.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, console, s.dir), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command("java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dspring.config.location=file:"+file,
		"-cp", s.classes, "io.seata.server.ServerApplication", "-h", "127.0.0.1", "-p", port)
	s.cmd.Dir = s.dir
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	clienttest.Eventually(s.t, "Seata's server listens", func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// resource notes what it is asked for.
type resource struct {
	id   string
	kind seata.BranchType

	mu  sync.Mutex
	did map[int64][]string
}

func (r *resource) ID() string             { return r.id }
func (r *resource) Type() seata.BranchType { return r.kind }

func (r *resource) Commit(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	r.note(b, "commit")
	return seata.BranchCommitted, nil
}

func (r *resource) Rollback(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	r.note(b, "rollback")
	return seata.BranchRollbacked, nil
}

func (r *resource) note(b client.Branch, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did[b.ID] = append(r.did[b.ID], what+" "+b.Data)
}

func (r *resource) of(id int64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.did[id])
}

func serve(t *testing.T, c *client.Client, id string, kind seata.BranchType) *resource {
	t.Helper()
	r := &resource{id: id, kind: kind, did: map[int64][]string{}}
	if err := c.Serve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// One server serves all of these, since it takes its time to start.
func TestTheSDKAndSeatasServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := clienttest.Open(t, s.address)
	actions, rows := serve(t, c, "action", seata.BranchTCC), serve(t, c, "jdbc:mysql://db:3306/shop", seata.BranchAT)
	t.Run("outcomes", func(t *testing.T) { outcomes(t, c, actions) })
	t.Run("locks", func(t *testing.T) { locks(t, c, rows) })
	t.Run("merged", func(t *testing.T) { merged(t, c) })
	s.kill()
	s.run()
	t.Run("after a restart", func(t *testing.T) { outcomes(t, c, actions) })
}

// outcomes runs a transaction of each outcome.
func outcomes(t *testing.T, c *client.Client, r *resource) {
	manager := tm.New(c)
	no := errors.New("no")
	for want, result := range map[string]error{"commit": nil, "rollback": no} {
		var branch int64
		err := manager.Run(t.Context(), tm.Options{Name: want, Timeout: time.Minute}, func(ctx context.Context) (err error) {
			branch, err = c.RegisterBranch(ctx, client.Branch{
				XID: client.XID(ctx), Type: r.kind, Resource: r.id, Data: `{"n":1}`,
			})
			return errors.Join(err, result)
		})
		if (err == nil) != (result == nil) || result != nil && !errors.Is(err, result) {
			t.Errorf("%s: %v", want, err)
		}
		if did := r.of(branch); len(did) != 1 || did[0] != want+` {"n":1}` {
			t.Errorf("%s: the resource did %q", want, did)
		}
	}
}

// locks has two transactions want the same row.
func locks(t *testing.T, c *client.Client, r *resource) {
	var xids []string
	for range 2 {
		xid, err := c.Begin(t.Context(), "locks", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		xids = append(xids, xid)
	}
	row := client.Branch{XID: xids[0], Type: r.kind, Resource: r.id, Locks: "stock:1,2"}
	var err error
	if row.ID, err = c.RegisterBranch(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if err := c.ReportBranch(t.Context(), row, seata.BranchPhaseOneDone); err != nil {
		t.Error(err)
	}
	row.XID = xids[1]
	if _, err := c.RegisterBranch(t.Context(), row); !errors.Is(err, client.ErrLocked) {
		t.Errorf("a row that is locked: %v", err)
	}
	if ok, err := c.Lockable(t.Context(), row); ok || err != nil {
		t.Errorf("lockable: %t %v", ok, err)
	}
	if status, err := c.Commit(t.Context(), xids[0]); err != nil || status != seata.GlobalCommitted {
		t.Errorf("commit: %s %v", status, err)
	}
	if _, err := c.RegisterBranch(t.Context(), row); err != nil {
		t.Errorf("a row that is free again: %v", err)
	}
	if status, err := c.Rollback(t.Context(), xids[1]); err != nil || status != seata.GlobalRollbacked {
		t.Errorf("rollback: %s %v", status, err)
	}
	row.XID = xids[0]
	_, err = c.RegisterBranch(t.Context(), row)
	if !errors.Is(err, client.ErrNotActive) && !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a branch that comes too late: %v", err)
	}
}

// merged asks more at once than can be written one by one.
func merged(t *testing.T, c *client.Client) {
	xid, err := c.Begin(t.Context(), "merged", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for range 20 {
				if status, err := c.Status(t.Context(), xid); err != nil || status != seata.GlobalBegin {
					t.Errorf("%s %v", status, err)
				}
			}
		})
	}
	all.Wait()
	if status, err := c.Rollback(t.Context(), xid); err != nil || status != seata.GlobalRollbacked {
		t.Errorf("rollback: %s %v", status, err)
	}
}
