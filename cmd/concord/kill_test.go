package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
)

// told is what a client was told of a transaction before the server was killed.
type told struct {
	branches []int64
	rows     []string
	asked    string // "commit" or "rollback" if that was asked for
	answered bool   // and answered
}

// work runs transactions until the server is gone, and returns what was told. One in three stays open.
func work(p *peer, round, client int, answered func()) map[string]*told {
	all := map[string]*told{}
	for i := 0; ; i++ {
		b, ok := p.try(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)
		if !ok || b.Code != seata.Success {
			return all
		}
		x := &told{}
		for branch := range 2 {
			row := fmt.Sprintf("%d-%d-%d-%d", round, client, i, branch)
			r, ok := p.try(&seata.BranchRegisterRequest{
				XID: b.XID, BranchType: seata.BranchAT, ResourceID: "jdbc:mysql://db/shop", LockKey: "orders:" + row,
			}).(*seata.BranchRegisterResponse)
			if !ok || r.Code != seata.Success {
				return all
			}
			x.branches, x.rows = append(x.branches, r.BranchID), append(x.rows, row)
			all[b.XID] = x
			answered()
		}
		switch i % 3 {
		case 0:
			x.asked = "commit"
			r, ok := p.try(&seata.GlobalCommitRequest{XID: b.XID}).(*seata.GlobalCommitResponse)
			x.answered = ok && r.Code == seata.Success
		case 1:
			x.asked = "rollback"
			r, ok := p.try(&seata.GlobalRollbackRequest{XID: b.XID}).(*seata.GlobalRollbackResponse)
			x.answered = ok && r.Code == seata.Success
		}
		if x.asked != "" && !x.answered {
			return all
		}
	}
}

// list reads all pages of a list.
func list[T any](s *process, path string) []T {
	s.t.Helper()
	var all []T
	for cursor := ""; ; {
		code, body := s.get(path + "?limit=1000&cursor=" + url.QueryEscape(cursor))
		var page web.Page[T]
		if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 {
			s.t.Fatalf("%s: %d %s", path, code, body)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// TestNothingAnsweredIsLostWhenKilledUnderLoad kills the server under load a few times, on the same data.
func TestNothingAnsweredIsLostWhenKilledUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds, clients = 3, 4
	data := t.TempDir()
	all := map[string]*told{}
	s := start(t, data, "--dev", "--retry-grace", "100ms")
	for round := range rounds {
		var group sync.WaitGroup
		results := make([]map[string]*told, clients)
		var left atomic.Int64 // answers until the kill
		left.Store(50 + rand.Int64N(200))
		enough := make(chan struct{})
		answered := func() {
			if left.Add(-1) == 0 {
				close(enough)
			}
		}
		for i := range clients {
			p := connect(t, s.tc)
			p.answer(seata.BranchCommitted, seata.BranchRollbacked)
			group.Go(func() { results[i] = work(p, round, i, answered) })
		}
		<-enough
		s.kill()
		group.Wait()
		for _, r := range results {
			for xid, x := range r {
				if all[xid] != nil {
					t.Errorf("xid %s was given twice", xid)
				}
				all[xid] = x
			}
		}
		s = start(t, data, "--dev", "--retry-unreachable", "10ms", "--retry-grace", "100ms")
		checkTold(t, s, all)
	}
	t.Logf("%d transactions", len(all))

	p := connect(t, s.tc)
	p.answer(seata.BranchCommitted, seata.BranchRollbacked)
	for _, g := range list[web.Transaction](s, "/api/v1/transactions") {
		if g.Status == "Active" {
			p.ask(&seata.GlobalCommitRequest{XID: g.XID})
		}
	}
	s.until("tx_live 0\n", func() string {
		_, body := s.get("/metrics")
		return body
	})
	if held := list[web.Lock](s, "/api/v1/locks"); len(held) != 0 {
		t.Errorf("%d rows are locked after the end, the first %+v", len(held), held[0])
	}
}

// checkTold compares what clients were told with what the server knows after its restart.
func checkTold(t *testing.T, s *process, all map[string]*told) {
	t.Helper()
	now := map[string]web.Transaction{}
	for _, g := range list[web.Transaction](s, "/api/v1/transactions") {
		now[g.XID] = g
	}
	holders := map[string]string{}
	for _, l := range list[web.Lock](s, "/api/v1/locks") {
		holders[l.PK] = l.Holder
		if l.HolderStatus != "Active" && l.HolderStatus != "RollingBack" {
			t.Errorf("row %s is locked by %s, which is %s", l.PK, l.Holder, l.HolderStatus)
		}
	}
	allowed := map[string][]string{
		"commit": {"Committing", "Committed"}, "rollback": {"RollingBack", "RolledBack"}, "": {"Active"},
	}
	for xid, x := range all {
		g, found := now[xid]
		want := allowed[x.asked]
		if !x.answered {
			want = append(want, "Active")
		}
		switch {
		case !found:
			t.Errorf("%s is lost: %+v", xid, x)
		case !slices.Contains(want, g.Status) || g.BranchCount < len(x.branches) && g.Status == "Active":
			t.Errorf("%s is %s with %d branches; told was %+v", xid, g.Status, g.BranchCount, x)
		case g.Status == "Active":
			for _, row := range x.rows {
				if holders[row] != xid {
					t.Errorf("row %s of %s is locked by %q", row, xid, holders[row])
				}
			}
		}
	}
}
