package main

import (
	"strings"
	"testing"
)

const movesPage = `{"saga":"order","from":1,"to":2,"dryRun":true,"items":[
	{"xid":"h:1:5","verdict":"safe","reasons":[],"begins":["tell"],"ends":false,"moved":false},
	{"xid":"h:1:6","verdict":"mustStay","reasons":["step pay was the point of no return"],"begins":[],"moved":false}]`

func TestRunsAreMovedAfterAYes(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	const path = "POST /sagas/definitions/order/move"
	moved := strings.Replace(movesPage, `"moved":false`, `"moved":true`, 1)
	s.answer(path, 200, movesPage+`,"next":"c"}`)
	s.answer(path, 200, `{"saga":"order","from":1,"to":2,"items":[]}`)
	r := s.do("n\n", "move", "order@1", "--map", "a=b")
	if r.code != exitFailure || len(s.requests("POST")) != 2 ||
		!strings.Contains(r.errors, "\n1 of 2 runs of order go on by version 2, 1 must stay.\n") {
		t.Fatalf("%+v %q", r, s.requests("POST"))
	}
	s = newSagaServer(t)
	s.answer(path, 200, movesPage+`}`)
	s.answer(path, 200, moved+`}`)
	r = s.do("", "move", "order@1", "--yes", "--map", "a=b")
	if r.code != exitOK || !strings.Contains(r.out, "h:1:5  moved; begins tell\nh:1:6  must stay\n    step pay was") ||
		!strings.HasSuffix(r.out, "\n1 of 2 runs were moved to version 2, 1 must stay\n") {
		t.Errorf("%+v", r)
	}
	asked := s.requests("POST")
	if len(asked) != 2 || !strings.Contains(asked[0], `"dryRun":true,"from":1,"mapping":{"a":"b"},"to":0}`) ||
		!strings.Contains(asked[1], `"dryRun":false,"from":1,"mapping":{"a":"b"},"to":2}`) {
		t.Errorf("%q", asked)
	}
	s = newSagaServer(t)
	s.answer(path, 200, movesPage+`}`)
	const could = "\n1 of 2 runs could be moved to version 2, 1 must stay"
	r = s.do("", "move", "order@1", "--dry-run")
	if r.code != exitOK || !strings.HasSuffix(r.out, could+"; nothing was changed\n") ||
		len(s.requests("POST")) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestTheSentenceCountsWhatWasLookedAt: on all pages, and by what becomes of it.
func TestTheSentenceCountsWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	const safe, maps, stays = `{"xid":"h:1:5","verdict":"safe"}`, `{"xid":"h:1:6","verdict":"needsMapping"}`,
		`{"xid":"h:1:7","verdict":"mustStay"}`
	moved := strings.Replace(safe, "}", `,"moved":true}`, 1)
	for _, tt := range []struct {
		name  string
		args  string
		pages [][]string // of one look each
		says  string
	}{
		{"none", "--dry-run", [][]string{{""}}, "no run of order version 1 is under way; nothing was changed"},
		{"none to move", "--yes", [][]string{{stays + "," + stays}},
			"0 of 2 runs could be moved to version 2, 2 must stay; nothing was changed"},
		{"all safe", "--yes", [][]string{{safe + "," + safe}, {moved + "," + moved}}, "2 of 2 runs were moved to version 2"},
		{"mixed", "--dry-run", [][]string{{safe + "," + maps + "," + stays}},
			"1 of 3 runs could be moved to version 2, 1 needs a mapping, 1 must stay; nothing was changed"},
		{"mixed, and moved", "--yes", [][]string{{safe + "," + maps + "," + stays}, {moved + "," + maps + "," + stays}},
			"1 of 3 runs were moved to version 2, 1 needs a mapping, 1 must stay"},
		{"on two pages", "--yes",
			[][]string{{safe + "," + maps, maps + "," + stays}, {moved + "," + maps, maps + "," + stays}},
			"1 of 4 runs were moved to version 2, 2 need a mapping, 1 must stay"},
		{"one has changed meanwhile", "--yes", [][]string{{safe + "," + safe}, {moved + "," + stays}},
			"1 of 2 runs were moved to version 2, 1 must stay"},
	} {
		s := newSagaServer(t)
		for _, pages := range tt.pages {
			for i, items := range pages {
				next := ""
				if i+1 < len(pages) {
					next = `,"next":"c"`
				}
				s.answer("POST /sagas/definitions/order/move", 200,
					`{"saga":"order","from":1,"to":2,"items":[`+items+`]`+next+`}`)
			}
		}
		r := s.do("", "move", "order@1", tt.args)
		lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
		if r.code != exitOK || lines[len(lines)-1] != tt.says {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.says)
		}
	}
}

func TestOneRunIsMoved(t *testing.T) {
	t.Parallel()
	s := newSagaServer(t)
	const path = "POST /sagas/runs/h:1:5/move"
	s.answer(path, 200, `{"xid":"h:1:5","verdict":"safe","ends":true}`)
	s.answer(path, 200, `{"xid":"h:1:5","verdict":"safe","moved":true}`)
	if r := s.do("y\n", "move", "h:1:5", "--to", "3"); r.code != exitOK || r.out != "h:1:5  moved\n" ||
		!strings.Contains(r.errors, "h:1:5  safe; it is done then") {
		t.Errorf("%+v", r)
	}
	s = newSagaServer(t)
	s.answer(path, 200, `{"xid":"h:1:5","verdict":"needsMapping","reasons":["step a has begun"]}`)
	if r := s.do("", "move", "h:1:5", "--yes"); r.code != exitFailure ||
		!strings.Contains(r.out, "needs mapping\n    step a has begun") || len(s.requests("POST")) != 1 {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"order"}, {"order@x"}, {"order@1", "--map", "a"}, {}} {
		if r := s.do("", append([]string{"move"}, args...)...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
}
