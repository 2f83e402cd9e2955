package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

// beConsumer makes the test binary be the example: a process of its own that can be killed.
const beConsumer = "EXAMPLE_BE_CONSUMER"

func TestMain(m *testing.M) {
	if os.Getenv(beConsumer) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const patience = 60 * time.Second

// process is a program that runs, and what it has written.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	lines []string
}

// launch starts a program; both of its outputs are kept.
func launch(t *testing.T, environ []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	reader, writer := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		_ = writer.Close()
	}()
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(reader)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends this process a signal and waits for its end.
func (p *process) end(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.ended
}

// count returns how many lines begin with the text.
func (p *process) count(prefix string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// until waits for a condition.
func until(t *testing.T, what string, met func() bool, of ...*process) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !met() {
		if time.Now().After(deadline) {
			for _, p := range of {
				t.Logf("%s said:\n%s", p.cmd.Path, p.output())
			}
			t.Fatalf("never: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// scene is a coordinator and the state of one consumer.
type scene struct {
	t                    *testing.T
	concord, data, store string
	coordinator          *process
	api                  string
	want                 map[string]int64 // points by customer
}

func setup(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, concord: clienttest.Build(t), data: t.TempDir(), store: t.TempDir(), want: map[string]int64{}}
	s.start()
	return s
}

// start runs a coordinator on the data directory.
func (s *scene) start() {
	s.t.Helper()
	s.coordinator = launch(s.t, nil, s.concord, "serve", "--dev", "--data", s.data, "--tc", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--log-format", "json")
	until(s.t, "the coordinator is ready", func() bool {
		for line := range strings.Lines(s.coordinator.output()) {
			var l struct{ Msg, HTTP string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "concord is ready" {
				s.api = "http://" + l.HTTP
				return true
			}
		}
		return false
	}, s.coordinator)
}

// call asks the API and returns the answer.
func (s *scene) call(method, path, body string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %v %s", method, path, resp.StatusCode, err, text)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return out
}

// buy makes a transaction with an order and ends it.
func (s *scene) buy(customer string, points int64, outcome string) {
	s.t.Helper()
	id := s.call("POST", "/transactions", `{"application":"shop","name":"buy"}`)["id"]
	payload, err := json.Marshal(order{Customer: customer, Points: points})
	if err != nil {
		s.t.Fatal(err)
	}
	s.call("POST", fmt.Sprintf("/transactions/%s/branches", id),
		fmt.Sprintf(`{"kind":"topic","topic":%q,"payload":%q}`, resourcePoints, payload))
	s.call("POST", fmt.Sprintf("/transactions/%s/%s", id, outcome), `{"waitMs":0}`)
	if outcome == "commit" {
		s.want[customer] += points
	}
}

// consumer starts the example.
func (s *scene) consumer(args ...string) *process {
	s.t.Helper()
	args = append([]string{"--data", s.store, "--concord", s.api}, args...)
	return launch(s.t, []string{beConsumer + "=1"}, os.Args[0], args...)
}

// left returns how many entries the group has not settled.
func (s *scene) left() int {
	g := s.call("GET", "/events/groups/points", "")
	return int(g["end"].(float64) - g["offset"].(float64))
}

// check compares the points with what was bought.
func (s *scene) check() {
	s.t.Helper()
	p := s.consumer("--print")
	<-p.ended
	var want []string
	for customer, points := range s.want {
		want = append(want, fmt.Sprintf("%s %d", customer, points))
	}
	slices.Sort(want)
	if got := p.output(); got != strings.Join(want, "\n") {
		s.t.Errorf("points:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestEffectsHappenOnce kills the consumer with -9 between effects and acknowledgement, and the coordinator too, so
// that everything that was not acknowledged comes again.
func TestEffectsHappenOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	again := 0
	for round := range 3 {
		for i := range 10 {
			s.buy(fmt.Sprintf("customer%d", i%3), int64(1+round*10+i), "commit")
		}
		s.buy("nobody", 1000, "rollback")
		before := 0
		p := s.consumer("--ack-delay", "1h")
		// Everything that waits is applied at once, or in two batches if the first came early.
		until(t, "an effect", func() bool { before = p.count("applied "); return before > 0 }, p, s.coordinator)
		p.end(syscall.SIGKILL)
		if left := s.left(); left < before {
			t.Fatalf("%d entries are left after %d effects without an acknowledgement", left, before)
		}
		again += before
		s.coordinator.end(syscall.SIGKILL)
		s.start()
	}
	for i := range 10 {
		s.buy("late", int64(i), "commit")
	}
	p := s.consumer()
	until(t, "everything is acknowledged", func() bool { return s.left() == 0 }, p, s.coordinator)
	p.end(syscall.SIGTERM)
	s.check()
	if again < 3 {
		t.Errorf("only %d events came again: the test has not tested much", again)
	}
}

func TestLedgerKnowsWhatItHasApplied(t *testing.T) {
	t.Parallel()
	l, err := openLedger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}()
	one := func(id, kind, data string) string {
		text, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"source":"/concord","id":%q,"type":%q,"data":{"branches":[{"resource":"points","data":%s},`+
			`{"resource":"other","data":"x"}]}}`, id, kind, text)
	}
	const ann = `{"customer":"ann","points":5}`
	for _, c := range []struct {
		body string
		new  int
	}{
		{"[" + one("1", typeCommit, ann) + "," + one("1", typeCommit, ann) + "]", 1},
		{"[" + one("1", typeCommit, ann) + "]", 0},
		{"[" + one("2", "io.concord.decision.rollback", ann) + "]", 1},
		{"[" + one("3", typeCommit, "nonsense") + "]", 1},
		{"nonsense", 0},
		{`[{"id":"4"},17]`, 0},
		{"[]", 0},
		{"[" + one("5", typeCommit, ann) + "]", 1},
	} {
		applied, err := l.apply([]byte(c.body))
		if err != nil || len(applied) != c.new {
			t.Errorf("%s: applied %v, %v", c.body, applied, err)
		}
	}
	bad := 0
	if err := l.each(spaceBad, func(string, []byte) { bad++ }); err != nil || bad != 4 {
		t.Errorf("%d were put aside, %v", bad, err)
	}
	var out bytes.Buffer
	if err := printPoints(l, &out); err != nil || out.String() != "ann 10\n" {
		t.Errorf("%q %v", out.String(), err)
	}
	if err := l.forget(time.Now().Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if again, err := l.apply([]byte("[" + one("1", typeCommit, ann) + "]")); err != nil || len(again) != 0 {
		t.Errorf("forgot too much: %v %v", again, err)
	}
	if err := l.forget(time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if again, err := l.apply([]byte("[" + one("1", typeCommit, ann) + "]")); err != nil || len(again) != 1 {
		t.Errorf("what was forgotten is known: %v %v", again, err)
	}
}
