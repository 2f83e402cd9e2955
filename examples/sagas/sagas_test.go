package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/saga/definition"
)

// scene is a coordinator for the cases of one example. Each has participants of its own, always at the same address, so
// that its definitions are published once.
type scene struct{ *stage }

func setup(t *testing.T, concord string) *scene {
	t.Helper()
	s, err := newStage(t.Context(), options{concord: concord}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return &scene{s}
}

// playing is one way in which an example goes.
type playing struct {
	name   string
	o      options
	code   int // 0 or 3
	booked int // what is booked in the end, in all
}

// waysOf lists the happy way of an example, and those on which each step that can be is refused, and each answer that
// can be is lost.
func waysOf(e *example, booked int) []playing {
	ways := []playing{{name: "happy", booked: booked}}
	for _, def := range e.definitions() {
		pivoted := false
		for _, s := range def.Steps {
			if stepService(s) == "" || e.name == "sub-saga" && s.ID == "car" {
				continue // nobody can fail, or it is not asked for
			}
			refusal := playing{"refuse " + s.ID, options{refuse: []string{s.ID}}, exitCompensated, 0}
			if pivoted {
				refusal.code, refusal.booked = exitDone, booked // there is no way back: it is tried until it is done
			}
			ways = append(ways, refusal)
			if s.Call != nil {
				ways = append(ways, playing{"lose " + s.ID, options{lose: []string{s.ID}}, exitDone, booked})
			}
			pivoted = pivoted || s.Pivot
		}
	}
	return ways
}

// killPace is how long participants take where the coordinator is killed, so that it is while the saga is under way.
const killPace = 30 * time.Millisecond

func TestEveryExampleIsDoneOrUndone(t *testing.T) {
	t.Parallel()
	concord := clienttest.Build(t)
	for name, tt := range map[string]struct {
		booked int
		more   []playing
	}{
		"travel": {4, []playing{
			{"silence hotel", options{silence: []string{"hotel"}}, exitCompensated, 0},
			{"without a car", options{input: `{"traveller":"bob","from":"FRA","to":"OSL","nights":1}`}, exitDone, 3},
			{"refuse two", options{refuse: []string{"flight", "hotel"}}, exitCompensated, 0},
		}},
		"order-pivot": {3, []playing{
			{"silence reserve", options{silence: []string{"reserve"}}, exitCompensated, 0},
		}},
		"loop":     {5, []playing{{"silence transfer", options{silence: []string{"transfer"}}, exitCompensated, 0}}},
		"sub-saga": {5, []playing{{"silence flight", options{silence: []string{"flight"}}, exitCompensated, 0}}},
		"approval": {2, []playing{
			{"the board decides", options{refuse: []string{"manager"}}, exitDone, 2},
			{"rejected", options{refuse: []string{"manager", "board"}}, exitCompensated, 0},
			{"small", options{input: `{"item":"pen","price":4,"by":"ann"}`}, exitDone, 2},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := find(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Run("kill", func(t *testing.T) { // what was asked is not asked again for 15 s, so it has a server of its own
				t.Parallel()
				setup(t, concord).check(t, e, playing{"kill", options{kill: true, pace: killPace}, exitDone, tt.booked})
			})
			s := setup(t, concord)
			for _, way := range append(waysOf(e, tt.booked), tt.more...) {
				t.Run(way.name, func(t *testing.T) { s.check(t, e, way) })
			}
		})
	}
}

// check plays an example and looks at what the participants hold.
func (s *scene) check(t *testing.T, e *example, way playing) {
	t.Helper()
	var out bytes.Buffer
	way.o.participants = "127.0.0.1:0"
	end, err := s.play(t.Context(), e, way.o, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	booked, all := end.participants.held()
	if end.code != way.code || booked != way.booked || len(all) == 0 {
		end.participants.print(&out)
		t.Errorf("ended with %d, want %d; %d are booked, want %d\n%s", end.code, way.code, booked, way.booked, &out)
	}
	if killed := strings.Index(out.String(), "killed with -9"); way.o.kill &&
		(killed < 0 || killed > strings.LastIndex(out.String(), "  done in ")) {
		t.Errorf("it was not killed before its end:\n%s", &out)
	}
	seen := map[string]bool{}
	for _, b := range all {
		if key := b.service + b.about; b.state == "booked" && seen[key] {
			t.Errorf("%s is booked twice: %s", b.service, b.about)
		} else {
			seen[key] = true
		}
	}
	if !strings.Contains(out.String(), "$ concord saga start "+e.definition().Name) {
		t.Errorf("it does not say what it does:\n%s", &out)
	}
}

func TestAParticipantStandsWhatComes(t *testing.T) {
	t.Parallel()
	step := request{service: "hotels", branch: "h:1:7/1", input: map[string]any{"nights": 2.0}}
	undo, other := step, step
	undo.undo, other.branch = true, "h:1:7/2"
	for _, tt := range []struct {
		name   string
		asked  []request
		status []int
		booked int
	}{
		{"twice", []request{step, step}, []int{200, 200}, 1},
		{"two steps", []request{step, other}, []int{200, 200}, 2},
		{"undone twice", []request{step, undo, undo}, []int{200, 200, 200}, 0},
		{"undone before it comes", []request{undo, step, undo}, []int{200, 409, 200}, 0},
		{"again after it was undone", []request{step, undo, step}, []int{200, 200, 409}, 0},
		{"another one stays", []request{step, other, undo}, []int{200, 200, 200}, 1},
	} {
		p := newParticipant()
		var first map[string]any
		for i, r := range tt.asked {
			out := p.handle(r)
			if out.status != tt.status[i] {
				t.Errorf("%s: request %d is answered %d, want %d", tt.name, i+1, out.status, tt.status[i])
			}
			if i == 0 {
				first = out.body
			} else if tt.name == "twice" && out.body["id"] != first["id"] {
				t.Errorf("%s: another answer: %v, then %v", tt.name, first, out.body)
			}
		}
		if n, _ := p.held(); n != tt.booked {
			t.Errorf("%s: %d are booked, want %d", tt.name, n, tt.booked)
		}
	}
}

func TestParticipantsAreReachedByHTTP(t *testing.T) {
	t.Parallel()
	p := newParticipant()
	p.faults["cars"] = &fault{lose: 1}
	server := httptest.NewServer(p)
	defer server.Close()
	ask := func(method, path, operation string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(`{"days":2}`))
		if err != nil {
			t.Fatal(err)
		}
		if operation != "" {
			req.Header.Set("Concord-Xid", "h:1:7")
			req.Header.Set("Concord-Branch", "1")
			req.Header.Set("Concord-Operation", operation)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	var log bytes.Buffer
	p.log = &log
	for i, tt := range []struct {
		method, path, operation string
		status                  int
	}{
		{"POST", "/cars", "", 400},
		{"POST", "/planes", "forward", 404},
		{"POST", "/cars", "forward", 0}, // done, and the answer is lost
		{"POST", "/cars", "forward", 200},
		{"DELETE", "/cars/70", "compensate", 200},
		{"POST", "/cars", "forward", 409},
	} {
		if got := ask(tt.method, tt.path, tt.operation); got != tt.status {
			t.Errorf("request %d: %d, want %d", i+1, got, tt.status)
		}
	}
	if got := log.String(); strings.Count(got, "booked") != 1 || strings.Count(got, "cancelled") != 1 {
		t.Errorf("told:\n%s", got)
	}
	var out bytes.Buffer
	p.print(&out)
	if !strings.Contains(out.String(), "cancelled") || !strings.Contains(out.String(), "Nothing is left behind.") {
		t.Error(out.String())
	}
}

func TestWrongCommandLinesSayWhatThereIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"travle"}, "did you mean travel?"},
		{[]string{"x"}, "a purchase that people approve"},
		{[]string{"travel", "loop"}, "name one example"},
		{[]string{"--refuse", "a"}, "name one example"},
		{[]string{"travel", "--refuse", "hotl"}, "did you mean hotel?"},
		{[]string{"travel", "--lose", "moon"}, "it has flight, hotel, car, pay"},
		{[]string{"loop", "--refuse", "report"}, "has no participant that could fail: it is a message"},
		{[]string{"approval", "--lose", "manager"}, "it is an approval"},
		{[]string{"travel", "--what"}, "unknown flag"},
	} {
		err := run(context.Background(), tt.args, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
	var out bytes.Buffer
	if err := run(context.Background(), nil, &out); err != nil || !strings.Contains(out.String(), "--silence") {
		t.Errorf("%v %s", err, &out)
	}
}

// TestExamplesAreAllListed: each definition in the folder is an example with an input.
func TestExamplesAreAllListed(t *testing.T) {
	t.Parallel()
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range entries {
		if name, is := strings.CutSuffix(entry.Name(), ".yaml"); is {
			found++
			if e, err := find(name); err != nil || text(name+".json") == "" {
				t.Errorf("%s: %v %v", name, e, err)
			}
			for _, s := range parse(name).Steps {
				if s.Kind == definition.KindCall && stepService(s) == "" {
					t.Errorf("%s: nobody does step %s", name, s.ID)
				}
			}
		}
	}
	if found != len(examples) {
		t.Errorf("%d definitions, %d examples", found, len(examples))
	}
}

// TestTheProgramIsFoundFromElsewhere: commands are run in a directory of their own, where a relative path is nothing.
func TestTheProgramIsFoundFromElsewhere(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"bin/concord": filepath.Join(here, "bin/concord"), "/opt/concord": "/opt/concord", "concord": "concord", "": "",
	} {
		if got, err := found(given); got != want || err != nil {
			t.Errorf("%q is %q, want %q: %v", given, got, want, err)
		}
	}
}

// TestALineOfABookingFits on a terminal of 80 letters.
func TestALineOfABookingFits(t *testing.T) {
	t.Parallel()
	var line strings.Builder
	about := describe(map[string]any{"text": strings.Repeat("x", 99)})
	b := booking{service: "budget-reserve", id: "B-1000", state: never, about: about}
	b.print(&line)
	if n := utf8.RuneCountInString(strings.TrimSpace(line.String())) + 2; n != 80 {
		t.Errorf("it has %d letters: %s", n, line.String())
	}
}
