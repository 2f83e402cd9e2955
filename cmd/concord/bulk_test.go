package main

import (
	"strings"
	"testing"
)

// TestOperationsOnManyTransactions: the plan is shown, the job runs and what it did not do is told.
func TestOperationsOnManyTransactions(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	p := connect(t, s.tc)
	var xids []string
	for range 3 {
		xids = append(xids, p.begin("buy", ""))
	}
	contains(t, s.ok("tx", "rollback", "--application", "shop", "--plan"), "rollback of 3 transactions", "calls",
		"such as", "RolledBack")
	contains(t, s.ok("tx", "rollback", "--application", "shop", "--plan", "-o", "json"), `"total": 3`)
	r := s.do("tx", "rollback", "--application", "shop", "--reason", "test")
	if r.code != exitFailure {
		t.Errorf("without an answer: %+v", r)
	}
	contains(t, r.errors, "Do it? [y/N]", "nothing was done")
	if r := s.do("tx", "rollback", xids[0], "--live", "--reason", "test"); r.code != exitUsage {
		t.Errorf("both: %+v", r)
	}
	contains(t, s.ok("tx", "rollback", "--application", "nobody", "--reason", "x"), "")
	contains(t, s.ok("tx", "rollback", "--application", "shop", "--yes", "--reason", "test"), "is done: 3 done")
	list := s.ok("job", "list")
	contains(t, list, "JOB", "rollback", "done")
	fields := strings.Fields(strings.Split(list, "\n")[1])
	contains(t, s.ok("job", "show", fields[0]), "3 done, 0 had moved on, 0 failed")
	contains(t, s.ok("job", "follow", fields[0], "-o", "json"), `"notDone": null`)
	if r := s.do("job", "cancel", fields[0]); r.code != exitFailure {
		t.Errorf("cancel what is done: %+v", r)
	}
	if r := s.do("job", "show"); r.code != exitUsage {
		t.Errorf("no job: %+v", r)
	}
	contains(t, s.ok("completion", "bash"), "bash completion")
}

// TestJournalTellsWhatPeopleDid: in development mode too.
func TestJournalTellsWhatPeopleDid(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	xid := connect(t, s.tc).begin("buy", "")
	s.ok("tx", "rollback", xid, "--yes", "--no-wait", "--reason", "ticket 12")
	contains(t, s.ok("audit", "log"), "transaction.operate", "ticket 12")
	contains(t, s.ok("audit", "log", "--action", "nothing"), "Nothing matches.")
	contains(t, s.ok("audit", "export", "--format", "csv"), "transaction.operate", "ticket 12")
	contains(t, s.ok("audit", "verify"), "are as they were written")
	if r := s.do("audit", "export", "--format", "x"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
	if r := s.do("key", "list"); r.code != exitFailure {
		t.Errorf("%+v", r)
	} else {
		contains(t, r.errors, "development mode")
	}
}

// TestEverythingCanBeLookedAt: each command has something to say, and the same as JSON.
func TestEverythingCanBeLookedAt(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	p := connect(t, s.tc)
	xid := p.begin("buy", "orders:1")
	s.ok("tx", "rollback", xid, "--yes", "--reason", "test", "--no-wait")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{xid, []string{"decisions", "list"}},
		{"No published decision", []string{"decisions", "list", "--outcome", "commit"}},
		{"as stored", []string{"decisions", "show", xid}},
		{"given up no half", []string{"decisions", "halves"}},
		{"takes new work", []string{"cluster"}},
		{"Nobody waits.", []string{"locks", "graph"}},
		{"no conflicts", []string{"locks", "hottest"}},
	} {
		contains(t, s.ok(tt.args...), tt.want)
		contains(t, s.ok(append(tt.args, "-o", "json")...), "{")
	}
}
