package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

// rememberFor is how long the ids of applied events are kept: longer than Concord (store.retention) or a broker
// (fileReservedTime) keeps the events themselves.
const rememberFor = 30 * 24 * time.Hour

func run(args []string, out, errs io.Writer) (err error) {
	flags := flag.NewFlagSet("events", flag.ContinueOnError)
	flags.SetOutput(errs)
	data := flags.String("data", "./points", "directory of the ledger")
	server := flags.String("concord", "http://127.0.0.1:8088", "address of Concord's HTTP API")
	broker := flags.String("rocketmq", "", "read from this RocketMQ name server, HOST:PORT, instead of over HTTP")
	group := flags.String("group", "points", "consumer group")
	prefix := flags.String("topic-prefix", "concord", "prefix of the topics of decisions")
	ackDelay := flags.Duration("ack-delay", 0, "time between effect and acknowledgement, to try out crashes in between")
	show := flags.Bool("print", false, "print the points and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := openLedger(*data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if *show {
		return printPoints(l, out)
	}
	if err := l.forget(time.Now().Add(-rememberFor)); err != nil {
		return err
	}
	handle := func(batch []byte) error {
		applied, err := l.apply(batch)
		for _, id := range applied {
			_, _ = fmt.Fprintln(out, "applied", id)
		}
		return err
	}
	log := func(format string, args ...any) { _, _ = fmt.Fprintf(errs, format+"\n", args...) }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	topic := *prefix + "-commit"
	if *broker != "" {
		source := fromRocketMQ{nameServers: *broker, group: *group, topic: topic, ackDelay: *ackDelay}
		return source.run(ctx, handle, log)
	}
	source := fromHTTP{
		server: *server, group: *group, topic: topic, ackDelay: *ackDelay, client: &http.Client{Timeout: time.Minute},
	}
	source.run(ctx, handle, log)
	return nil
}

func printPoints(l *ledger, out io.Writer) error {
	all, err := l.points()
	for _, customer := range slices.Sorted(maps.Keys(all)) {
		_, _ = fmt.Fprintln(out, customer, all[customer])
	}
	return err
}
