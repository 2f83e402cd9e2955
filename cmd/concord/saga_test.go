package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sagaServer answers as the API does, from a table, and remembers what it was asked.
type sagaServer struct {
	*httptest.Server
	mu sync.Mutex
	// answers are by method and path; each is used once, but for the last one.
	answers map[string][]sagaAnswer
	asked   []string // method, path with query, body
}

type sagaAnswer struct {
	status int
	body   string
}

func newSagaServer(t *testing.T) *sagaServer {
	t.Helper()
	s := &sagaServer{answers: map[string][]sagaAnswer{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *sagaServer) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	target := strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")
	s.asked = append(s.asked, r.Method+" "+target+" "+string(body))
	key := r.Method + " " + path
	all := s.answers[key]
	if len(all) == 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, problem(404, "notFound", "There is no such thing.", ""))
		return
	}
	if len(all) > 1 {
		s.answers[key] = all[1:]
	}
	w.Header().Set("ETag", `"7"`)
	w.WriteHeader(all[0].status)
	_, _ = io.WriteString(w, all[0].body)
}

func problem(status int, code, title, more string) string {
	return fmt.Sprintf(`{"status":%d,"code":%q,"title":%q%s}`, status, code, title, more)
}

// answer adds an answer.
func (s *sagaServer) answer(request string, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[request] = append(s.answers[request], sagaAnswer{status, body})
}

// requests returns what was asked with a method.
func (s *sagaServer) requests(method string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.asked {
		if strings.HasPrefix(asked, method+" ") {
			out = append(out, asked)
		}
	}
	return out
}

// do runs a command; it is given what it reads on standard input.
func (s *sagaServer) do(stdin string, args ...string) ran {
	var out, errs bytes.Buffer
	a := &app{
		stdout: &out, stderr: &errs, stdin: strings.NewReader(stdin), environ: []string{"CONCORD_SERVER=" + s.URL},
	}
	code := a.run(context.Background(), append([]string{"saga"}, args...))
	return ran{code, out.String(), errs.String()}
}

func sagaFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	partText  = "saga: 1\nname: part\nsteps:\n  - {id: a, call: {url: http://127.0.0.1/a}, readOnly: true}\n"
	wholeText = "saga: 1\nname: whole\nsteps:\n  - {id: b, subSaga: {saga: part}}\n"
)

func TestSubSagasArePublishedFirst(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("POST /sagas/definitions", 201, `{"name":"part","version":1}`)
	s.answer("POST /sagas/definitions", 200, `{"name":"whole","version":4,"findings":[
		{"line":4,"column":5,"severity":"warning","rule":"waits-forever","text":"it waits","advice":"do not"}]}`)
	part, whole := sagaFile(t, "part.yaml", partText), sagaFile(t, "whole.yaml", wholeText)
	r := s.do("", "publish", whole, part, "--note", "two & one")
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	contains(t, r.out, part+": part version 1 is published", whole+":4:5: warning: it waits (waits-forever)",
		"    do not", whole+": whole means the same as version 4")
	asked := s.requests("POST")
	if len(asked) != 2 || asked[0] != "POST /sagas/definitions?note=two+%26+one "+partText ||
		!strings.HasSuffix(asked[1], wholeText) {
		t.Errorf("%q", asked)
	}
	if r := s.do("", "publish", part, part); r.code != exitUsage || !strings.Contains(r.errors, "both define") {
		t.Errorf("%+v", r)
	}
}

const unsoundProblem = `,"findings":[{"line":2,"column":7,"severity":"error","rule":"bad-name","text":"no name"}],
	"explored":{"states":3,"paths":2,"exhaustive":true,"failures":[
	{"step":"a","text":"ends badly","timeline":["a: lost"]}]}`

