package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a coordinator process under test.
type server struct {
	name       string
	durability string // the label of everything measured on it
	tc, http   string // addresses; http is "" if it has none that the driver understands
	dir        string
	command    *exec.Cmd
	exited     chan error
	log        string
	start      func(s *server) *exec.Cmd
	ready      func(ctx context.Context, s *server) error
	pinTo      int
	forgets    bool // answers Finished for what has ended

	// Of a cluster: the other nodes, what they all need, and who reads their topic.
	peers    []*server
	parts    *parts
	consumer *consumption
}

// tmpfs is what fileSystem calls memory.
const tmpfs = "tmpfs"

// startConcord starts the binary with a fresh directory under o.dir.
func startConcord(ctx context.Context, o options) (*server, error) {
	s := &server{name: "concord", durability: syncing(o.dir), pinTo: o.pinServer}
	s.start = func(s *server) *exec.Cmd {
		args := []string{"serve", "--data", filepath.Join(s.dir, "data"), "--tc", s.tc, "--http", s.http, "--dev"}
		return exec.Command(o.concord, append(args, strings.Fields(o.serverFlags)...)...)
	}
	s.ready = readyHTTP
	if err := s.prepare(o.dir); err != nil {
		return nil, err
	}
	return s, s.launch(ctx)
}

// syncing is the durability of a server that syncs its files, which are below a directory.
func syncing(dir string) string {
	if fileSystem(dir) == tmpfs {
		return "none (tmpfs)"
	}
	return "fsync"
}

func readyHTTP(ctx context.Context, s *server) error {
	_, err := get(ctx, "http://"+s.http+"/readyz")
	return err
}

// nodes are all processes that clients may connect to.
func (s *server) nodes() []*server { return append([]*server{s}, s.peers...) }

// addresses are where Seata clients connect.
func (s *server) addresses() (all []string) {
	for _, n := range s.nodes() {
		all = append(all, n.tc)
	}
	return all
}

// usage adds up what the nodes have used.
func (s *server) usage() (sum usage, err error) {
	for _, n := range s.nodes() {
		u, err := readUsage(n.pid())
		if err != nil {
			return sum, err
		}
		sum.CPU += u.CPU
		sum.RSSBytes += u.RSSBytes
		sum.WriteBytes += u.WriteBytes
		sum.WriteCalls += u.WriteCalls
	}
	return sum, nil
}

// prepare makes the directory and chooses ports.
func (s *server) prepare(parent string) error {
	dir, err := os.MkdirTemp(parent, "bench-"+s.name+"-")
	if err != nil {
		return err
	}
	s.dir = dir
	s.log = filepath.Join(dir, "server.log")
	for _, address := range []*string{&s.tc, &s.http} {
		if *address, err = freePort(); err != nil {
			return err
		}
	}
	return nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// readyWait bounds a start; recovery of a million live transactions is inside it.
const readyWait = 2 * time.Minute

// launch starts the process and waits until it is ready.
func (s *server) launch(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	s.command = s.start(s)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.exited = make(chan error, 1)
	go func(c *exec.Cmd, exited chan error) { exited <- c.Wait() }(s.command, s.exited)
	if s.pinTo >= 0 {
		if err := pin(s.command.Process.Pid, s.pinTo); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		if s.ready(ctx, s) == nil {
			return nil
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("%s ended at its start (%w): %s", s.name, err, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time: %s", s.name, s.logTail())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *server) pid() int { return s.command.Process.Pid }

func (s *server) logTail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

const stopWait = 20 * time.Second

// kill ends the process as a crash would.
func (s *server) kill() error {
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

// close ends the process, and its peers, as an operator would, and removes its data.
func (s *server) close() error {
	var errs []error
	if s.consumer != nil {
		errs = append(errs, s.consumer.close())
	}
	for _, peer := range s.peers {
		errs = append(errs, peer.close())
	}
	if s.command != nil && s.command.Process != nil && s.exited != nil {
		_ = s.command.Process.Signal(os.Interrupt) // it may be gone already
		select {
		case <-s.exited:
		case <-time.After(stopWait):
			_ = s.command.Process.Kill() // it may be gone by now
			<-s.exited
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// buildConcord builds the binary of the working tree into dir.
func buildConcord(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "concord")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/concord-tx/concord/cmd/concord").
		CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build concord: %w: %s", err, out)
	}
	return path, nil
}
