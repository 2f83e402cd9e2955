package clienttest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build returns the path of a concord binary that is made from the sources as they are. All test processes share it,
// and whoever comes first builds it; each looks once.
func Build(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/concord-tx/concord").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	where := strings.TrimSpace(string(root))
	sum := sha256.Sum256([]byte(where))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("concord-clienttest-%d-%s", os.Getuid(), hex.EncodeToString(sum[:4])))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	path := filepath.Join(dir, "concord")
	build := exec.Command("go", "build", "-o", path, "./cmd/concord") // does nothing if it is fresh
	build.Dir = where
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build concord: %w\n%s", err, out)
	}
	return path, nil
})

// Process is a coordinator in a process of its own, with --dev and a data directory of its own.
type Process struct {
	// Seata is where Seata's clients connect, HTTP where the API is; both are HOST:PORT and survive Restart.
	Seata, HTTP string

	t    testing.TB
	path string
	dir  string
	args []string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	log   *tail
}

// Run starts a coordinator on free ports, with `concord serve --dev` and args behind it, and returns when it is ready.
// It is stopped when the test ends.
func Run(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, path: Build(t), dir: t.TempDir(), args: args, Seata: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	p.start()
	t.Cleanup(p.Stop)
	return p
}

// URL is the base of the HTTP API, as clients want it.
func (p *Process) URL() string { return "http://" + p.HTTP }

// Kill ends the process at once, as kill -9 does; it returns when it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop lets the process finish; it returns when it is gone. Stopping what does not run does nothing.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Restart starts it again on the same data and the same ports.
func (p *Process) Restart() {
	p.t.Helper()
	p.Kill()
	p.start()
}

func (p *Process) end(s syscall.Signal) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.ended:
	case <-time.After(Patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("the coordinator did not end after %v", s)
	}
	p.cmd = nil
}

func (p *Process) start() {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for over := time.Now().Add(Patience); !p.started(over); <-tick.C {
	}
}

// started starts the process, and reports false if it is to be tried again until a time: while it was gone somebody
// else may have got its port, as any test does that listens on a free one.
func (p *Process) started(over time.Time) bool {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	args := slices.Concat([]string{
		"serve", "--dev", "--data", filepath.Join(p.dir, "data"), "--tc", p.Seata, "--http", p.HTTP, "--log-format", "json",
	}, p.args)
	cmd := exec.Command(p.path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "CONCORD_") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal for the tests is not for it
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatalf("start the coordinator: %v", err)
	}
	ready, ended := make(chan readiness, 1), make(chan struct{})
	log := &tail{}
	go func() {
		defer close(ended)
		log.follow(out, ready)
		_ = cmd.Wait()
	}()
	select {
	case r := <-ready:
		p.Seata, p.HTTP, p.cmd, p.ended, p.log = r.Seata, r.HTTP, cmd, ended, log
	case <-ended:
		if strings.Contains(log.String(), "another process listens") && time.Now().Before(over) {
			return false
		}
		p.t.Fatalf("the coordinator ended:\n%s", log)
	case <-time.After(Patience):
		_ = cmd.Process.Kill()
		<-ended
		p.t.Fatalf("the coordinator is not ready:\n%s", log)
	}
	return true
}

// Log returns the last lines that the process has logged.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// readiness is what a coordinator logs when it is ready.
type readiness struct{ Msg, Seata, HTTP string }

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

// follow reads a log to its end.
func (l *tail) follow(log io.Reader, ready chan<- readiness) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r readiness
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Msg == "concord is ready" {
			ready <- r
		}
		l.mu.Lock()
		l.lines = append(l.lines[max(0, len(l.lines)-199):], lines.Text())
		l.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, log)
}

// String returns the lines.
func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
