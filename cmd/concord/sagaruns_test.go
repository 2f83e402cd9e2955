package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// bookings is a participant of sagas that answers by path as it is told, else with 200.
type bookings struct {
	*httptest.Server
	mu     sync.Mutex
	status map[string]int
	asked  []string // operation and path
}

func newBookings(t *testing.T) *bookings {
	t.Helper()
	b := &bookings{status: map[string]int{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		operation, path := r.Header.Get("Concord-Operation"), r.URL.Path
		b.asked = append(b.asked, operation+" "+path)
		if status := b.status[path]; status != 0 {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, `{"id":"b-1"}`)
	}))
	t.Cleanup(b.Close)
	return b
}

// answer has a path answer with a status; 0 is the usual one.
func (b *bookings) answer(path string, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status[path] = status
}

const purchaseText = `
saga: 1
name: purchase
input: {type: object, required: [item], properties: {item: {type: string}}}
deadline: 1h
steps:
  - id: hold
    call: {url: "BASE/hold", body: {item: "${input.item}"}}
    compensate: {call: {url: "BASE/free"}}
  - id: boss
    approval: {prompt: "May we buy ${input.item}?", by: [operator]}
  - id: come
    signal: {name: goods, schema: {type: object, required: [complete], properties: {complete: {type: boolean}}}}
  - id: pay
    call: {url: "BASE/pay"}
    pivot: true
  - id: ship
    call: {url: "BASE/ship"}
output: {id: "${steps.pay.output.id}"}
`

// sagaScene is a server with a published saga.
type sagaScene struct {
	*process
	b *bookings
}

func newSagaScene(t *testing.T) *sagaScene {
	t.Helper()
	s := &sagaScene{start(t, t.TempDir(), "--dev", "--retry-first", "50ms", "--retry-max", "100ms", "--retry-attempts",
		"3"), newBookings(t)}
	file := sagaFile(t, "purchase.yaml", strings.ReplaceAll(purchaseText, "BASE", s.b.URL))
	contains(t, s.ok("saga", "publish", file, "--note", "first"), "purchase version 1 is published")
	return s
}

// xidForm finds xids in a text.
var xidForm = regexp.MustCompile(`\S+:\d+:\d+`)

// begin starts a run and waits until it asks.
func (s *sagaScene) begin(args ...string) string {
	s.t.Helper()
	out := s.ok(append([]string{"saga", "start", "purchase", "--input", `{"item":"lamp"}`}, args...)...)
	xid := xidForm.FindString(out)
	s.eventually("boss waits for an approval", "saga", "run", xid)
	return xid
}

// ends waits for the end of a run and compares the exit code.
func (s *sagaScene) ends(xid string, code int) ran {
	s.t.Helper()
	r := s.do("saga", "run", xid, "--follow")
	if r.code != code {
		s.t.Fatalf("%s ended with %d, want %d:\n%s%s", xid, r.code, code, r.out, r.errors)
	}
	return r
}

// TestASagaIsRunFromTheCommandLine goes through a run with all that people do, against the real server.
func TestASagaIsRunFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newSagaScene(t)
	contains(t, s.ok("saga", "list"), "purchase  1", "first")
	contains(t, s.ok("saga", "show", "purchase"), "pay   call      come", "PIVOT")
	r := s.do("saga", "start", "purchase", "--input", `{"itm":7}`)
	if r.code != exitFailure || !strings.Contains(r.errors, "input: ") || !strings.Contains(r.errors, "item") {
		t.Errorf("%+v", r)
	}
	r = s.do("saga", "start", "purchase", "--input", `{"item":"lamp"}`, "--deadline", "soon")
	if r.code != exitUsage || !strings.Contains(r.errors, "2d") {
		t.Errorf("%+v", r)
	}
	xid := s.begin("--key", "p-7", "--deadline", "2d")
	contains(t, s.ok("saga", "start", "purchase", "--key", "p-7", "--input", `{"item":"lamp"}`), xid,
		"was started before")
	r = s.do("saga", "start", "purchase", "--key", "p-7", "--input", `{"item":"bulb"}`)
	if r.code != exitFailure || !strings.Contains(r.errors, "concord saga runs --saga purchase --key p-7") {
		t.Errorf("%+v", r)
	}
	r = s.do("saga", "start", "purchase", "--key", "p-7", "--input", `{"item":"lamp"}`, "--wait", "--timeout", "1s")
	if r.code != exitRunning {
		t.Errorf("%+v", r)
	}
	contains(t, s.ok("saga", "runs", "--saga", "purchase", "--key", "p-7"), xid, "purchase@1", "running", "p-7")
	r = s.do("saga", "signal", xid, "goods", "--data", `{"complete":true}`)
	if r.code != exitFailure {
		t.Errorf("a signal before its time: %+v", r)
	}
	s.ok("saga", "approve", xid, "boss", "--comment", "a nice lamp")
	s.eventually("come waits for the signal goods", "saga", "run", xid)
	r = s.do("saga", "signal", xid, "goods", "--data", `{"complete":"yes"}`)
	if r.code != exitFailure || !strings.Contains(r.errors, "data: /complete") {
		t.Errorf("a signal that does not fit: %+v", r)
	}
	s.ok("saga", "signal", xid, "goods", "--data", `{"complete":true}`)
	r = s.ends(xid, exitOK)
	contains(t, r.out, "done in", `output       {"id":"b-1"}`, "boss", "█", "a nice lamp", "all is done")
	var run sagaRun
	if err := json.Unmarshal([]byte(s.ok("saga", "run", xid, "-o", "json")), &run); err != nil || len(run.Steps) != 5 ||
		run.Status != statusCommitted || run.Key != "p-7" {
		t.Errorf("%v %+v", err, run)
	}
	contains(t, s.ok("tx", "show", xid), "Committed")
}