func TestWhatIsUnsoundHoldsBackWhatRunsIt(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("POST /sagas/definitions", 422, problem(422, "unsound", "It is not sound.", unsoundProblem))
	s.answer("POST /sagas/definitions", 201, `{"name":"other","version":1}`)
	part, whole := sagaFile(t, "part.yaml", partText), sagaFile(t, "whole.yaml", wholeText)
	other := sagaFile(t, "other.yaml", strings.Replace(partText, "part", "other", 1))
	r := s.do("", "publish", whole, part, other)
	if r.code != exitFailure {
		t.Fatalf("%+v", r)
	}
	contains(t, r.out, part+":2:7: error: no name (bad-name)", part+": step a: ends badly", "     1  a: lost",
		part+": NOT published: it is not sound", whole+": NOT published: it runs part, which was not published",
		"other version 1 is published")
	if n := len(s.requests("POST")); n != 2 {
		t.Errorf("%d requests", n)
	}
	s.answer("POST /sagas/definitions", 422, problem(422, "unsound", "It is not sound.", unsoundProblem))
	s.answers["POST /sagas/definitions"] = s.answers["POST /sagas/definitions"][1:]
	r = s.do("", "publish", part, "-o", "json")
	var all []published
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || len(all) != 1 || all[0].Outcome != outcomeUnsound ||
		len(all[0].Findings) != 1 || len(all[0].Explored) == 0 || r.code != exitFailure {
		t.Errorf("%v %+v", err, r)
	}
}

// sagaRunText is a run of which the API tells all there is.
const sagaRunText = `{"xid":"10.0.0.1:8091:70","saga":"travel","version":2,"key":"order-7","application":"shop",
"status":"RolledBack","stuck":false,"cause":"refused","beganAt":"2026-01-31T12:00:00.000Z",
"decidedAt":"2026-01-31T12:00:00.800Z","endedAt":"2026-01-31T12:00:01.000Z",
"input":{"to":"OSL"},"failure":"step hotel was refused: no room",
"steps":[
{"branch":"1","name":"flight","id":"flight","kind":"call","state":"done","attempts":1,"code":200,
 "startedAt":"2026-01-31T12:00:00.000Z","endedAt":"2026-01-31T12:00:00.250Z",
 "undo":{"state":"done","attempts":2,"endedAt":"2026-01-31T12:00:01.000Z"}},
{"branch":"2","name":"hotel","id":"hotel","kind":"call","state":"refused","attempts":3,"code":409,
 "startedAt":"2026-01-31T12:00:00.000Z","endedAt":"2026-01-31T12:00:00.800Z","failure":"HTTP 409: no room"}],
"waits":[],"timeline":[
{"at":"2026-01-31T12:00:00.000Z","event":"began","actor":"key shop"},
{"at":"2026-01-31T12:00:00.250Z","event":"stepDone","step":"flight"},
{"at":"2026-01-31T12:00:00.800Z","event":"stepRefused","step":"hotel","attempt":3,"text":"HTTP 409: no room"},
{"at":"2026-01-31T12:00:01.000Z","event":"finished","step":"flight"}],
"actions":[]}`

func TestARunIsDrawnOverTime(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/runs/70", 200, sagaRunText)
	r := s.do("", "run", "70")
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	_, chart, _ := strings.Cut(r.out, "\n\n")
	want := strings.TrimPrefix(`
STEP     STATE       TRIES     TIME 0 ─────────────────────────────────────── 1s
flight   done            1    250ms ███████████
  └ undo done            2    200ms                                    ▒▒▒▒▒▒▒▒▒
hotel    refused         3    800ms ███████████████████████████████████
         said: HTTP 409: no room

what happened
       +0s          begins by key shop
    +250ms  flight  done
    +800ms  hotel   refused, attempt 3: HTTP 409: no room
       +1s  flight  undone
`, "\n")
	if chart != want {
		t.Errorf("drawn:\n%s\nwant:\n%s", chart, want)
	}
	contains(t, r.out, "10.0.0.1:8091:70  travel version 2  compensated in 1s\n", "key          order-7",
		`input        {"to":"OSL"}`, "failure      step hotel was refused: no room")
	for line := range strings.Lines(r.out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > drawWidth {
			t.Errorf("%d letters: %s", n, line)
		}
	}
	raw := s.do("", "run", "70", "-o", "json")
	var same, got any
	if json.Unmarshal([]byte(sagaRunText), &same) != nil || json.Unmarshal([]byte(raw.out), &got) != nil ||
		fmt.Sprint(same) != fmt.Sprint(got) {
		t.Errorf("%+v", raw)
	}
}

