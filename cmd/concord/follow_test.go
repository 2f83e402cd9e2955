package main

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// follows starts `concord decisions --follow` and returns its lines.
func (p *process) follows(args ...string) <-chan string {
	p.t.Helper()
	cmd := command(p.t.Context(), []string{"CONCORD_SERVER=http://" + p.http}, append([]string{"decisions"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
		_ = cmd.Wait()
	}()
	p.t.Cleanup(func() { end(cmd, lines) })
	return lines
}

// end kills a process that a test has started, and waits until its output ends.
func end(cmd *exec.Cmd, lines <-chan string) {
	_ = cmd.Process.Kill()
	for range lines {
	}
}

// awaitLine reads until a line has the text.
func awaitLine(t *testing.T, lines <-chan string, want string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, open := <-lines:
			if !open {
				t.Fatalf("it ended before %q came", want)
			}
			if strings.Contains(line, want) {
				return line
			}
		case <-late:
			t.Fatalf("%q never came", want)
		}
	}
}

// TestDecisionsAreFollowedFromTheCommandLine: from the oldest, and on when the server comes back.
func TestDecisionsAreFollowedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data, "--dev")
	decide := func(s *process, outcome string) string {
		xid := connect(t, s.tc).begin("buy", "")
		s.ok("tx", outcome, xid, "--yes", "--reason", "test", "--no-wait")
		return xid
	}
	first := decide(s, "rollback")
	table := s.follows("--follow", "--from", "oldest")
	raw := s.follows("-f", "--from", "oldest", "-o", "json", "--count", "1")
	contains(t, awaitLine(t, table, first), "rollback", "operator", "/buy")
	contains(t, awaitLine(t, raw, first), `{"specversion":"1.0"`)
	if line, open := <-raw; open {
		t.Errorf("more than one: %s", line)
	}
	contains(t, s.ok("decisions"), "--follow", "deadletters")
	if r := s.do("decisions", "--follow", "--from", "nowhere"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
	s.kill()
	s = start(t, data, "--dev", "--http", s.http)
	second := decide(s, "commit")
	if line := awaitLine(t, table, "/buy"); !strings.Contains(line, second) {
		t.Errorf("after the restart comes %q, want %s", line, second)
	}
}
