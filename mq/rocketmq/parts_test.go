//go:build parts

package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/mqtest"
	"github.com/concord-tx/concord/orchestrator"
)

const patience = time.Minute

// shared is the directory of the broker that all tests use which do not hurt it.
const sharedVariable = "CONCORD_TEST_ROCKETMQ"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // they wait more than they compute
		panic(err)
	}
	dir, err := os.MkdirTemp("", "rocketmq")
	if err != nil {
		panic(err)
	}
	code := 1
	if err := script("start", dir); err != nil {
		fmt.Println(err)
	} else {
		os.Setenv(sharedVariable, dir)
		code = m.Run()
	}
	_ = script("stop", dir)
	if code == 0 {
		_ = os.RemoveAll(dir)
	} else {
		fmt.Println("the broker's logs are in", dir)
	}
	os.Exit(code)
}

// script runs .ci/parts/rocketmq.sh.
func script(args ...string) error {
	cmd := exec.Command("../../.ci/parts/rocketmq.sh", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("rocketmq.sh %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// cluster is a set of brokers.
type cluster struct {
	t   testing.TB
	dir string
}

// theBroker is the one that all share.
func theBroker(t testing.TB) cluster { return cluster{t, os.Getenv(sharedVariable)} }

// startCluster starts a set for one test.
func startCluster(t testing.TB, set string, environment ...string) cluster {
	t.Helper()
	c := cluster{t, t.TempDir()}
	cmd := exec.Command("../../.ci/parts/rocketmq.sh", "start", c.dir, set)
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("start %s: %v\n%s", set, err, out)
	}
	t.Cleanup(func() {
		if err := script("stop", c.dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c cluster) names() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "namesrv"))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (c cluster) do(action, name string) {
	c.t.Helper()
	if err := script(action, c.dir, name); err != nil {
		c.t.Fatal(err)
	}
}

var prefixes atomic.Int64

func newPrefix() string { return fmt.Sprintf("t%d-%s", prefixes.Add(1), unique()[:6]) }

// options of a node in tests: quick to publish again.
func (c cluster) options(t testing.TB, prefix string, s orchestrator.PackStore) Options {
	return Options{
		NameServers: []string{c.names()}, Prefix: prefix, Instance: "test", Store: s, CreateTopics: true, TopicQueues: 4,
		OutboxAfter: 3 * time.Second, RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

// testWriter logs to the test as long as it runs.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Logf("%s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

// node is a log on a store.
type node struct {
	t     testing.TB
	store *memStore
	log   *Log
	stop  context.CancelFunc
	ended chan struct{}
}

func startNode(t testing.TB, d *disk, o Options) *node {
	t.Helper()
	n := &node{t: t, store: newMemStore(d), ended: make(chan struct{})}
	o.Store = n.store
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.log = l
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	go func() {
		defer close(n.ended)
		_ = l.Run(ctx) // ends with ctx
	}()
	return n
}

// end stops the node; what its store had under way is lost or not.
func (n *node) end() {
	n.t.Helper()
	n.store.crash()
	n.stop()
	select {
	case <-n.ended:
	case <-time.After(patience):
		n.t.Fatal("Run does not end")
	}
	if err := n.log.Close(); err != nil {
		n.t.Error(err)
	}
}

// harness is what mqtest looks at.
type harness struct {
	t       *testing.T
	cluster cluster
	options Options
	disk    *disk
	node    *node
}

func openHarness(t *testing.T, mode Mode) *harness {
	c := theBroker(t)
	h := &harness{t: t, cluster: c, options: c.options(t, newPrefix(), nil), disk: newDisk()}
	h.options.Mode = mode
	h.node = startNode(t, h.disk, h.options)
	return h
}

func (h *harness) Store() orchestrator.Store     { return h.node.store }
func (h *harness) Log() orchestrator.DecisionLog { return h.node.log }

func (h *harness) Published(t *testing.T) []mqtest.Event {
	t.Helper()
	decided := h.disk.decisions()
	return await(t, "all decisions are published", func() ([]mqtest.Event, bool) {
		all := readAll(t, h.cluster, h.options.Prefix)
		seen := map[int64]bool{}
		for _, e := range all {
			seen[e.XID] = true
		}
		for id := range decided {
			if !seen[id] {
				return nil, false
			}
		}
		return all, true
	})
}

func (h *harness) Crash(t *testing.T) {
	t.Helper()
	h.node.end()
	h.node = startNode(t, h.disk, h.options)
}

func (h *harness) Close() { h.node.end() }

// readAll reads both topics, under the names that mqtest expects.
func readAll(t testing.TB, c cluster, prefix string) []mqtest.Event {
	t.Helper()
	var all []mqtest.Event
	err := Read(context.Background(), ReadOptions{
		NameServers: []string{c.names()}, Prefix: prefix, Topics: []string{CommitTopic(prefix), RollbackTopic(prefix)},
	}, func(m Message) error {
		decided, err := Decode(m.Body)
		for _, d := range decided {
			topic := mq.TopicCommit
			if m.Topic == RollbackTopic(prefix) {
				topic = mq.TopicRollback
			}
			all = append(all, mqtest.Event{XID: d.XID.ID, Topic: topic, Event: d.Event})
		}
		return err
	})
	if err != nil && !errors.Is(err, errNoTopic) { // the name server learns of a broker that is back after 10 s
		t.Fatal(err)
	}
	return all
}

// await polls until get says that it is so.
func await[T any](t testing.TB, what string, get func() (T, bool)) T {
	t.Helper()
	until := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if v, ok := get(); ok {
			return v
		}
		if time.Now().After(until) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-tick.C
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	await(t, what, func() (struct{}, bool) { return struct{}{}, is() })
}

func TestDecisionLogInModeQueue(t *testing.T) {
	t.Parallel()
	mqtest.Run(t, func(t *testing.T) mqtest.Harness { return openHarness(t, Queue) })
}

func TestDecisionLogInModeRefuse(t *testing.T) {
	t.Parallel()
	mqtest.Run(t, func(t *testing.T) mqtest.Harness { return openHarness(t, Refuse) })
}

// leader names the leader of a DLedger group.
func (c cluster) leader() string {
	c.t.Helper()
	return await(c.t, "a leader", func() (string, bool) {
		out, err := exec.Command("../../.ci/parts/rocketmq.sh", "leader", c.dir).Output()
		name := strings.TrimSpace(string(out))
		return name, err == nil && name != ""
	})
}

// signal sends a signal to a process of the set.
func (c cluster) signal(name string, sig syscall.Signal) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name, "pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		c.t.Fatal(err)
	}
}
