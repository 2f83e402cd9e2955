//go:build parts

// Package cluster_test puts a cluster of two nodes under banks of Java clients, breaks one part after the other, and
// has `concord audit` judge what is left. See README.md of the folder above.
package cluster_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lease is that of the nodes, short so that deaths are noticed within the test's time.
const lease = 3 * time.Second

// cluster is everything that runs.
type cluster struct {
	*cleaner
	work         string
	bin          string
	store        *mariadb // the coordinators'
	participants *mariadb // the banks'
	zookeeper    int
	cage         *cage
	generations  []*generation
	sets         map[string]*brokers
	rows         []row

	// The following are those of one set of brokers. Nothing of it is used with another one: nodes, databases, banks and
	// their histories are new, so that what a failed scenario has left behind cannot be taken for the work of the next.
	set     string
	of      *cleaner
	schema  string
	brokers *brokers
	nodes   []*node
	banks   []*bank
}

// brokers is a set of RocketMQ.
type brokers struct {
	set, dir string
	mu       sync.Mutex // held while they are started or stopped
	started  bool
	err      error
}

// setup starts what all sets of brokers share, and the first of them if it is wanted.
func setup(t *testing.T) *cluster {
	work := os.Getenv("CONCORD_CLUSTER_DIR")
	if work == "" {
		work = t.TempDir()
	}
	work, err := filepath.Abs(work)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{cleaner: &cleaner{}, work: work, generations: generations(), sets: map[string]*brokers{}}
	t.Cleanup(c.run)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-interrupted
		c.run()
		os.Exit(130)
	}()
	for _, part := range []string{"mariadb.sh", "rocketmq.sh", "zookeeper.sh", "java.sh"} {
		script(t, part, "install")
	}
	for _, set := range []string{"single", "2m2s", "dledger"} {
		b := &brokers{set: set, dir: filepath.Join(work, set)}
		c.sets[set] = b
		c.add(b.stop)
	}
	c.cage = newCage(t, c.cleaner)
	zk := filepath.Join(work, "zookeeper")
	c.add(func() { _, _ = runScript("zookeeper.sh", "stop", zk) })
	together(t,
		func() (err error) { c.bin, err = binary(work); return err },
		func() (err error) { c.store, err = startMariaDB(c.cleaner, filepath.Join(work, "store")); return err },
		func() (err error) {
			c.participants, err = startMariaDB(c.cleaner, filepath.Join(work, "participants"))
			return err
		},
		func() error {
			if out, err := runScript("zookeeper.sh", "start", zk); err != nil {
				return fmt.Errorf("zookeeper: %w: %s", err, out)
			}
			c.zookeeper, err = readPort(filepath.Join(zk, "port"))
			return err
		},
		func() error {
			for _, g := range c.generations { // not together: they write to the same repository of artifacts
				if err := g.build(filepath.Join(work, "bank-"+g.name)); err != nil {
					return err
				}
			}
			return nil
		})
	c.cage.reach(t, c.cleaner, c.store.port, c.zookeeper)
	return c
}

// binary is the program under test: CONCORD_BIN, or built.
func binary(work string) (string, error) {
	if bin := os.Getenv("CONCORD_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	bin := filepath.Join(work, "concord")
	if out, err := exec.Command("go", "build", "-o", bin, root+"/cmd/concord").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return bin, nil
}

// start starts the brokers, unless that was done, and waits until they take messages.
func (b *brokers) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started {
		b.started = true
		if out, err := runScript("rocketmq.sh", "start", b.dir, b.set); err != nil {
			b.err = fmt.Errorf("brokers %s: %w: %s", b.set, err, out)
		}
	}
	return b.err
}

// stop ends the brokers without ceremony, for good.
func (b *brokers) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		_, _ = runScript("rocketmq.sh", "stop", b.dir, "KILL")
	}
	b.started, b.err = true, errors.New("brokers are stopped for good")
}

// startAhead starts sets of brokers beside what the test does, if all groups will be run.
func (c *cluster) startAhead(sets ...string) {
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return
	}
	go func() {
		for _, set := range sets {
			_ = c.sets[set].start() // who uses it gets the error
		}
	}()
}

// use starts a set of brokers, two nodes with an empty store on it, and banks. All of it ends with the test.
func (c *cluster) use(t *testing.T, set string) {
	t.Helper()
	c.set, c.schema, c.brokers, c.of = set, "concord_"+set, c.sets[set], &cleaner{}
	c.nodes, c.banks = nil, nil
	c.add(c.of.run)
	t.Cleanup(c.of.run)
	if err := c.brokers.start(); err != nil {
		t.Fatal(err)
	}
	c.of.add(c.brokers.stop)
	ports := []int{c.namesrvPort(t)}
	for _, name := range []string{"broker-a", "broker-b", "broker-a-slave", "broker-b-slave", "n0", "n1", "n2"} {
		port, err := readPort(filepath.Join(c.brokers.dir, name, "port"))
		if err == nil {
			ports = append(ports, port)
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	c.cage.reach(t, c.of, ports...)
	if err := execute(c.store.dsn(""), "CREATE DATABASE "+c.schema); err != nil {
		t.Fatal(err)
	}
	c.startNodes(t, local(ports[0]))
	c.openBanks(t)
}

func (c *cluster) startNodes(t *testing.T, namesrv string) {
	for i, id := range []string{"a", "b"} {
		n := &node{id: id, tc: freePort(t), http: freePort(t), log: filepath.Join(c.work, c.set+"-"+id+".log")}
		n.args = []string{
			c.bin, "serve", "--store", "mysql", "--mysql-dsn", c.store.dsn(c.schema), "--mysql-migrate",
			"--mq", "rocketmq", "--rocketmq-namesrv", namesrv, "--rocketmq-create-topics",
			"--registry", "zookeeper", "--zookeeper", local(c.zookeeper), "--zookeeper-cluster", c.set,
			"--http", local(n.http), "--dev",
		}
		n.env = append(withoutConcord(), "CONCORD_NODE_ID="+c.set+"-"+id, "CONCORD_NODE_LEASE="+lease.String(),
			"CONCORD_NODE_SECRET=not a secret, only a test", "CONCORD_ROCKETMQ_UNREAD_AFTER=5s", "CONCORD_NODE_LEAVE=3s",
			"CONCORD_ZOOKEEPER_SESSION_TIMEOUT=4s")
		if i == 1 {
			n.cage = c.cage
			c.cage.reach(t, c.of, c.nodes[0].http)
		}
		c.nodes = append(c.nodes, n)
		n.start(t, c.of)
	}
	for _, n := range c.nodes {
		n.ready(t, 60*time.Second)
	}
}

func (c *cluster) openBanks(t *testing.T) {
	var opening []func() error
	for _, g := range c.generations {
		b := &bank{generation: g, server: c.participants, prefix: c.set + "_" + strings.ReplaceAll(g.name, ".", "")}
		c.banks = append(c.banks, b)
		opening = append(opening, func() error {
			if err := b.open(); err != nil {
				return err
			}
			return b.start(c.of, c.work, c.set, c.zookeeper)
		})
	}
	together(t, append(opening, func() error { return participants(c.participantsFile(), c.banks) })...)
}

func (c *cluster) participantsFile() string { return filepath.Join(c.work, c.set+"-participants.yaml") }

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
	return c.brokerPort(t, "namesrv.d")
}

func (c *cluster) brokerPort(t testing.TB, name string) int {
	t.Helper()
	n, err := readPort(filepath.Join(c.brokers.dir, name, "port"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
