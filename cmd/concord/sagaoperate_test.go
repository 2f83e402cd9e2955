package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestACancelSaysWhatTheServerAnswers: what the run was when it was looked at is no promise.
func TestACancelSaysWhatTheServerAnswers(t *testing.T) {
	t.Parallel()
	run := func(more string) string { return fmt.Sprintf(`{"xid":"70","saga":"travel","version":2,%s}`, more) }
	const refused = `"status":"RolledBack","cause":"refused","failure":"step hotel: no room","decidedAt":"x"`
	for _, tt := range []struct {
		name, before, answer string
		status, code         int
		says                 string
		args                 []string
	}{
		{"done as it was asked for", `"status":"Active","actions":["cancel"]`,
			run(`"status":"RollingBack","cause":"requested"`), 200, exitOK,
			"it is cancelled; it is compensating now", []string{"--yes"}},
		{"ended meanwhile", `"status":"Active","actions":["cancel"]`, run(refused), 200, exitOK,
			"nothing is changed, since it was decided before: step hotel: no room; it is compensated", []string{"--yes"}},
		{"past its pivot meanwhile", `"status":"Active","actions":["cancel"]`,
			problem(409, "pastPivot", "A step was begun after which there is no way back.", ""), 409, exitFailure,
			"A step was begun after which there is no way back.", []string{"--yes"}},
		{"ended before", refused, "", 0, exitFailure, "cannot be cancelled: it is compensated: step hotel: no room", nil},
		{"done before", `"status":"Committed","decidedAt":"x"`, "", 0, exitFailure, "cannot be cancelled: it is done", nil},
		{"past its pivot", `"status":"Active","steps":[{"name":"pay","pivot":true,"state":"running"}]`, "", 0, exitFailure,
			"cannot be cancelled: the pivot pay has begun, and there is no way back", nil},
	} {
		s := newSagaServer(t)
		s.answer("GET /sagas/runs/70", 200, run(tt.before))
		if tt.answer != "" {
			s.answer("POST /sagas/runs/70/cancel", tt.status, tt.answer)
		}
		r := s.do("", append([]string{"cancel", "70", "--reason", "r"}, tt.args...)...)
		if r.code != tt.code {
			t.Errorf("%s: %+v", tt.name, r)
		}
		contains(t, r.out+r.errors, tt.says)
	}
}

// TestASecondApprovalIsToldByTheServer, also while another step waits for one.
func TestASecondApprovalIsToldByTheServer(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/runs/70", 200, liveRun("Active", false, `{"name":"boss","kind":"approval","state":"done"},
		{"name":"bank","kind":"approval","state":"waiting"}`, `{"step":"bank","kind":"approval"}`))
	s.answer("POST /sagas/runs/70/approvals/boss", 409,
		problem(409, "notAwaited", "It was answered before.", `,"detail":"boss was approved by ann at noon."`))
	r := s.do("", "approve", "70", "boss")
	if r.code != exitFailure {
		t.Errorf("%+v", r)
	}
	contains(t, r.errors, "It was answered before. boss was approved by ann at noon.")
}

// TestAnEmptyPageIsNotTheEnd: where the server has looked at a part only, nobody is told that there is none.
func TestAnEmptyPageIsNotTheEnd(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	s.answer("GET /sagas/runs", 200, `{"items":[],"next":"c7"}`)
	r := s.do("", "runs", "--late")
	if r.code != exitOK || strings.Contains(r.out, "No run matches.") {
		t.Errorf("%+v", r)
	}
	contains(t, r.out+r.errors, "among those that were looked at so far", "--cursor c7")
	s = newSagaServer(t)
	s.answer("GET /sagas/runs", 200, `{"items":[]}`)
	if r = s.do("", "runs", "--late"); r.out != "No run matches.\n" {
		t.Errorf("%+v", r)
	}
}
