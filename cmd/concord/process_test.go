package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// beConcord makes the test binary be the program: the very code under test, race detector included, as a process of
// its own that can be killed.
const beConcord = "E2E_BE_CONCORD"

func TestMain(m *testing.M) {
	if os.Getenv(beConcord) != "" {
		main()
		return
	}
	os.Exit(runTests(m))
}

// patience bounds every wait of these tests; none takes nearly as long on an idle machine.
const patience = 60 * time.Second

// command returns a command line of the program, with nothing in the environment but what is given.
func command(ctx context.Context, environ []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append([]string{beConcord + "=1", "PATH=" + os.Getenv("PATH")}, environ...)
	return cmd
}

// ran is what a command line did.
type ran struct {
	code        int
	out, errors string
}

// run carries out a command line and waits for its end.
func run(t *testing.T, environ []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, environ, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", args, err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// process is a running server.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	tc, http    string // addresses
	advertise   string
	mu          sync.Mutex
	log         bytes.Buffer
	exited      chan struct{}
	code        int
	exitedAfter time.Duration
}

// start runs a server on free ports and waits until it is ready.
func start(t *testing.T, data string, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "--data", data, "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)
	return launch(t, command(context.Background(), nil, args...))
}

// launch starts a command line that serves, and waits until it is ready.
func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, exited: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	ready := make(chan struct{})
	go p.read(stderr, ready)
	p.await(ready)
	return p
}

// await waits until the server is ready.
func (p *process) await(ready <-chan struct{}) {
	t := p.t
	t.Helper()
	select {
	case <-ready:
	case <-p.exited:
		t.Fatalf("the server ended with %d:\n%s", p.code, p.logs())
	case <-time.After(patience):
		t.Fatalf("the server is not ready:\n%s", p.logs())
	}
}

// read keeps the log until the process ends.
func (p *process) read(stderr io.Reader, ready chan<- struct{}) {
	p.keep(stderr, ready)
	_ = p.cmd.Wait()
	p.code = p.cmd.ProcessState.ExitCode()
	close(p.exited)
}

// keep keeps the log, and finds the addresses in it.
func (p *process) keep(stderr io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		var line struct{ Msg, Seata, HTTP, Advertise string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "concord is ready" {
			p.tc, p.http, p.advertise = line.Seata, line.HTTP, line.Advertise
			close(ready)
		}
	}
}

func (p *process) logs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// signal sends a signal to this process and no other.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the server does not end:\n%s", p.logs())
	}
	return p.code
}

// kill ends the process as a power failure would.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.exited
}

// do runs a command against the server.
func (p *process) do(args ...string) ran {
	p.t.Helper()
	return run(p.t, []string{"CONCORD_SERVER=http://" + p.http, "USER=kim"}, args...)
}

// ok runs a command that must succeed and returns its output.
func (p *process) ok(args ...string) string {
	p.t.Helper()
	r := p.do(args...)
	if r.code != exitOK {
		p.t.Fatalf("%v: exit code %d\n%s%s\n%s", args, r.code, r.out, r.errors, p.logs())
	}
	return r.out
}

// get asks the server over HTTP.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.http + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually runs a command until its output contains the text.
func (p *process) eventually(want string, args ...string) string {
	p.t.Helper()
	return p.until(want, func() string { return p.ok(args...) })
}

// until asks until the answer contains the text.
func (p *process) until(want string, ask func() string) string {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		out := ask()
		if strings.Contains(out, want) {
			return out
		}
		select {
		case <-deadline.C:
			p.t.Fatalf("%q never came; last:\n%s\n%s", want, out, p.logs())
		case <-tick.C:
		}
	}
}

// contains fails unless all texts are in got.
func contains(t *testing.T, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "concord.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
