package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are what the command line says.
type options struct {
	mode, seata, api, concord string
	dsn, prefix               string
	only, listen              string
	peers                     map[string]string
	load                      load
	kill                      time.Duration
	stay                      bool
	timeout                   time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := pflag.NewFlagSet("shop", pflag.ContinueOnError)
	f.SetOutput(out)
	f.SortFlags = false
	f.StringVar(&o.mode, "mode", "tcc", "how the services take part: at, xa, tcc or saga")
	f.StringVar(&o.dsn, "dsn", "", "of a MySQL or MariaDB server, for at and xa: 'root@tcp(127.0.0.1:3306)/'")
	f.IntVar(&o.load.orders, "orders", 0, "how many orders; 0: until it is interrupted")
	f.IntVar(&o.load.clerks, "clerks", 4, "how many orders at once")
	f.DurationVar(&o.load.pause, "pause", 200*time.Millisecond, "of each clerk between two orders")
	f.Float64Var(&o.load.refuse, "refuse", 0, "the share of orders that cannot be paid for, 0 to 1")
	f.Float64Var(&o.load.lose, "lose", 0, "the share of orders for which the account service's answer is lost, 0 to 1")
	f.DurationVar(&o.timeout, "timeout", patience, "how long an order may take before it is rolled back")
	f.DurationVar(&o.kill, "kill", 0, "how often a service is cut off and started again; 0: never")
	f.BoolVar(&o.stay, "stay", false, "go on until it is interrupted, when all orders are placed")
	f.StringVar(&o.seata, "seata", "", "HOST:PORT of coordinators that run already, with commas; else one is started")
	f.StringVar(&o.api, "api", "", "base URL of its API, http://HOST:PORT")
	f.StringVar(&o.concord, "concord", "", "the program to start; without it, it is built")
	f.StringVar(&o.prefix, "prefix", "", "of the names of databases; with --only they must be there")
	f.StringVar(&o.only, "only", "", "run this service and nothing else: order, stock or account")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "HOST:PORT of the service, with --only")
	f.StringToStringVar(&o.peers, "peers", nil, "base URLs of the others, with --only: stock=http://...,account=...")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag; see --help", f.Arg(0))
	case (o.seata == "") != (o.api == ""):
		return o, errors.New("--seata and --api belong together")
	case o.only != "" && (o.seata == "" || o.prefix == ""):
		return o, errors.New("--only wants --seata, --api and --prefix")
	case o.timeout <= 0:
		return o, errors.New("--timeout is not positive")
	case min(o.load.refuse, o.load.lose) < 0 || max(o.load.refuse, o.load.lose) > 1 || o.load.clerks < 1:
		return o, errors.New("shares are from 0 to 1, and there is at least one clerk")
	}
	return o, nil
}

// run carries out a command line. It writes to out what it does and what came of it, and to watch how far it is.
func run(ctx context.Context, args []string, out, watch io.Writer) (err error) {
	o, err := parse(args, out)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := modeOf(o.mode)
	if err != nil {
		return err
	}
	if m.sql && o.dsn == "" {
		return fmt.Errorf("--mode %s wants a database: --dsn 'root@tcp(127.0.0.1:3306)/'", o.mode)
	}
	if o.seata == "" {
		if o.concord == "" {
			_, _ = fmt.Fprintln(out, "Building a coordinator; the first time this takes a minute.")
		}
		_, _ = fmt.Fprintln(out, "Starting a coordinator.")
		c, err := startCoordinator(ctx, o.concord)
		if err != nil {
			return err
		}
		defer c.stop()
		o.seata, o.api = c.seata, c.api
	}
	created := o.prefix == ""
	if created {
		o.prefix = "concord_shop_" + strconv.FormatInt(time.Now().UnixMicro(), 36)
	}
	var d *databases
	if m.sql {
		if d, err = newDatabases(o.dsn, o.prefix); err != nil {
			return err
		}
		if created {
			if err := d.create(ctx); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.drop(context.WithoutCancel(ctx))) }()
		}
	}
	s := newShop(m, o.seata, o.api, d)
	s.patience = o.timeout
	if o.only != "" {
		return runOne(ctx, s, o, out)
	}
	return runAll(ctx, s, o, out, watch)
}

// runOne runs one service.
func runOne(ctx context.Context, s *shop, o options, out io.Writer) error {
	s.others = o.peers
	if err := s.start(ctx, map[string]string{o.only: o.listen}); err != nil {
		return err
	}
	defer s.stop()
	one := s.services[o.only]
	if one == nil {
		return fmt.Errorf("--only %q: there are order, stock and account", o.only)
	}
	_, _ = fmt.Fprintf(out, "ready %s\n", one.url())
	<-ctx.Done()
	return nil
}

// runAll runs the three services and their customers, and judges what came of it.
func runAll(ctx context.Context, s *shop, o options, out, watch io.Writer) error {
	if err := s.start(ctx, everywhere()); err != nil {
		return err
	}
	defer s.stop()
	_, _ = fmt.Fprintf(out, "The shop is open, in mode %s.\n  Console: %s/\n", o.mode, o.api)
	for name, url := range s.peers() {
		_, _ = fmt.Fprintf(out, "  %s: %s\n", name, url)
	}
	told := newHistory()
	trouble, calm := context.WithCancel(ctx)
	defer calm()
	var beside sync.WaitGroup
	if o.kill > 0 {
		beside.Go(func() { s.trouble(trouble, o.kill, out) })
	}
	beside.Go(func() { progress(trouble, told, time.Second, watch) })
	o.load.prefix = "o"
	began := time.Now()
	o.load.run(ctx, s.services[orderService].url(), told)
	took := time.Since(began)
	calm()
	beside.Wait()
	_, _ = fmt.Fprintln(out, summary(told, took))
	if err := settled(context.WithoutCancel(ctx), s.peers(), told, 60*time.Second); err != nil {
		return fmt.Errorf("goods or money are missing: %w", err)
	}
	_, _ = fmt.Fprintln(out, "Goods and money are all there: what was sold was paid for, and nothing else was taken.")
	if o.stay {
		_, _ = fmt.Fprintln(out, "Press Ctrl-C to end.")
		<-ctx.Done()
	}
	return nil
}
