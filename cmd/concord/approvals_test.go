package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web"
)

// approvalForm finds ids of approvals in a text.
var approvalForm = regexp.MustCompile(`\b\d{13}-[a-z0-9]{8}\b`)

// TestReleasingRowsNeedsTwoPeople: asked for by one, seen and approved by another one, all from the command line.
func TestReleasingRowsNeedsTwoPeople(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--access-four-eyes", "release")
	as := func(token string, args ...string) ran {
		return run(t, []string{"CONCORD_SERVER=http://" + s.http, "CONCORD_TOKEN=" + token}, args...)
	}
	admin := tokenForm.FindString(s.logs())
	key := func(name string) string {
		t.Helper()
		r := as(admin, "key", "create", name, "--role", "resolver")
		if r.code != exitOK {
			t.Fatalf("%+v", r)
		}
		return tokenForm.FindString(r.out)
	}
	ann, bob := key("ann"), key("bob")
	client := connect(t, s.tc)
	xid := client.begin("buy", "orders:1")
	if r := as(ann, "tx", "rollback", xid, "--yes", "--no-wait", "--reason", "broken"); r.code != exitOK {
		t.Fatalf("what needs one person: %+v", r)
	}
	r := as(ann, "tx", "release", xid, "--yes", "--reason", "ticket 4711")
	id := approvalForm.FindString(r.out)
	if r.code != exitOK || id == "" || !strings.Contains(r.out, "second person") {
		t.Fatalf("%+v", r)
	}
	rows := func() string { return as(bob, "locks").out }
	contains(t, rows(), "orders")
	contains(t, as(bob, "approval", "list").out, id, "release", "key ann", "ticket 4711")
	if r := as(ann, "approval", "approve", id, "--yes", "--reason", "me again"); r.code != exitFailure {
		t.Errorf("approved by who asked: %+v", r)
	}
	if r := as(bob, "approval", "approve", id); r.code != exitUsage {
		t.Errorf("without a reason: %+v", r)
	}
	contains(t, as(bob, "approval", "approve", id, "--reason", "fine").errors, "unlocks", "Do it?")
	contains(t, as(bob, "approval", "show", id).out, "is pending")
	if r := as(bob, "approval", "approve", id, "--yes", "--reason", "fine"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	if strings.Contains(rows(), "orders") {
		t.Errorf("the rows are still locked:\n%s", rows())
	}
	var x web.Approval
	if err := json.Unmarshal([]byte(as(bob, "approval", "show", id, "-o", "json").out), &x); err != nil ||
		x.State != web.ApprovalDone || x.Answerer != "key bob" {
		t.Errorf("%+v %v", x, err)
	}
	contains(t, as(bob, "tx", "history", xid).out, "key ann, approved by key bob: ticket 4711")
	contains(t, as(bob, "approval", "list").out+as(bob, "approval", "list").errors, "Nothing waits")

	if r := as(bob, "tx", "rollback", client.begin("buy", "orders:2"), "--yes", "--no-wait", "--reason", "x"); r.code !=
		exitOK {
		t.Fatalf("%+v", r)
	}
	r = as(bob, "tx", "release", "--live", "--yes", "--reason", "all of them")
	id = approvalForm.FindString(r.out)
	if r.code != exitOK || id == "" {
		t.Fatalf("a job: %+v", r)
	}
	if r := as(bob, "approval", "reject", id, "--yes", "--reason", "too many"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	contains(t, as(ann, "approval", "list", "--all").out, id, "rejected", "job ")
	contains(t, rows(), "orders")
}