// TestLoopsAreDrawnTogether: of many items those are shown that are not done, and the others as one line each way.
func TestLoopsAreDrawnTogether(t *testing.T) {
	t.Parallel()
	r := &sagaRun{
		XID: "h:1:70", Saga: "payroll", Version: 1, Status: "RollingBack", BeganAt: "2026-01-31T12:00:00.000Z",
		DecidedAt: "2026-01-31T12:00:20.000Z",
	}
	for i := range 10_000 {
		s := runStep{
			Name: fmt.Sprintf("pay[%d]", i), ID: "pay", State: "done", Attempts: 1, StartedAt: "2026-01-31T12:00:00.000Z",
			EndedAt: "2026-01-31T12:00:10.000Z", Undo: &runUndo{State: "done", Attempts: 2, EndedAt: "2026-01-31T12:00:30.000Z"},
		}
		switch {
		case i == 77:
			s.State, s.Failure, s.Undo = "refused", "no such account", nil
		case i%10 == 0:
			s.Undo = &runUndo{State: "waiting"}
		}
		r.Steps = append(r.Steps, s)
	}
	var out bytes.Buffer
	if err := drawRun(&out, r, false); err != nil {
		t.Fatal(err)
	}
	_, chart, _ := strings.Cut(out.String(), "STEP")
	for _, line := range []string{
		"pay × 1000 done         1000      10s ", "pay × 8999 done         8999      10s ", "pay[77]    refused         1",
		"  └ undo   done        17998      10s ", "  └ undo   waiting\n", "said: no such account",
	} {
		if !strings.Contains(chart, line) {
			t.Errorf("%q is missing", line)
		}
	}
	if n := strings.Count(chart, "\n"); n != 7 || t.Failed() {
		t.Errorf("%d lines:\n%s", n, chart)
	}
	out.Reset()
	if err := drawRun(&out, r, true); err != nil || strings.Count(out.String(), "\npay[") != 10_000 {
		t.Errorf("%v %d", err, strings.Count(out.String(), "\npay["))
	}
}

// liveRun is a run that goes on; steps are JSON.
func liveRun(status string, stuck bool, steps, waits string) string {
	return fmt.Sprintf(`{"xid":"10.0.0.1:8091:70","saga":"travel","version":2,"status":%q,"stuck":%t,
		"beganAt":"2026-01-31T12:00:00.000Z","steps":[%s],"waits":[%s],"actions":["retry","skip","cancel"]}`,
		status, stuck, steps, waits)
}

func TestWaitingEndsAsTheRunDoes(t *testing.T) {
	t.Parallel()
	const begun = `{"name":"a","id":"a","state":"running","attempts":1}`
	const done = `{"name":"a","id":"a","state":"done","attempts":2,"endedAt":"2026-01-31T12:00:00.500Z"}`
	for _, tt := range []struct {
		name string
		last string
		code int
		says string
	}{
		{"done", liveRun("Committed", false, done, ""), exitOK, ""},
		{"compensated", liveRun("RolledBack", false, done, ""), exitCompensated, "is compensated"},
		{"stuck", liveRun("Active", true, done, ""), exitStuck, "is stuck"},
		{"running", liveRun("Active", false, done, ""), exitRunning, "still runs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSagaServer(t)
			s.answer("POST /sagas/runs", 201, `{"xid":"10.0.0.1:8091:70","saga":"travel","version":2,"status":"Active"}`)
			const run = "GET /sagas/runs/10.0.0.1:8091:70"
			s.answer(run, 200, liveRun("Active", false, begun, ""))
			s.answer(run, 503, problem(503, "unavailable", "Not now.", `,"retryable":true`))
			s.answer(run, 200, liveRun("Active", false, begun,
				`{"step":"boss","kind":"approval","prompt":"May they?","by":["operator"]}`))
			s.answer(run, 200, tt.last)
			r := s.do("", "start", "travel@2", "--key", "order-7", "--input", `{"to":"OSL"}`, "--wait", "--timeout", "1s",
				"--deadline", "2h")
			if r.code != tt.code || !strings.Contains(r.errors, tt.says) {
				t.Errorf("%d: %s%s", r.code, r.out, r.errors)
			}
			contains(t, r.out, "travel version 2 is started", "a                running\n", "    500ms  a                done "+
				"(attempt 2)\n", "boss waits for an approval by operator:\n", " concord saga approve 10.0.0.1:8091:70 boss\n")
			var body map[string]any
			_, text, _ := strings.Cut(s.requests("POST")[0], "/sagas/runs ")
			if err := json.Unmarshal([]byte(text), &body); err != nil || body["key"] != "order-7" || body["version"] != 2.0 ||
				fmt.Sprint(body["input"]) != "map[to:OSL]" || body["timeout"] != "2h" {
				t.Errorf("%s", text)
			}
		})
	}
}

