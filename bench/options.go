package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// options are the flags.
type options struct {
	suite       string
	concord     string
	serverFlags string
	dir         string
	json        string
	clients     int
	rms         int
	seed        uint64
	warmup      time.Duration
	window      time.Duration
	drain       time.Duration
	openMax     int64
	syncs       bool
	pinServer   int
	pinDriver   int
	live        int64
	quiet       time.Duration

	// One cell instead of a suite.
	inFlight int
	held     int64
	rate     float64
	arrival  arrival
	w        workload

	// Of a cluster instead of one process with the embedded store.
	store   string
	mq      string
	nodes   int
	consume bool
	scripts string
	// database are global variables of MariaDB, as "name=value", that differ from its defaults.
	database string

	dtm            string
	seataClasspath string
	seataMain      string
	seataHeap      string
	seataLog       string

	machine string // filled in later
}

const usageText = `bench starts the concord binary on loopback, drives it over the Seata protocol
and prints what it measured.

  go run ./bench -suite short            about 3 minutes: closed loop AT and TCC, a short ladder, 100,000 live
  go run ./bench -suite full             everything, about 20 minutes
  go run ./bench -suite closed           one of: closed, sustained, ladder, live, lists, mix, connections, http, sagas
  go run ./bench -suite peer -dtm BINARY sagas here and on DTM in turns, about 6 minutes
  go run ./bench -suite cluster          MySQL (MariaDB) and RocketMQ: publication on and off in turns, half load
  go run ./bench -store mysql -mq off    one cell on MySQL without publication
  go run ./bench -inflight 64 -kind tcc  one closed-loop cell
  go run ./bench -rate 5000 -kind at     one open-loop cell; latency counts from the scheduled start

Each cell is one line of JSON in -json FILE and one row of the table. A cell that did not end as it was asked to has no
rate and the exit status is 1. Absolute numbers mean something only with the machine line above them; on a machine that
others use, run twice and compare ratios.

Flags:
`

// parseOptions reads the command line. Errors were printed already.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	var kind, spacing, enlist string
	var timeout time.Duration
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		_, _ = fmt.Fprint(out, usageText) // nobody is left to tell
		flags.PrintDefaults()
	}
	flags.StringVar(&o.suite, "suite", "", "run these cells: short, full, closed, sustained, ladder, live, lists, mix, "+
		"connections, http, sagas, peer, cluster")
	flags.StringVar(&o.concord, "concord", "", "server binary; built from the working tree if empty")
	flags.StringVar(&o.serverFlags, "server-flags", "", "more flags for concord serve, separated by blanks")
	flags.StringVar(&o.dir, "dir", defaultDir(), "where data directories are made; a real disk, to measure fsync")
	flags.StringVar(&o.json, "json", "", "append a line of JSON for each cell to this file; - is standard output")
	flags.IntVar(&o.clients, "clients", 2, "client processes that are played, each with one connection as TM")
	flags.IntVar(&o.rms, "rms", 1, "connections as RM for each client; branch i uses connection i modulo this")
	flags.Uint64Var(&o.seed, "seed", 1, "of schedules, keys and the choice of what is rolled back")
	flags.DurationVar(&o.warmup, "warmup", 2*time.Second, "load before the measured window")
	flags.DurationVar(&o.window, "window", 8*time.Second, "measured window of a cell")
	flags.DurationVar(&o.drain, "drain", 30*time.Second, "how long the ends of open transactions are waited for")
	flags.Int64Var(&o.openMax, "open-max", 200_000, "open loop: give up when so many transactions are open")
	flags.BoolVar(&o.syncs, "syncs", true, "count the server's fsync calls with perf, if it is there, after the window")
	flags.DurationVar(&o.quiet, "quiet", 0, "wait so long, at most, for a moment in which nobody else uses the machine")
	flags.IntVar(&o.pinServer, "pin-server", -1, "keep the server on this core; -1: anywhere")
	flags.IntVar(&o.pinDriver, "pin-driver", -1, "keep the driver on this core; -1: anywhere")
	flags.Int64Var(&o.live, "live", 1_000_000, "transactions held undecided in suite live, and finished in lists")
	flags.IntVar(&o.inFlight, "inflight", 64, "one cell, closed loop: transactions in flight")
	flags.Float64Var(&o.rate, "rate", 0, "one cell, open loop: transactions per second")
	flags.Int64Var(&o.held, "held", 0, "one cell: hold so many transactions undecided meanwhile")
	flags.StringVar(&spacing, "arrival", "poisson", "open loop: poisson or constant")
	flags.StringVar(&kind, "kind", "at", "of branches: at, tcc or http-tcc; or saga, whose steps are called by HTTP")
	flags.StringVar(&enlist, "enlist", enlistTogether, "with -kind http-tcc: branches join together, or singly")
	flags.IntVar(&o.w.branches, "branches", 2, "branches of a transaction")
	flags.IntVar(&o.w.rollback, "rollback", 0, "percent of transactions that are rolled back")
	flags.IntVar(&o.w.keys, "keys", 0, "rows that AT branches lock, chosen at random; few are hot; 0: no row twice")
	flags.DurationVar(&timeout, "timeout", time.Minute, "of transactions")
	flags.StringVar(&o.store, "store", "pebble", "pebble; or mysql, which starts a private MariaDB")
	flags.StringVar(&o.mq, "mq", mqOff, "with -store mysql: off, or rocketmq, which starts a private broker")
	flags.IntVar(&o.nodes, "nodes", 1, "with -store mysql: nodes; clients are divided among them")
	flags.BoolVar(&o.consume, "consume", false, "with -mq rocketmq: read the commit topic and measure its delay")
	flags.StringVar(&o.database, "database", "", "with -store mysql: variables to set on MariaDB, as name=value ...")
	flags.StringVar(&o.scripts, "parts", ".ci/parts", "directory of mariadb.sh and rocketmq.sh")
	flags.StringVar(&o.dtm, "dtm", "", "binary of a DTM server to measure: instead with -kind saga, beside in suite peer")
	flags.StringVar(&o.seataClasspath, "seata-classpath", "", "class path of a Seata server to measure instead: seata.go")
	flags.StringVar(&o.seataMain, "seata-main", "io.seata.server.ServerApplication", "its main class")
	flags.StringVar(&o.seataHeap, "seata-heap", "2g", "heap of that server")
	flags.StringVar(&o.seataLog, "seata-log", "WARN", "log level of that server; INFO is as it ships")
	err := flags.Parse(args)
	if err == nil {
		o.w.timeout = int32(timeout.Milliseconds())
		o.w.kind, err = parseKind(kind)
		switch kind {
		case kindHTTP:
			o.w.enlist = enlist
		case enlistSaga:
			o.w.enlist = enlistSaga
		}
	}
	if err == nil {
		o.arrival, err = parseArrival(spacing)
	}
	if err == nil {
		err = o.validate()
	}
	return o, err
}

