//go:build parts

// Package cluster_test puts a cluster of two nodes under a bank of Java clients, breaks one part after the other, and
// has `concord audit` judge what is left. See README.md of the folder above.
package cluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/concord-tx/concord/audit"
)

// lease is that of the nodes, short so that deaths are noticed within the test's time.
const lease = 3 * time.Second

// cluster is everything that runs.
type cluster struct {
	*cleaner
	work        string
	bin         string
	coordinator *mariadb // the store
	banks       *mariadb // the participants'
	zookeeper   int
	cage        *cage
	bank        *bank
	rows        []row

	// The following change with the set of brokers.
	set      string
	schema   string
	brokers  string // directory of the RocketMQ set
	nodes    []*node
	baseline int // commits of the set before the present scenario
}

// row is a line of the table of results.
type row struct {
	name                  string
	transfers, rolledBack int
	conflicts, unknown    int
	gap, took, fault      time.Duration
	checked, violations   int64
}

// setup starts what all sets of brokers share.
func setup(t *testing.T) *cluster {
	work := os.Getenv("CONCORD_CLUSTER_DIR")
	if work == "" {
		work = t.TempDir()
	}
	work, err := filepath.Abs(work)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{cleaner: &cleaner{}, work: work}
	t.Cleanup(c.run)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-interrupted
		c.run()
		os.Exit(130)
	}()
	c.bin = binary(t, work)
	for _, part := range []string{"mariadb.sh", "rocketmq.sh", "zookeeper.sh", "java.sh"} {
		script(t, part, "install")
	}
	c.coordinator = startMariaDB(t, c.cleaner, filepath.Join(work, "store"))
	c.banks = startMariaDB(t, c.cleaner, filepath.Join(work, "banks"))
	zk := filepath.Join(work, "zookeeper")
	c.add(func() { _, _ = runScript("zookeeper.sh", "stop", zk) })
	script(t, "zookeeper.sh", "start", zk)
	if c.zookeeper, err = strconv.Atoi(fileText(t, filepath.Join(zk, "port"))); err != nil {
		t.Fatal(err)
	}
	c.cage = newCage(t, c.cleaner)
	c.cage.reach(t, c.cleaner, c.coordinator.port, c.zookeeper)
	openBanks(t, c.banks)
	participants(t, c.banks, filepath.Join(work, "participants.yaml"))
	return c
}

// binary is the program under test: CONCORD_BIN, or built.
func binary(t *testing.T, work string) string {
	if bin := os.Getenv("CONCORD_BIN"); bin != "" {
		abs, err := filepath.Abs(bin)
		if err != nil {
			t.Fatal(err)
		}
		return abs
	}
	bin := filepath.Join(work, "concord")
	run(t, "go", "build", "-o", bin, root+"/cmd/concord")
	return bin
}

