//go:build parts

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
)

// build makes a program of this source that calls itself another release.
func build(t *testing.T, other string) string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs("version.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), strconv.Quote(release), strconv.Quote(other), 1)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: filepath.Join(dir, "version.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"version.go": changed, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "concord")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// nodeWith starts a node of another build.
func (s *site) nodeWith(program, id string) *process {
	s.t.Helper()
	cmd := exec.CommandContext(context.Background(), program, s.flags(id, "--mysql-migrate=false")...)
	cmd.Env = s.environ()
	return s.launch(cmd)
}

// stream commits one transaction after the other at a node until the node is told to stop.
type stream struct {
	site  *site
	peer  *peer
	rows  int
	all   []string // accepted commits
	ended sync.WaitGroup
}

// begin works at a node until its connection ends, which is how a node that drains says goodbye.
func (x *stream) begin(p *process) {
	c := participant(x.site.t, p)
	x.peer = c
	x.ended.Go(func() {
		for {
			x.rows++
			b, ok := c.try(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)
			if !ok || b.Code != seata.Success {
				return
			}
			r, ok := c.try(&seata.BranchRegisterRequest{
				XID: b.XID, BranchType: seata.BranchAT, ResourceID: "jdbc:mysql://db/shop",
				LockKey: "orders:" + strconv.Itoa(x.rows),
			}).(*seata.BranchRegisterResponse)
			if !ok || r.Code != seata.Success {
				return
			}
			d, ok := c.try(&seata.GlobalCommitRequest{XID: b.XID}).(*seata.GlobalCommitResponse)
			if !ok || d.Code != seata.Success {
				return
			}
			x.all = append(x.all, b.XID)
		}
	})
}

// TestRollingUpgrade: nodes of two versions work together while the tables are migrated and one node after the other is
// replaced. Every commit that was accepted ends.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	programs := make([]string, 2)
	for i, release := range []string{"0.1.9", "0.2.0-next"} {
		programs[i] = build(t, release)
	}
	migrate := func(program string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, "migrate")
		cmd.Env = s.environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	migrate(programs[0])
	a, b := s.nodeWith(programs[0], "a"), s.nodeWith(programs[0], "b")
	one, other := &stream{site: s}, &stream{site: s, rows: 1_000_000}
	one.begin(a)
	other.begin(b)
	migrate(programs[1]) // while both work
	contains(t, b.ok("nodes"), "0.1.9")

	replace := func(old *process, x *stream, id string) *process {
		t.Helper()
		old.signal(syscall.SIGTERM)
		if code := old.wait(); code != exitOK {
			t.Errorf("%s ended with %d:\n%s", id, code, old.logs())
		}
		x.ended.Wait()
		p := s.nodeWith(programs[1], id)
		x.rows += 100_000
		x.begin(p)
		p.healthy()
		return p
	}
	a = replace(a, one, "a")
	contains(t, a.ok("nodes"), "0.1.9", "0.2.0-next")
	b = replace(b, other, "b")
	if got := a.nodeOf("b").Version; got != "0.2.0-next" {
		t.Errorf("node b is %s", got)
	}
	for _, x := range []*stream{one, other} {
		_ = x.peer.conn.Close()
		x.ended.Wait()
	}
	a.kill()
	participant(t, b)
	accepted := append(one.all, other.all...)
	if len(one.all) < 10 || len(other.all) < 10 {
		t.Errorf("%d and %d commits are too few to show something", len(one.all), len(other.all))
	}
	t.Logf("%d commits", len(accepted))
	b.until("all", func() string {
		committed := map[string]bool{}
		for _, g := range list[web.Transaction](b, "/api/v1/transactions") {
			committed[g.XID] = g.Status == "Committed"
		}
		for _, xid := range accepted {
			if !committed[xid] {
				return xid + " has not committed"
			}
		}
		return "all"
	})
}
