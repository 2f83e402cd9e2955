//go:build parts

package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the top of the module, from this folder.
const root = "../.."

// until polls until ok says so, and fails with what it says last.
func until(t testing.TB, within time.Duration, what string, ok func() error) {
	t.Helper()
	if err := poll(within, ok); err != nil {
		t.Fatalf("%s: not within %v: %v", what, within, err)
	}
}

// poll asks every tenth of a second until ok returns nil, and returns what it says last.
func poll(within time.Duration, ok func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ok()
		if err == nil || errors.Is(err, errHopeless) || time.Now().After(deadline) {
			return err
		}
		pass(100 * time.Millisecond)
	}
}

// errHopeless has poll give up at once.
var errHopeless = errors.New("it cannot get better")

// pass lets time pass: a fault lasts, clients work.
func pass(d time.Duration) { <-time.After(d) }

// together does things at the same time and fails with what went wrong.
func together(t testing.TB, all ...func() error) {
	t.Helper()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, do := range all {
		wg.Go(func() { errs[i] = do() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// cleaner ends what was started, last first, when the test ends and when the process is told to end.
type cleaner struct {
	// ending is held while things are ended, so that whoever comes second does not let the process end before the first
	// is done. It is taken before mu.
	ending sync.Mutex
	mu     sync.Mutex
	all    []func()
	ended  bool
}

// add has end called in the end. If that has been already, the process was told to end: what has just been started is
// ended, and nothing more is.
func (c *cleaner) add(end func()) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		end()
		select {}
	}
	defer c.mu.Unlock()
	c.all = append(c.all, end)
}

func (c *cleaner) run() {
	c.ending.Lock()
	defer c.ending.Unlock()
	c.mu.Lock()
	all := c.all
	c.all, c.ended = nil, true
	c.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
}

// script runs one of the scripts that start and stop parts.
func script(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := runScript(name, args...); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func runScript(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root, ".ci/parts", name), args...)
	// Servers that a script leaves behind keep its output open, so it goes to a file.
	out, err := os.CreateTemp("", "script")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(out.Name()); _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	// The storm of half messages needs more than the script's smallest broker has.
	cmd.Env = append(os.Environ(), "ROCKETMQ_BROKER_OPTS=-Xmx256m")
	err = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	return string(text), err
}

// fileText is the content of a small file.
func fileText(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// freePort finds a port below those that the kernel hands out, so that no client can be given it while its server is
// down.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 5000 + rand.IntN(5000)
		l, err := net.Listen("tcp", local(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("there is no free port")
	return 0
}

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// mariadb is a private database server that can be killed and started again on the same port and data.
type mariadb struct {
	dir  string
	port int
	args []string
}

func startMariaDB(c *cleaner, dir string) (*mariadb, error) {
	c.add(func() { _, _ = runScript("mariadb.sh", "stop", dir) })
	if out, err := runScript("mariadb.sh", "start", dir); err != nil {
		return nil, fmt.Errorf("mariadb.sh: %w: %s", err, out)
	}
	port, err := readPort(filepath.Join(dir, "port"))
	if err != nil {
		return nil, err
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline")
	if err != nil {
		return nil, err
	}
	return &mariadb{dir: dir, port: port, args: strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")}, nil
}

// readPort reads a port that a script has written.
func readPort(path string) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

func (m *mariadb) dsn(name string) string {
	return fmt.Sprintf("root@tcp(%s)/%s", local(m.port), name)
}

// kill ends the server as a crash does, or in the orderly way, and returns when it is gone.
func (m *mariadb) kill(t testing.TB, signal syscall.Signal) {
	t.Helper()
	pid, err := strconv.Atoi(fileText(t, filepath.Join(m.dir, "pid")))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "the end of MariaDB", func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
}

// run starts the server again as it was.
func (m *mariadb) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command(m.args[0], m.args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	if err := os.WriteFile(filepath.Join(m.dir, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, 60*time.Second, "MariaDB", func() error {
		conn, err := net.DialTimeout("tcp", local(m.port), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// node is one concord process. It keeps its ports, so that it can be killed and started again.
type node struct {
	id       string
	tc, http int
	cage     *cage    // nil: it runs in the machine's own network
	args     []string // without --tc
	env      []string
	log      string
	cmd      *exec.Cmd
	done     chan struct{}
}

// start starts the process; ready waits for it.
func (n *node) start(t testing.TB, c *cleaner) {
	t.Helper()
	args := append(slices.Clone(n.args), "--tc", local(n.tc))
	if n.cage != nil {
		args = append([]string{"ip", "netns", "exec", n.cage.name}, args...)
	}
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(args[0], args[1:]...)
	n.cmd.Stdout, n.cmd.Stderr, n.cmd.Env = out, out, n.env
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, cmd := make(chan struct{}), n.cmd
	n.done = done
	go func() {
		defer close(done)
		_ = cmd.Wait()
		_ = out.Close()
	}()
	if n.cage != nil {
		n.cage.expose(done, n.tc, n.http)
	}
	c.add(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		<-done
	})
}

// ready waits until the node says that it is.
func (n *node) ready(t testing.TB, within time.Duration) {
	t.Helper()
	until(t, within, "node "+n.id+" is ready; its log is "+n.log, func() error {
		select {
		case <-n.done:
			return fmt.Errorf("%w: it has ended: %s", errHopeless, tail(n.log))
		default:
		}
		_, err := n.get("/readyz")
		return err
	})
}

// get asks the node's HTTP server.
func (n *node) get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local(n.http)+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of node %s: %s: %s", path, n.id, res.Status, bytes.TrimSpace(body))
	}
	return body, err
}

func (n *node) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process as a crash does.
func (n *node) kill(t testing.TB) {
	t.Helper()
	n.signal(t, syscall.SIGKILL)
	<-n.done
}

// stop ends the process in the orderly way.
func (n *node) stop(t testing.TB) {
	t.Helper()
	n.signal(t, syscall.SIGTERM)
	select {
	case <-n.done:
	case <-time.After(40 * time.Second):
		t.Fatalf("node %s did not end within 40 s of SIGTERM: %s", n.id, tail(n.log))
	}
}

// condition is what one would look at first if the node does not do what it should.
func (n *node) condition() string {
	ready, err := n.get("/readyz")
	return fmt.Sprintf("node %s: %s %v; its log:\n%s", n.id, bytes.TrimSpace(ready), err, tail(n.log))
}

// tail is the end of a log.
func tail(path string) string {
	raw, _ := os.ReadFile(path)
	lines := strings.Split(string(raw), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