// use starts a set of brokers, with an empty store and two new nodes on it. The clients follow through ZooKeeper.
func (c *cluster) use(t *testing.T, set string) {
	t.Helper()
	oldBrokers := c.brokers
	c.set, c.schema, c.brokers = set, "concord_"+set, filepath.Join(c.work, set)
	c.add(func() { _, _ = runScript("rocketmq.sh", "stop", c.brokers) })
	script(t, "rocketmq.sh", "start", c.brokers, set)
	ports := []int{c.namesrvPort(t)}
	for _, name := range []string{"broker-a", "broker-b", "broker-a-slave", "broker-b-slave", "n0", "n1", "n2"} {
		if _, err := os.Stat(filepath.Join(c.brokers, name, "port")); err == nil {
			port, _ := strconv.Atoi(fileText(t, filepath.Join(c.brokers, name, "port")))
			ports = append(ports, port)
		}
	}
	c.cage.reach(t, c.cleaner, ports...)
	execute(t, c.coordinator.dsn(""), "CREATE DATABASE "+c.schema)
	old := c.nodes
	c.nodes = nil
	for i, id := range []string{"a", "b"} {
		n := &node{id: id, tc: freePort(t), http: freePort(t), log: filepath.Join(c.work, set+"-"+id+".log")}
		n.args = []string{
			c.bin, "serve", "--store", "mysql", "--mysql-dsn", c.coordinator.dsn(c.schema), "--mysql-migrate",
			"--mq", "rocketmq", "--rocketmq-namesrv", local(ports[0]), "--rocketmq-create-topics",
			"--registry", "zookeeper", "--zookeeper", local(c.zookeeper), "--tc", local(n.tc), "--http", local(n.http), "--dev",
		}
		n.env = append(withoutConcord(), "CONCORD_NODE_ID="+set+"-"+id, "CONCORD_NODE_LEASE="+lease.String(),
			"CONCORD_NODE_SECRET=not a secret, only a test", "CONCORD_ROCKETMQ_UNREAD_AFTER=5s", "CONCORD_NODE_LEAVE=3s",
			"CONCORD_ZOOKEEPER_SESSION_TIMEOUT=4s")
		if i == 1 {
			n.cage = c.cage
			c.cage.expose(t, c.cleaner, n.tc, n.http)
			c.cage.reach(t, c.cleaner, c.nodes[0].http, c.nodes[0].tc)
		}
		c.nodes = append(c.nodes, n)
		n.start(t, c.cleaner)
	}
	for _, n := range c.nodes {
		n.ready(t, 60*time.Second)
	}
	for _, n := range old {
		n.stop(t)
	}
	if oldBrokers != "" {
		script(t, "rocketmq.sh", "stop", oldBrokers)
	}
	if c.bank != nil {
		c.bank.pause(t) // a scenario that failed has left the clerks at work
	} else {
		c.bank = startBank(t, c.cleaner, c.work, c.banks, c.zookeeper)
	}
	reset(t, c.banks)
	c.bank.newHistory(t, filepath.Join(c.work, set+".jsonl"))
}

// withoutConcord is the environment without our own settings.
func withoutConcord() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CONCORD_") {
			out = append(out, v)
		}
	}
	return out
}

func (c *cluster) namesrvPort(t testing.TB) int {
	t.Helper()
	_, port, _ := strings.Cut(fileText(t, filepath.Join(c.brokers, "namesrv")), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c *cluster) brokerPort(t testing.TB, name string) int {
	t.Helper()
	n, err := strconv.Atoi(fileText(t, filepath.Join(c.brokers, name, "port")))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// scenario runs the bank, has fault do its worst and mend it again, and judges what is left.
func (c *cluster) scenario(t *testing.T, name string, fault func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		began := time.Now()
		c.bank.seen.look(t)
		before := *c.bank.seen
		from := time.Now().UnixMicro()
		c.bank.tell(t, "run", 10*time.Second)
		c.progress(t, 100, 60*time.Second)
		atFault := time.Now()
		fault(t)
		faulty := time.Since(atFault)
		c.progress(t, 100, 60*time.Second)
		to := time.Now().UnixMicro()
		c.bank.pause(t)
		c.bank.seen.look(t)
		r := row{
			name: name, transfers: len(c.bank.seen.committed) - len(before.committed),
			rolledBack: c.bank.seen.rolledBack - before.rolledBack, conflicts: c.bank.seen.conflicts - before.conflicts,
			unknown: c.bank.seen.unknown - before.unknown, gap: c.bank.seen.gap(from, to), fault: faulty,
		}
		for _, n := range c.nodes {
			if c.bank.seen.begun[local(n.tc)] == 0 {
				t.Errorf("clients have begun nothing on node %s; they have found %v", n.id, c.bank.seen.begun)
			}
		}
		report := c.judge(t)
		for _, result := range report.Results {
			r.checked += result.Checked
		}
		r.violations, r.took = report.Violations, time.Since(began)
		c.rows = append(c.rows, r)
		t.Logf("%d transfers, %d rolled back, longest gap %v, %d conflicts, %d unknown answers, %d checks, %d violations, %v",
			r.transfers, r.rolledBack, r.gap, r.conflicts, r.unknown, r.checked, r.violations, r.took.Round(time.Second))
	})
	if t.Failed() {
		t.FailNow() // what comes next would judge the same ruins
	}
}

