package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The exit codes of `concord saga start --wait`.
const (
	exitDone        = 0
	exitFailure     = 1
	exitCompensated = 3
)

// participantsDefault is where the definitions of this folder look for the participants.
const participantsDefault = "127.0.0.1:9000"

// stage is where examples are played: a coordinator, and a folder for its data and for definitions.
type stage struct {
	concord string // the program
	server  string
	dir     string
	child   *exec.Cmd // the coordinator, nil if it ran before
	ended   chan struct{}
	// http and tc are its addresses, the same after a restart.
	http, tc string
	host     *host // of the participants, nil before the first run
}

// host is where participants are reached. Each run has participants of its own.
type host struct {
	server  *http.Server
	address string
	current atomic.Pointer[participant]
}

// ServeHTTP implements http.Handler.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.current.Load().ServeHTTP(w, r) }

// newHost listens for participants.
func newHost(address string, p *participant, out io.Writer) (*host, error) {
	l, err := listen(address, out)
	if err != nil {
		return nil, err
	}
	h := &host{address: l.Addr().String()}
	h.current.Store(p)
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = h.server.Serve(l) }()
	return h, nil
}

// newStage starts a coordinator unless one runs.
func newStage(ctx context.Context, o options, out io.Writer) (*stage, error) {
	dir, err := os.MkdirTemp("", "concord-sagas-")
	if err != nil {
		return nil, err
	}
	s := &stage{
		concord: o.concord, server: strings.TrimSuffix(o.server, "/"), dir: dir, http: "127.0.0.1:0", tc: "127.0.0.1:0",
	}
	if s.concord, err = found(s.concord); err != nil {
		s.close()
		return nil, err
	}
	if s.concord == "" {
		if s.concord, err = build(ctx, out); err != nil {
			s.close()
			return nil, err
		}
	}
	if s.server == "" {
		if err := s.start(ctx); err != nil {
			s.close()
			return nil, err
		}
		_, _ = fmt.Fprintf(out, "A coordinator is started at %s. It ends with this program.\n", s.server)
	}
	return s, nil
}

// found makes a path as seen from here one that is true elsewhere, too: commands are run in a directory of their own.
func found(program string) (string, error) {
	if !strings.ContainsRune(program, filepath.Separator) {
		return program, nil // none, or one to be looked for where programs are
	}
	return filepath.Abs(program)
}

// build builds the program from the sources, as `make build` does. Nothing is done if it is fresh.
func build(ctx context.Context, out io.Writer) (string, error) {
	const module = "github.com/concord-tx/concord"
	root, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Module.Dir}}", module+"/cmd/concord").Output()
	if err != nil {
		return "", errors.New("bin/concord cannot be built here; name the program with --concord")
	}
	path := filepath.Join(strings.TrimSpace(string(root)), "bin", "concord")
	if _, err := os.Stat(path); err != nil {
		_, _ = fmt.Fprintln(out, "Building bin/concord, which takes a minute or two the first time.")
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, module+"/cmd/concord")
	cmd.Dir, cmd.Env = strings.TrimSpace(string(root)), append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bin/concord: %w\n%s", err, text)
	}
	return path, nil
}

// start starts a coordinator on free ports and waits until it is ready.
func (s *stage) start(ctx context.Context) error {
	// Delays are short, so that nobody has to wait for an example; without these flags they are those of production.
	s.child = exec.Command(s.concord, "serve", "--dev", "--data", filepath.Join(s.dir, "data"), "--tc", s.tc,
		"--http", s.http, "--retry-first", "100ms", "--retry-max", "1s", "--retry-attempts", "4",
		"--retry-answer", "3s", "--callback-timeout", "2s")
	s.child.Env = environ()
	// A signal for this program is not for the coordinator: the participants finish first.
	s.child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := s.child.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.child.Start(); err != nil {
		s.child = nil
		return fmt.Errorf("start the coordinator: %w", err)
	}
	s.ended = make(chan struct{})
	ready := make(chan [2]string, 1)
	var said bytes.Buffer
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct{ Msg, HTTP, Seata string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "concord is ready" {
				ready <- [2]string{line.HTTP, line.Seata}
			}
			if said.Len() < 1<<16 {
				said.Write(append(lines.Bytes(), '\n'))
			}
		}
		_ = s.child.Wait()
	}()
	select {
	case addresses := <-ready:
		s.http, s.tc = addresses[0], addresses[1]
		if s.server == "" { // others read it while it is started again
			s.server = "http://" + s.http
		}
		return nil
	case <-s.ended:
		return fmt.Errorf("the coordinator has ended:\n%s", &said)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// restart kills the coordinator as a power failure would, and starts it again.
func (s *stage) restart(ctx context.Context, out io.Writer) error {
	if err := s.child.Process.Kill(); err != nil {
		return err
	}
	<-s.ended
	_, _ = fmt.Fprintln(out, "\nThe coordinator is killed with -9, and started again.")
	return s.start(ctx)
}

// environ is the environment without what is meant for the command line: the server refuses settings that it does not
// know.
func environ() (all []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CONCORD_") {
			all = append(all, v)
		}
	}
	return all
}

// close ends what was started.
func (s *stage) close() {
	if s.host != nil {
		_ = s.host.server.Close()
	}
	if s.child != nil {
		_ = s.child.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			_ = s.child.Process.Kill()
			<-s.ended
		}
	}
	_ = os.RemoveAll(s.dir)
}

// played is how a run has ended.
type played struct {
	code         int // of `concord saga start --wait`
	xid          string
	participants *participant
}

