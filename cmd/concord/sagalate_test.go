package main

import (
	"strings"
	"testing"
)

func TestWhatIsLateIsDrawn(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	const run = `{"xid":"h:1:70","saga":"ship","version":1,"beganAt":"2026-01-02T03:04:05Z","lateMs":90500,
		"deadlineAt":"2026-01-02T04:04:05Z","late":true,`
	live, gone := run+`"status":"Active"}`, run+`"status":"Committed","cause":"completed",
		"decidedAt":"2026-01-02T04:05:35.5Z","endedAt":"2026-01-02T04:05:36Z"}`
	s.answer("GET /sagas/runs", 200, `{"items":[`+live+`,`+gone+`]}`)
	s.answer("GET /sagas/runs/70", 200, live)
	s.answer("GET /sagas/runs/71", 200, gone)
	r := s.do("", "runs", "--late", "--live")
	contains(t, r.out, "ship@1  running, late  ", "ship@1  done, late     ")
	if asked := s.requests("GET"); !strings.Contains(asked[0], "late=true") || !strings.Contains(asked[0], "live=true") {
		t.Errorf("%q", asked)
	}
	if s.do("", "runs"); strings.Contains(s.requests("GET")[1], "late") {
		t.Errorf("%q", s.requests("GET"))
	}
	contains(t, s.do("", "run", "70").out, "  deadline     2026-01-02T04:04:05Z (",
		"\n  late         1m31s; it goes on all the same\n")
	contains(t, s.do("", "run", "71").out, "\n  late         1m31s after its deadline, 2026-01-02T04:04:05Z\n")
	contains(t, s.do("", "runs", "-o", "json").out, `"late": true`, `"lateMs": 90500`)
}

// TestALateRunIsShownToItsEnd on a real server: it waits beyond its deadline, and is done then.
func TestALateRunIsShownToItsEnd(t *testing.T) {
	t.Parallel()
	s := &sagaScene{process: start(t, t.TempDir(), "--dev")}
	s.ok("saga", "publish", sagaFile(t, "slow.yaml", `
saga: 1
name: slow
deadline: 50ms
onDeadline: forward
steps: [{id: sure, signal: {name: sure}}]
`))
	xid := xidForm.FindString(s.ok("saga", "start", "slow"))
	s.eventually("; it goes on all the same", "saga", "run", xid)
	contains(t, s.ok("saga", "runs", "--late"), xid, "running, late")
	s.ok("saga", "signal", xid, "sure")
	s.ends(xid, exitOK)
	contains(t, s.ok("saga", "runs", "--late", "--status", "done"), xid, "done, late")
	contains(t, s.ok("saga", "run", xid), "done in ", " after its deadline, ")
	xid = xidForm.FindString(s.ok("saga", "start", "slow", "--deadline", "1h"))
	if list := s.ok("saga", "runs", "--late"); strings.Contains(list, xid) {
		t.Errorf("%s is not late:\n%s", xid, list)
	}
}