// progress waits until clients were told of so many more commits.
func (c *cluster) progress(t testing.TB, more int, within time.Duration) {
	t.Helper()
	c.bank.seen.look(t)
	start := len(c.bank.seen.committed)
	until(t, within, "transfers", func() error {
		c.bank.seen.look(t)
		if n := len(c.bank.seen.committed) - start; n < more {
			return fmt.Errorf("%d of %d; the bank's log: %s", n, more, tail(c.bank.log))
		}
		return nil
	})
}

// judge waits until the cluster is at rest and finds nothing wrong, and fails with the report if it does not come to
// that.
func (c *cluster) judge(t *testing.T) *audit.Report {
	t.Helper()
	for _, n := range c.nodes {
		n.ready(t, 60*time.Second)
	}
	rest := poll(60*time.Second, func() error {
		raw, err := c.nodes[0].get("/api/v1/transactions?live=true&limit=5")
		if err != nil {
			return err
		}
		var page struct{ Items []json.RawMessage }
		if err := json.Unmarshal(raw, &page); err != nil || len(page.Items) > 0 {
			return fmt.Errorf("transactions that have not ended: %s %v", raw, err)
		}
		return nil
	})
	if rest != nil {
		t.Errorf("the cluster does not come to rest: %v", rest)
	}
	var report *audit.Report
	var text string
	err := poll(30*time.Second, func() (err error) {
		report, text, err = c.audit("--at-rest")
		if err == nil && !report.Clean() {
			err = errors.New("violations")
		}
		return err
	})
	if err != nil {
		t.Fatalf("audit: %v\n%s", err, text)
	}
	if unchecked := report.Unchecked(); len(unchecked) > 0 {
		for _, name := range unchecked {
			// These have nothing to look at unless something went wrong, or timed out.
			if name != "I5" && name != "I8" && name != "I32" {
				t.Errorf("%s was not checked", name)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(c.work, c.set+"-report.txt"), []byte(text), 0o644); err != nil {
		t.Error(err)
	}
	return report
}

// audit runs `concord audit` as an operator would; more are flags.
func (c *cluster) audit(more ...string) (*audit.Report, string, error) {
	args := append([]string{
		"audit", "--mysql-dsn", c.coordinator.dsn(c.schema), "--rocketmq-namesrv",
		strings.TrimSpace(string(must(os.ReadFile(filepath.Join(c.brokers, "namesrv"))))),
		"--participants", filepath.Join(c.work, "participants.yaml"), "--history", c.bank.history, "--json",
		"--timeout", "60s",
	}, more...)
	cmd := exec.Command(c.bin, args...)
	cmd.Env = withoutConcord()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	raw, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, complaints.String(), fmt.Errorf("%w: %s", err, complaints.String())
	}
	report := &audit.Report{}
	if err := json.Unmarshal(raw, report); err != nil {
		return nil, string(raw), err
	}
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		return nil, "", err
	}
	return report, text.String(), nil
}

// must is for files that were read before.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// results draws the table.
func (c *cluster) results(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "scenario\ttransfers\trolled back\tlongest gap\tfault lasted\tconflicts\tunknown answers\t"+
		"checks\tviolations\ttook")
	for _, r := range c.rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%.1f s\t%.1f s\t%d\t%d\t%d\t%d\t%.0f s\n", r.name, r.transfers, r.rolledBack,
			r.gap.Seconds(), r.fault.Seconds(), r.conflicts, r.unknown, r.checked, r.violations, r.took.Seconds())
	}
	_ = w.Flush()
	t.Logf("results\n%s", b.String())
}