// TestRunsThatGoWrongAreMended: rejected, cancelled, stuck on the way back and behind the pivot.
func TestRunsThatGoWrongAreMended(t *testing.T) {
	t.Parallel()
	s := newSagaScene(t)
	s.b.answer("/hold", http.StatusConflict)
	r := s.do("saga", "start", "purchase", "--input", `{"item":"lamp"}`, "--wait")
	if r.code != exitCompensated || !regexp.MustCompile(`(?m)^hold refused +1 `).MatchString(r.out) {
		t.Errorf("%+v", r)
	}
	s.b.answer("/hold", 0)
	xid := s.begin()
	s.ok("saga", "reject", xid, "boss", "--comment", "too bright")
	contains(t, s.ends(xid, exitCompensated).out, "└ undo done", "too bright")

	xid = s.begin()
	s.b.answer("/free", http.StatusConflict)
	contains(t, s.do("saga", "cancel", xid, "--reason", "no money").errors, "these steps are undone", "hold",
		"nothing was done")
	s.ok("saga", "cancel", xid, "--reason", "no money", "--yes")
	contains(t, s.ends(xid, exitStuck).errors, "is stuck")
	contains(t, s.ok("saga", "run", xid), "STUCK", "what you can do", "concord saga retry "+xid, "no money")
	contains(t, s.ok("saga", "runs", "--stuck"), xid, "STUCK")
	s.b.answer("/free", 0)
	s.ok("saga", "retry", xid, "--step", "hold")
	s.ends(xid, exitCompensated)

	xid = s.begin()
	s.b.answer("/ship", http.StatusConflict)
	s.ok("saga", "approve", xid, "boss")
	s.eventually("waits for the signal", "saga", "run", xid)
	s.ok("saga", "signal", xid, "goods", "--data", `{"complete":true}`)
	s.ends(xid, exitStuck)
	if r := s.do("saga", "cancel", xid, "--reason", "late", "--yes"); r.code != exitFailure {
		t.Errorf("cancelled behind its pivot: %+v", r)
	}
	if r := s.do("saga", "cancel", xid, "--reason", "late"); r.code != exitFailure ||
		!strings.Contains(r.errors, "cannot be cancelled: the pivot pay has begun") ||
		strings.Contains(r.errors, "these steps are undone") {
		t.Errorf("planned behind its pivot: %+v", r)
	}
	s.ok("saga", "skip", xid, "ship", "--result", `{"by":"hand"}`, "--reason", "sent by post", "--yes")
	contains(t, s.ends(xid, exitOK).out, "heuristic", "sent by post")

	xid = s.begin()
	s.ok("saga", "approve", xid, "boss")
	s.eventually("waits for the signal", "saga", "run", xid)
	s.ok("saga", "signal", xid, "goods", "--data", `{"complete":true}`)
	s.ends(xid, exitStuck)
	s.b.answer("/ship", 0)
	s.ok("saga", "resume", xid)
	s.ends(xid, exitOK)
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if asked := fmt.Sprint(s.b.asked); strings.Count(asked, "forward /pay") != 2 {
		t.Errorf("paid more than twice: %s", asked)
	}
}

// TestDraftsFromTheCommandLine: several people work on one definition.
func TestDraftsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newSagaScene(t)
	text := strings.ReplaceAll(purchaseText, "BASE", s.b.URL)
	file := sagaFile(t, "draft.yaml", strings.Replace(text, "name: purchase", "name: lamps", 1))
	broken := sagaFile(t, "broken.yaml", strings.Replace(text, "name: purchase", "name: lamps\ndedline: 1h", 1))
	contains(t, s.ok("saga", "draft", "put", broken), "unknown-key", "draft of lamps is stored")
	if r := s.do("saga", "draft", "publish", "lamps"); r.code != exitFailure || !strings.Contains(r.out, "NOT published") {
		t.Errorf("%+v", r)
	}
	contains(t, s.ok("saga", "draft", "put", file), "draft of lamps is stored")
	if r := s.do("saga", "draft", "put", file, "--if-match", "1-00"); r.code != exitFailure {
		t.Errorf("%+v", r)
	}
	contains(t, s.ok("saga", "draft", "list"), "lamps")
	contains(t, s.ok("saga", "draft", "get", "lamps"), "name: lamps")
	contains(t, s.ok("saga", "draft", "publish", "lamps", "--note", "reviewed"), "lamps version 1 is published")
	if r := s.do("saga", "draft", "get", "lamps"); r.code != exitFailure {
		t.Errorf("it is still there: %+v", r)
	}
	s.ok("saga", "draft", "put", file)
	contains(t, s.ok("saga", "draft", "delete", "lamps"), "is deleted")
}

// TestAStuckCompensationReadsWell: a compensation that is refused is no step that is, and that consumers are told of a
// skip is nothing that was undone.
func TestAStuckCompensationReadsWell(t *testing.T) {
	t.Parallel()
	s := newSagaScene(t)
	xid := s.begin()
	s.b.answer("/free", http.StatusConflict)
	s.ok("saga", "cancel", xid, "--reason", "too dear", "--yes")
	contains(t, s.ends(xid, exitStuck).out, "hold  undo refused", "1 step is not undone, and it cannot be")
	s.ok("saga", "skip", xid, "hold", "--reason", "by phone", "--yes")
	out := s.ends(xid, exitCompensated).out
	contains(t, out, "hold  skipped: by phone")
	if regexp.MustCompile(`\+\S+ +undone`).MatchString(out) {
		t.Errorf("something without a name was undone:\n%s", out)
	}
}