func TestStartReadsItsInputFromAnywhere(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("POST /sagas/runs", 200, `{"xid":"h:1:70","saga":"travel","version":2,"status":"Active"}`)
	file := sagaFile(t, "input.json", "{\"n\":1}\n")
	for _, args := range [][]string{{file}, {"-"}, {`{"n":1}`}, {" {\"n\":1}"}} {
		r := s.do(`{"n":1}`, "start", "travel", "--key", "k", "--input", args[0])
		if r.code != exitOK || !strings.Contains(r.out, "was started before with this key") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, asked := range s.requests("POST") {
		if asked != `POST /sagas/runs {"input":{"n":1},"key":"k","saga":"travel"}` {
			t.Errorf("%s", asked)
		}
	}
}

const waitingRun = `{"name":"book","id":"book","state":"done","attempts":1},
	{"branch":"8","name":"pay[0]","id":"pay","state":"stuck","attempts":4,"failure":"HTTP 500"}`

func TestChangesOfRuns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stdin string
		args        []string
		path, body  string
	}{
		{"signal", "", []string{"signal", "70", "paid", "--data", `{"n":1}`, "--step", "pay[0]"},
			"signals/paid", `{"data":{"n":1},"step":"pay[0]"}`},
		{"approve", "", []string{"approve", "70", "book", "--comment", "fine"},
			"approvals/book", `{"approve":true,"comment":"fine"}`},
		{"reject", "", []string{"reject", "70", "book"}, "approvals/book", `{"approve":false}`},
		{"cancel", "", []string{"cancel", "70", "--reason", "why not", "--yes"}, "cancel", `{"reason":"why not"}`},
		{"cancel asks", "too late\ny\n", []string{"cancel", "70"}, "cancel", `{"reason":"too late"}`},
		{"retry", "", []string{"retry", "70", "--step", "pay"}, "retry", `{"step":"pay[0]"}`},
		{"resume", "", []string{"resume", "70"}, "resume", `{}`},
		{"skip by branch", "", []string{"skip", "70", "8", "--reason", "r", "-y"}, "skip",
			`{"reason":"r","step":"pay[0]"}`},
		{"skip the run", "", []string{"skip", "70", "--run", "--reason", "r", "-y", "--result", "7"}, "skip",
			`{"reason":"r","result":7}`},
		{"skip", "yes\n", []string{"skip", "70", "pay[0]", "--result", "3", "--reason", "paid by hand"},
			"skip", `{"reason":"paid by hand","result":3,"step":"pay[0]"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSagaServer(t)
			s.answer("GET /sagas/runs/70", 200, liveRun("Active", true, waitingRun, ""))
			s.answer("POST /sagas/runs/70/"+tt.path, 200, liveRun("Active", false, waitingRun, ""))
			r := s.do(tt.stdin, tt.args...)
			asked := s.requests("POST")
			if r.code != exitOK || !slices.Equal(asked, []string{"POST /sagas/runs/70/" + tt.path + " " + tt.body}) {
				t.Errorf("%+v %q", r, asked)
			}
			contains(t, r.out, "it is running now\nLook at it with: concord saga run 70\n")
		})
	}
}

// TestWrongSagaCommandsSayWhatToDo: nothing is changed, and the error names what was likely meant.
func TestWrongSagaCommandsSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/definitions", 200, `{"items":[{"name":"travel","version":3},{"name":"order","version":1}]}`)
	s.answer("GET /sagas/drafts", 200, `{"items":[{"name":"journey"}]}`)
	s.answer("GET /sagas/runs/70", 200, liveRun("Active", false, waitingRun, `{"step":"boss","kind":"approval"},
		{"step":"goods","kind":"signal","name":"goods-received"}`))
	s.answer("GET /sagas/runs/71", 200, liveRun("Active", false, `{"name":"loop[0]","id":"loop"},
		{"name":"loop[1]","id":"loop"}`, ""))
	s.answer("POST /sagas/runs/70/signals/good-received", 409, problem(409, "notAwaited", "Nobody waits.", ""))
	s.answer("POST /sagas/runs/71/signals/late", 409, problem(409, "transactionNotActive", "No branch can join.", ""))
	for _, name := range []string{"boss", "paid"} {
		s.answer("POST /sagas/runs/70/signals/"+name, 409, problem(409, "notAwaited", "Nobody waits.", ""))
	}
	done := problem(409, "branchDone", "Nothing is left.", "")
	s.answer("POST /sagas/runs/70/resume", 409, done)
	s.answer("POST /sagas/runs/70/skip", 409, done)
	for _, name := range []string{"travle", "travel"} {
		s.answer("POST /sagas/definitions/"+name+"/move", 404, problem(404, "sagaNotFound", "No such saga.", ""))
	}
	own := sagaFile(t, "own.yaml", "saga: 1\nname: own\nsteps:\n  - {id: a, call: {url: \"http://a\"}, pivot: true}\n")
	broken := sagaFile(t, "broken.json", "{\n  \"a\": 1,\n  b\n}")
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "name what is published", []string{"publish"}},
		{exitUsage, "no such file", []string{"publish", "missing.yaml"}},
		{exitUsage, "is a directory", []string{"publish", t.TempDir()}},
		{exitFailure, "saga travle is not published; did you mean travel?", []string{"start", "travle"}},
		{exitFailure, "saga payroll is not published; there are the sagas travel, order", []string{"show", "payroll"}},
		{exitFailure, "saga travel has no such version; the newest is 3", []string{"show", "travel@9"}},
		{exitUsage, "a version is a number from 1, as in travel@2", []string{"show", "travel@new"}},
		{exitUsage, "a version is a number from 1", []string{"start", "travel@0"}},
		{exitUsage, "--timeout is a duration", []string{"start", "travel", "-w", "--timeout", "-1s"}},
		{exitUsage, "name the saga", []string{"start", "@1"}},
		{exitUsage, "takes one NAME", []string{"start"}},
		{exitUsage, "--key is empty", []string{"start", "travel", "--key", ""}},
		{exitUsage, "takes one NAME", []string{"start", "a", "b"}},
		{exitUsage, "what is in --input is not JSON (line 1, column 7)", []string{"start", "travel", "--input", `{"a": }`}},
		{exitUsage, broken + " is not JSON (line 3, column 3)", []string{"start", "travel", "--input", broken}},
		{exitUsage, `"mising.json" is neither JSON nor a file`, []string{"start", "travel", "--input", "mising.json"}},
		{exitUsage, "on standard input is not JSON", []string{"start", "travel", "--input", "-"}},
		{exitFailure, "99: There is no such thing.", []string{"run", "99"}},
		{exitUsage, "takes one XID", []string{"run"}},
		{exitFailure, `has no step "bok"; did you mean book?`, []string{"retry", "70", "--step", "bok"}},
		{exitFailure, `has no step "x"; there are the steps book, pay[0]`,
			[]string{"skip", "70", "x", "--reason", "r", "--yes"}},
		{exitUsage, "say why with --reason", []string{"skip", "70", "book"}},
		{exitUsage, "name the run and the step", []string{"skip", "70", "--reason", "r"}},
		{exitUsage, "takes one XID", []string{"skip", "70", "book", "--run", "--reason", "r"}},
		{exitFailure, `has several steps "loop"; there are the steps loop[0], loop[1]`,
			[]string{"retry", "71", "--step", "loop"}},
		{exitUsage, "say why with --reason", []string{"cancel", "70"}},
		{exitFailure, "nothing was done", []string{"cancel", "70", "--reason", "r"}},
		{exitUsage, "name the run and the step", []string{"approve", "70"}},
		{exitFailure, "step book waits for no approval; there wait: boss", []string{"approve", "70", "book"}},
		{exitFailure, "Nobody waits. Did you mean goods-received?", []string{"signal", "70", "good-received"}},
		{exitFailure, "there is no draft of jurney; did you mean journey?", []string{"draft", "get", "jurney"}},
		{exitUsage, "has no command", []string{"draft", "show"}},
		{exitUsage, "does not say what the saga is called", []string{"draft", "put", sagaFile(t, "x.yaml", "steps: []")}},
		{exitUsage, "--output is table or json", []string{"list", "-o", "xml"}},
		{exitUsage, "saga verify takes at least one FILE", []string{"verify"}},
		{exitUsage, "takes one NAME@VERSION or XID", []string{"move"}},
		{exitFailure, "saga travle is not published; did you mean travel?", []string{"move", "travle@1"}},
		{exitFailure, "saga travel has no such version; the newest is 3", []string{"move", "travel@1", "--to", "9"}},
		{exitUsage, `--deadline is a duration such as 90m or 2d, not "x"`, []string{"start", "travel", "--deadline", "x"}},
		{exitUsage, "--key needs --saga", []string{"runs", "--key", "order-7"}},
		{exitFailure, "Nobody waits. That is an approval: concord saga approve ", []string{"signal", "70", "boss"}},
		{exitFailure, "Nobody waits. It waits for goods-received", []string{"signal", "70", "paid"}},
		{exitFailure, "it is decided, so no step waits any more", []string{"signal", "71", "late"}},
		{exitUsage, "--status is running, compensating, done or compensated, not \"x\"", []string{"runs", "--status", "x"}},
		{exitFailure, "nothing has failed, so there is nothing to try again", []string{"resume", "70"}},
		{exitFailure, "the step has ended already", []string{"skip", "70", "book", "--reason", "r", "--yes"}},
		{exitUsage, "is in Concord's own language; publish it with", []string{"import", own}},
	} {
		r := s.do("", tt.args...)
		if r.code != tt.code || !strings.Contains(r.errors, tt.says) {
			t.Errorf("%q ended with %d, want %d and %q:\n%s%s", tt.args, r.code, tt.code, tt.says, r.out, r.errors)
		}
	}
	refused := []string{"POST /sagas/runs ", "POST /sagas/definitions/", "/signals/", "/resume", "70/skip"}
	for _, asked := range s.requests("POST") {
		if !slices.ContainsFunc(refused, func(part string) bool { return strings.Contains(asked, part) }) {
			t.Errorf("something was changed: %s", asked)
		}
	}
}

// TestAKeyThatIsMissingIsAskedFor: what the API says about headers is no advice for a command line.
func TestAKeyThatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/runs", 401, problem(401, "credentialsMissing", "This needs a key.", ""))
	r := s.do("", "runs")
	if r.code != exitFailure || !strings.Contains(r.errors, "put the key into the environment variable CONCORD_TOKEN") {
		t.Errorf("%+v", r)
	}
}

// TestRunsAreFilteredByTheWordsThatAreShown: what the column STATUS says can be asked for.
func TestRunsAreFilteredByTheWordsThatAreShown(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/runs", 200, `{"items":[]}`)
	for word, status := range map[string]string{
		"compensated": "RolledBack", "running": "Active", "Committing": "Committing",
	} {
		s.do("", "runs", "--status", word)
		asked := s.requests("GET")
		if last := asked[len(asked)-1]; !strings.Contains(last, "status="+status) {
			t.Errorf("%s: %s", word, last)
		}
	}
}

// TestDurationsAreShort: also those just below an hour.
