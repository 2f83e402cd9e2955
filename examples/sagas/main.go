package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are what the command line says.
type options struct {
	server, concord, participants, input string
	refuse, lose, silence                []string
	pace                                 time.Duration
	kill                                 bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sagas:", err)
		os.Exit(1)
	}
}

const usage = `Run an example of a saga:

  go run ./examples/sagas EXAMPLE [flags]

Examples:
%s
Flags:
%s
Try, for instance:

  go run ./examples/sagas travel --refuse car     # a step says no: the others are cancelled
  go run ./examples/sagas travel --lose hotel     # its answer is lost: it is asked again, and booked once
  go run ./examples/sagas travel --silence hotel  # nobody ever learns whether it is booked: it is cancelled, too
  go run ./examples/sagas travel --kill           # kill -9 of the coordinator in the middle: it goes on afterwards

With "participants" as the example, only the participants are started, and everything else is up to you:

  go run ./examples/sagas participants --server http://127.0.0.1:8088
`

// run carries out a command line.
func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := pflag.NewFlagSet("sagas", pflag.ContinueOnError)
	flags.Usage = func() {} // it comes with the error
	flags.SetOutput(out)
	flags.StringSliceVar(&o.refuse, "refuse", nil, "the step says no; an approval is rejected")
	flags.StringSliceVar(&o.lose, "lose", nil, "the step is done, but its first answer is lost")
	flags.StringSliceVar(&o.silence, "silence", nil, "the step is done, but nobody is ever told")
	flags.BoolVar(&o.kill, "kill", false, "the coordinator is killed with -9 in the middle, and started again")
	flags.StringVar(&o.input, "input", "", "the input as JSON; that of the example, if absent")
	flags.StringVar(&o.server, "server", "", "a coordinator that runs already; one is started, if absent")
	flags.StringVar(&o.concord, "concord", "", "the program; bin/concord, or built from the sources, if absent")
	flags.StringVar(&o.participants, "participants", participantsDefault, "where the participants listen")
	flags.DurationVar(&o.pace, "pace", 100*time.Millisecond, "how long the participants take, about")
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) || err == nil && len(args) == 0 {
		_, err = fmt.Fprintf(out, usage, listed(), flags.FlagUsages())
		return err
	}
	if err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("name one example; there are:\n%s", listed())
	}
	if flags.Arg(0) == "participants" {
		return o.serve(ctx, out)
	}
	e, err := find(flags.Arg(0))
	if err != nil {
		return err
	}
	if _, err := e.faults(&o); err != nil {
		return err
	}
	if o.kill && o.server != "" {
		return errors.New("--kill is for a coordinator that is started here; leave --server away")
	}
	s, err := newStage(ctx, o, out)
	if err != nil {
		return err
	}
	defer s.close()
	end, err := s.play(ctx, e, o, out)
	if err != nil {
		return err
	}
	end.participants.print(out)
	if end.code != exitDone && end.code != exitCompensated {
		return fmt.Errorf("the saga is neither done nor compensated (exit code %d)", end.code)
	}
	return nil
}

// serve runs the participants alone, and a worker if there is a coordinator, until ctx ends.
func (o *options) serve(ctx context.Context, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := newParticipant()
	p.pace, p.log = o.pace, &together{w: out}
	l, err := net.Listen("tcp", o.participants)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.log, "The participants listen on %s.\n", l.Addr())
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		if o.server == "" {
			return
		}
		w := &worker{server: strings.TrimSuffix(o.server, "/"), token: os.Getenv("CONCORD_TOKEN"), does: p}
		for i := range examples {
			w.tasks = append(w.tasks, examples[i].tasks()...)
		}
		w.run(ctx, func(err error) { _, _ = fmt.Fprintln(p.log, "worker:", err) })
	}()
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err = server.Serve(l); errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	stop()
	<-worked
	return err
}

// listed is the list of examples.
func listed() string {
	var b strings.Builder
	for _, e := range examples {
		fmt.Fprintf(&b, "  %-12s %s\n", e.name, e.what)
	}
	return b.String()
}
