package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Where decisions are published, and the store, as the flags name them.
const (
	storeMySQL = "mysql"
	mqRocket   = "rocketmq"
	mqOff      = "off"
)

// cluster starts nodes on shared parts.
type cluster struct {
	parts *parts
}

// start starts the nodes of one cell on a database and topics of their own.
func (cl *cluster) start(ctx context.Context, o options) (*server, error) {
	if cl.parts == nil {
		p, err := startParts(ctx, o)
		if err != nil {
			return nil, err
		}
		cl.parts = p
	}
	name, err := cl.parts.fresh(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"--store", storeMySQL, "--mysql-dsn", cl.parts.dsn(name), "--mysql-migrate=true", "--mq", o.mq}
	if o.mq == mqRocket {
		args = append(args, "--rocketmq-namesrv", cl.parts.namesrv, "--mq-prefix", name)
	}
	first, err := cl.node(ctx, o, 0, args)
	if err != nil {
		return first, err
	}
	first.parts = cl.parts
	first.durability = partsDurability
	if o.mq == mqRocket {
		first.durability += ", broker: SYNC_FLUSH"
	}
	for i := 1; i < o.nodes; i++ {
		peer, err := cl.node(ctx, o, i, args)
		if peer != nil {
			first.peers = append(first.peers, peer)
		}
		if err != nil {
			return first, err
		}
	}
	if o.consume && o.mq == mqRocket {
		first.consumer, err = startConsumer(cl.parts.namesrv, name)
	}
	return first, err
}

// nodeSecret is by what the nodes of a cell know each other.
const nodeSecret = "bench-bench-bench-bench"

func (cl *cluster) node(ctx context.Context, o options, i int, args []string) (*server, error) {
	s := &server{name: "concord", pinTo: o.pinServer, ready: readyHTTP}
	s.start = func(s *server) *exec.Cmd {
		all := []string{
			"serve", "--data", filepath.Join(s.dir, "data"), "--tc", s.tc, "--http", s.http, "--dev",
			"--node-id", fmt.Sprintf("node%d", i), "--node-secret", nodeSecret,
		}
		all = append(all, args...)
		return exec.Command(o.concord, append(all, strings.Fields(o.serverFlags)...)...)
	}
	if err := s.prepare(o.dir); err != nil {
		return nil, err
	}
	return s, s.launch(ctx)
}

func (cl *cluster) close() error {
	if cl == nil {
		return nil
	}
	return cl.parts.close()
}

// partResult is what one of the parts used in the window.
type partResult struct {
	Name   string  `json:"name"`
	Micros float64 `json:"cpuMicrosPerTx"`
	Cores  float64 `json:"cores"`
	RSSMiB float64 `json:"rssMiB"`
}

// clusterResult is what a cell on a cluster tells beside the rest.
type clusterResult struct {
	Nodes int          `json:"nodes"`
	MQ    string       `json:"mq"`
	Parts []partResult `json:"parts"`
	// Commits, Statements and LogBytes are the database's, for each transaction.
	Commits    float64 `json:"commitsPerTx"`
	Statements float64 `json:"statementsPerTx"`
	LogBytes   float64 `json:"databaseLogBytesPerTx"`
	LockWaits  float64 `json:"rowLockWaits"`
	Deadlocks  float64 `json:"deadlocks"`
	// PackSize is how many decisions shared a message. Alone is the part of decisions that the node drove without the
	// broker, and Again the part that it published again.
	PackSize float64 `json:"decisionsPerPack"`
	Alone    float64 `json:"drivenLocally"`
	Again    float64 `json:"republished"`
	// Consumer is the time from a decision to a consumer of the commit topic; Messages and Events are what it read.
	Consumer quantiles `json:"decisionToConsumer"`
	Messages int64     `json:"messages"`
	Events   int64     `json:"events"`
}

// reading of the parts.
type partsReading struct {
	usage    []usage
	database map[string]float64
	nodes    metrics
}

func (p *parts) read(ctx context.Context) (r partsReading, err error) {
	for _, part := range p.pids {
		u, err := readUsage(part.pid)
		if err != nil {
			return r, fmt.Errorf("%s: %w", part.name, err)
		}
		r.usage = append(r.usage, u)
	}
	r.database, err = p.counters(ctx)
	return r, err
}

// clusterResult compares two readings.
func (b *bench) clusterResult(first, last reading, seconds, answered float64) *clusterResult {
	s := b.server
	if s == nil || s.parts == nil {
		return nil
	}
	r := &clusterResult{Nodes: 1 + len(s.peers), MQ: b.o.mq}
	for i, part := range s.parts.pids {
		cpu := last.parts.usage[i].CPU - first.parts.usage[i].CPU
		r.Parts = append(r.Parts, partResult{
			Name: part.name, Micros: float64(cpu.Microseconds()) / answered, Cores: cpu.Seconds() / seconds,
			RSSMiB: float64(last.parts.usage[i].RSSBytes) / (1 << 20),
		})
	}
	grown := func(name string) float64 { return last.parts.database[name] - first.parts.database[name] }
	counted := func(name string) float64 { return last.parts.nodes[name] - first.parts.nodes[name] }
	if decisions := counted("tx_mq_decisions_total"); decisions > 0 {
		r.PackSize = decisions / max(counted("tx_mq_packs_total"), 1)
		r.Alone = counted("tx_mq_driven_locally_total") / decisions
		r.Again = counted("tx_mq_republished_total") / decisions
	}
	r.Commits = grown("Com_commit") / answered
	r.Statements, r.LogBytes = grown("Queries")/answered, grown("Innodb_os_log_written")/answered
	r.LockWaits, r.Deadlocks = grown("Innodb_row_lock_waits"), grown("Innodb_deadlocks")
	if c := s.consumer; c != nil {
		r.Consumer, r.Messages, r.Events = c.result()
	}
	return r
}

// line says it in a line under the cell's row.
func (r *clusterResult) line() string {
	var text strings.Builder
	fmt.Fprintf(&text, "    %d node(s), publication %s;", r.Nodes, r.MQ)
	for _, p := range r.Parts {
		fmt.Fprintf(&text, " %s %.0f µs %.2f cores %.0fM;", p.Name, p.Micros, p.Cores, p.RSSMiB)
	}
	fmt.Fprintf(&text, " per transaction %.3f commits, %.2f statements, %.0f B of log; %.0f row waits, "+
		"%.0f deadlocks", r.Commits, r.Statements, r.LogBytes, r.LockWaits, r.Deadlocks)
	if r.PackSize > 0 {
		fmt.Fprintf(&text, "; %.1f decisions a pack, %.1f %% driven without the broker, %.1f %% published again", r.PackSize,
			100*r.Alone, 100*r.Again)
	}
	if r.Events > 0 {
		fmt.Fprintf(&text, "; decision to consumer %.1f/%.1f ms", r.Consumer.P50, r.Consumer.P99)
	}
	return text.String()
}

// errParts says that the flags do not fit together.
var errParts = errors.New("-mq and -nodes need -store mysql, and -consume needs -mq rocketmq")