// play publishes the definitions of an example, starts a run, and sees it to its end.
func (s *stage) play(ctx context.Context, e *example, o options, out io.Writer) (*played, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out = &together{w: out} // the worker and people write as well
	p := newParticipant()
	p.pace = o.pace
	var err error
	if p.faults, err = e.faults(&o); err != nil {
		return nil, err
	}
	if s.host == nil {
		if s.host, err = newHost(o.participants, p, out); err != nil {
			return nil, err
		}
	}
	s.host.current.Store(p)
	if tasks := e.tasks(); len(tasks) > 0 {
		w := &worker{server: s.server, token: os.Getenv("CONCORD_TOKEN"), tasks: tasks, does: p}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.run(ctx, func(err error) { _, _ = fmt.Fprintln(out, "worker:", err) })
		}()
		defer func() { stop(); <-ended }()
	}
	end := &played{participants: p}
	var restarted <-chan struct{}
	if o.kill {
		restarted = s.killInTheMiddle(ctx, p, out)
		defer func() { stop(); <-restarted }()
	}
	if err := s.publish(ctx, e, s.host.address, out); err != nil {
		return nil, err
	}
	input := cmp.Or(o.input, strings.Join(strings.Fields(text(e.name+".json")), " "))
	key := fmt.Sprintf("example-%d", time.Now().UnixMilli())
	args := []string{"saga", "start", e.definition().Name, "--key", key, "--input", input}
	if !e.waits() {
		args = append(args, "--wait")
	}
	code, xid, err := s.run(ctx, out, args...)
	if code == exitFailure && o.kill {
		// It was killed before the answer came. With the key, the same command finds the run, or starts it.
		<-restarted
		code, xid, err = s.run(ctx, out, args...)
	}
	if !e.waits() {
		end.code, end.xid = code, xid
		return end, err
	}
	if err != nil || code != 0 {
		return nil, fmt.Errorf("the run is not started (exit code %d): %w", code, err)
	}
	people := make(chan struct{})
	go func() {
		defer close(people)
		s.answer(ctx, e, &o, xid, out)
	}()
	end.code, _, err = s.run(ctx, out, "saga", "run", xid, "--follow")
	end.xid = xid
	stop()
	<-people
	return end, err
}

// killInTheMiddle restarts the coordinator when the second step is done. The channel is closed when it runs again.
func (s *stage) killInTheMiddle(ctx context.Context, p *participant, out io.Writer) <-chan struct{} {
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		select {
		case <-p.second:
			if err := s.restart(ctx, out); err != nil {
				_, _ = fmt.Fprintln(out, err)
			}
		case <-ctx.Done():
		}
	}()
	return restarted
}

// listen opens the address of the participants, or another one if it is taken.
func listen(address string, out io.Writer) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && address == participantsDefault {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			_, _ = fmt.Fprintf(out, "%s is taken, so the participants listen on %s.\n", address, l.Addr())
		}
	}
	return l, err
}

// publish publishes the definitions, which call the participants where they are.
func (s *stage) publish(ctx context.Context, e *example, participants string, out io.Writer) error {
	args := []string{"saga", "publish"}
	for _, name := range append(slices.Clone(e.subs), e.name) {
		file := name + ".yaml"
		body := strings.ReplaceAll(text(file), participantsDefault, participants)
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(body), 0o600); err != nil {
			return err
		}
		args = append(args, file)
	}
	code, _, err := s.run(ctx, out, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s is not published (exit code %d)", e.name, code)
	}
	return err
}

// run prints a command line and carries it out. It returns the exit code and the first word of what it says.
func (s *stage) run(ctx context.Context, out io.Writer, args ...string) (code int, word string, err error) {
	var line strings.Builder
	for _, arg := range args {
		line.WriteByte(' ')
		if strings.ContainsAny(arg, " {}\"*") {
			arg = "'" + arg + "'"
		}
		line.WriteString(arg)
	}
	_, _ = fmt.Fprintf(out, "\n$ concord%s\n", &line)
	cmd := exec.CommandContext(ctx, s.concord, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "CONCORD_SERVER="+s.server)
	var first bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &first), out
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		code, err = exit.ExitCode(), nil
	}
	if words := strings.Fields(first.String()); len(words) > 0 {
		word = words[0]
	}
	return code, word, err
}

// answer does what people do: it approves or rejects, and tells that something has come.
func (s *stage) answer(ctx context.Context, e *example, o *options, xid string, out io.Writer) {
	asks := &worker{server: s.server, token: os.Getenv("CONCORD_TOKEN")}
	answered := map[string]bool{}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		var run struct {
			Waits []struct{ Step, Kind, Name string }
		}
		if err := asks.get(ctx, "/sagas/runs/"+url.PathEscape(xid), &run); err != nil {
			continue // it is asked again
		}
		for _, w := range run.Waits {
			if answered[w.Step] {
				continue
			}
			args := []string{"saga", "signal", xid, w.Name, "--data", `{"complete":true}`}
			if e.approval(w.Step) {
				args = []string{"saga", "approve", xid, w.Step, "--comment", "looks useful"}
				if slices.Contains(o.refuse, w.Step) {
					args = []string{"saga", "reject", xid, w.Step, "--comment", "too expensive"}
				}
			}
			if code, _, err := s.run(ctx, out, args...); err == nil && code == 0 {
				answered[w.Step] = true
			}
		}
	}
}

// together is a writer that several may use.
type together struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (t *together) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}
