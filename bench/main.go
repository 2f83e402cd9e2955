package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errCells says that the table above has the reasons.
var errCells = errors.New("some cells failed")

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	// The driver shares the machine with what it measures: memory is cheaper than collecting it.
	debug.SetGCPercent(800)
	if o.pinDriver >= 0 {
		if err := pin(os.Getpid(), o.pinDriver); err != nil {
			return err
		}
	}
	if o.concord == "" && o.seataClasspath == "" && (o.dtm == "" || o.suite == suitePeer) {
		dir, err := os.MkdirTemp(o.dir, "bench-build-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a left-over binary harms nobody
		if o.concord, err = buildConcord(ctx, dir); err != nil {
			return err
		}
	}
	out, err := openReport(o.json, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	o.machine = machineLine(o.dir)
	if err := out.say("%s", o.machine); err != nil {
		return err
	}
	s := suite{o: o, out: out, start: startConcord}
	if o.seataClasspath != "" {
		s.start = startSeata
	}
	if o.dtm != "" && o.suite != suitePeer {
		s.start = startDTM
	}
	if o.store == storeMySQL || o.suite == suiteCluster {
		on := &cluster{}
		s.start = on.start
		defer func() { err = errors.Join(err, on.close()) }()
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	if s.failed {
		return errCells
	}
	return nil
}