func (o options) validate() error {
	switch {
	case o.clients < 1, o.rms < 1, o.w.branches < 0, o.inFlight < 1:
		return fmt.Errorf("clients, rms and inflight must be at least 1, branches at least 0")
	case o.w.rollback < 0 || o.w.rollback > 100:
		return fmt.Errorf("rollback is a percentage")
	case o.w.kind == seata.BranchAT && o.w.keys < 0:
		return fmt.Errorf("keys must not be negative")
	case o.store != storeMySQL && (o.mq != mqOff || o.nodes != 1), o.consume && o.mq != mqRocket, o.nodes < 1:
		return errParts
	case !o.dtmFits():
		return fmt.Errorf("-dtm BINARY goes with -suite peer or sagas, or -kind saga, and with no other server")
	case o.store != storeMySQL && o.store != "pebble" || o.mq != mqOff && o.mq != mqRocket:
		return fmt.Errorf("store is pebble or mysql, mq is off or rocketmq")
	case o.w.enlist != "" && (o.rate > 0 || o.held > 0 || o.store == storeMySQL):
		return fmt.Errorf("kinds http-tcc and saga run closed loops on the embedded store only")
	case o.w.enlist == enlistSaga && (o.w.branches < 1 || o.w.rollback > 0):
		return fmt.Errorf("a saga has at least one step, and all are done")
	case o.w.enlist != "" && o.w.enlist != enlistTogether && o.w.enlist != enlistSingly && o.w.enlist != enlistSaga:
		return fmt.Errorf("enlist is together or singly")
	case o.warmup < 0, o.window <= 0:
		return fmt.Errorf("window must be positive")
	}
	return nil
}

// dtmFits tells whether there is a DTM server where one is needed, and none where it could not be driven.
func (o options) dtmFits() bool {
	if o.dtm == "" {
		return o.suite != suitePeer
	}
	sagas := o.suite == suitePeer || o.suite == "sagas" || o.suite == "" && o.w.enlist == enlistSaga
	return sagas && o.seataClasspath == "" && o.store != storeMySQL
}

// defaultDir is a directory that is on a disk on most machines, unlike /tmp.
func defaultDir() string {
	if dir := os.Getenv("BENCH_DIR"); dir != "" {
		return dir
	}
	if _, err := os.Stat("/var/tmp"); err == nil {
		return "/var/tmp"
	}
	return os.TempDir()
}
