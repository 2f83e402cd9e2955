//go:build parts

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

// process is a service in a process of its own, which can be killed with -9.
type process struct {
	program string
	args    []string
	address string

	mu  sync.Mutex
	cmd *exec.Cmd
	url string
}

// start starts it, again at the same address.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.program, append([]string{"--listen", p.address}, p.args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = io.Discard // the driver complains of every connection that breaks
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			p.url, p.address, p.cmd = url, strings.TrimPrefix(url, "http://"), cmd
			return nil
		}
	}
	return fmt.Errorf("%v has ended: %w", p.args, cmd.Wait())
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// storm is a shop whose parts are all processes.
type storm struct {
	coordinators []*clienttest.Process
	server       *clienttest.DatabaseServer
	databases    *databases
	services     map[string]*process
}

// startCoordinators starts one that is alone, or nodes of a cluster whose truth is in a database of its own.
func startCoordinators(t *testing.T, nodes int) []*clienttest.Process {
	t.Helper()
	args := []string{"--retry-first", "100ms", "--retry-max", "1s", "--retry-unreachable", "200ms"}
	if nodes == 1 {
		return []*clienttest.Process{clienttest.Run(t, args...)}
	}
	args = append(args, "--store", "mysql", "--mysql-dsn", clienttest.Database(t), "--mysql-migrate", "--mq", "off",
		"--node-secret", "a-secret-of-16-bytes-or-more", "--node-lease", "3s", "--retry-grace", "1s")
	var all []*clienttest.Process
	for n := range nodes {
		all = append(all, clienttest.Run(t, append(slices.Clone(args), "--node-id", fmt.Sprintf("node-%d", n+1))...))
	}
	return all
}

func newStorm(t *testing.T, mode string, nodes int) *storm {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the shop: %v\n%s", err, out)
	}
	s := &storm{
		coordinators: startCoordinators(t, nodes), server: clienttest.NewMariaDB(t), services: map[string]*process{},
	}
	var seata []string
	for _, c := range s.coordinators {
		seata = append(seata, c.Seata)
	}
	var err error
	if s.databases, err = newDatabases(s.server.DSN(""), "storm"); err != nil {
		t.Fatal(err)
	}
	if err := s.databases.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for _, name := range []string{accountService, stockService, orderService} {
		p := &process{program: program, address: "127.0.0.1:0", args: []string{
			"--mode", mode, "--only", name, "--seata", strings.Join(seata, ","), "--api", s.coordinators[0].URL(),
			"--dsn", s.server.DSN(""), "--prefix", "storm", "--timeout", "4s",
		}}
		if len(peers) > 0 {
			p.args = append(p.args, "--peers", strings.Join(peers, ","))
		}
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		s.services[name] = p
		peers = append(peers, name+"="+p.url)
	}
	return s
}

// rage breaks one part after the other until ctx ends, and leaves everything running.
func (s *storm) rage(ctx context.Context, t *testing.T) (broken map[string]int) {
	broken = map[string]int{}
	names := []string{orderService, stockService, accountService, "coordinator", "database"}
	for n := 0; ; n++ {
		wait(ctx, time.Second+rand.N(time.Second))
		if ctx.Err() != nil {
			return broken
		}
		what := names[n%len(names)] // each gets its turn
		broken[what]++
		switch what {
		case "coordinator":
			s.coordinators[broken[what]%len(s.coordinators)].Restart()
		case "database":
			s.server.Kill(t)
			wait(ctx, 300*time.Millisecond)
			s.server.Start(t)
		default:
			s.services[what].kill()
			wait(ctx, 300*time.Millisecond)
			if err := s.services[what].start(); err != nil {
				t.Error(err)
				return broken
			}
		}
	}
}

// leftovers counts what should be gone in the end: undo logs, prepared branches, locks.
func (s *storm) leftovers(ctx context.Context) (string, error) {
	var left []string
	for _, service := range services() {
		db, err := sql.Open("mysql", s.databases.dsn(service))
		if err != nil {
			return "", err
		}
		var undo int
		err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM undo_log WHERE log_status = 0").Scan(&undo)
		_ = db.Close()
		if err != nil {
			return "", err
		}
		if undo > 0 {
			left = append(left, fmt.Sprintf("%d undo logs of %s", undo, service))
		}
	}
	db, err := sql.Open("mysql", s.databases.dsn(""))
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		left = append(left, "a prepared branch")
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	locks, err := s.locks(ctx)
	if locks > 0 {
		left = append(left, fmt.Sprintf("%d locks", locks))
	}
	return strings.Join(left, ", "), err
}

// swept waits until nothing is left over, and returns what is if that never happens.
func (s *storm) swept(ctx context.Context, within time.Duration) (left string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		now, failed := s.leftovers(ctx)
		if now == "" && failed == nil {
			return "", nil
		}
		if ctx.Err() != nil {
			return left, err // of the look before, which was not cut short
		}
		left, err = now, failed
		wait(ctx, 100*time.Millisecond)
	}
}

// locks counts the rows that the coordinator has locked.
func (s *storm) locks(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.coordinators[0].URL()+"/api/v1/locks", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	var page struct{ Items []json.RawMessage }
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("locks: %s", answer.Status)
	}
	err = json.NewDecoder(answer.Body).Decode(&page)
	return len(page.Items), err
}

// TestAStormConservesGoodsAndMoney has customers buy while services, coordinators and the database are killed with -9,
// each of them several times. With AT, two coordinators are a cluster; with XA, one is alone.
func TestAStormConservesGoodsAndMoney(t *testing.T) {
	for mode, nodes := range map[string]int{"at": 2, "xa": 1} {
		t.Run(mode, func(t *testing.T) {
			s := newStorm(t, mode, nodes)
			told := newHistory()
			ctx, calm := context.WithTimeout(t.Context(), 30*time.Second)
			defer calm()
			var buying sync.WaitGroup
			buying.Go(func() {
				load{clerks: 6, refuse: 0.05, lose: 0.05, pause: 5 * time.Millisecond}.run(ctx, s.services[orderService].url, told)
			})
			broken := s.rage(ctx, t)
			buying.Wait()
			urls := map[string]string{}
			for name, p := range s.services {
				urls[name] = p.url
			}
			if err := settled(t.Context(), urls, told, 2*time.Minute); err != nil {
				t.Errorf("goods or money are missing: %v", err)
			}
			if left, err := s.swept(t.Context(), time.Minute); left != "" || err != nil {
				t.Errorf("left over are %s (%v)", left, err)
			}
			// What was rolled back behind the first look, for example by XA's recovery, must have been nobody's order.
			if err := settled(t.Context(), urls, told, time.Minute); err != nil {
				t.Errorf("goods or money are missing when nothing is left over: %v", err)
			}
			t.Logf("%d orders are committed, %d rolled back, %d without outcome; killed: %v; %s", told.count(committed),
				told.count(rolledBack), len(told.told)-told.count(committed)-told.count(rolledBack), broken, told.last)
			if told.count(committed) < 20 || len(broken) < 5 {
				t.Error("too little happened to prove anything")
			}
		})
	}
}
