package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// coordinator is one that this program has started.
type coordinator struct {
	cmd        *exec.Cmd
	dir        string
	ended      chan struct{}
	seata, api string
}

// startCoordinator starts a coordinator in development mode on free ports, with a directory of its own that is removed
// with it. program may be empty: then it is built from the sources.
func startCoordinator(ctx context.Context, program string) (*coordinator, error) {
	dir, err := os.MkdirTemp("", "concord-shop-")
	if err != nil {
		return nil, err
	}
	c := &coordinator{dir: dir, ended: make(chan struct{})}
	if program == "" {
		program = filepath.Join(dir, "concord")
		build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/concord-tx/concord/cmd/concord")
		if text, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build the coordinator, or name it with --concord: %w\n%s", err, text),
				os.RemoveAll(dir))
		}
	}
	c.cmd = exec.Command(program, "serve", "--dev", "--data", filepath.Join(dir, "data"), "--tc", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--log-format", "json", "--retry-max", "2s")
	c.cmd.Env = environ()
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal for this program is not for the coordinator
	log, err := c.cmd.StderrPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the coordinator: %w", err), os.RemoveAll(dir))
	}
	var said bytes.Buffer
	ready := make(chan struct{})
	go func() {
		defer close(c.ended)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct{ Msg, Seata, HTTP string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "concord is ready" && c.seata == "" {
				c.seata, c.api = line.Seata, "http://"+line.HTTP
				close(ready)
			}
			if said.Len() < 1<<16 {
				said.Write(append(lines.Bytes(), '\n'))
			}
		}
		_ = c.cmd.Wait()
	}()
	select {
	case <-ready:
		return c, nil
	case <-c.ended:
		return nil, errors.Join(fmt.Errorf("the coordinator has ended:\n%s", &said), os.RemoveAll(dir))
	case <-ctx.Done():
		c.stop()
		return nil, ctx.Err()
	}
}

// environ is the environment without settings of Concord, which the server would take for its own.
func environ() (all []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CONCORD_") {
			all = append(all, v)
		}
	}
	return all
}

func (c *coordinator) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.ended
	_ = os.RemoveAll(c.dir)
}
