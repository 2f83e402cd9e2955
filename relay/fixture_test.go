package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestMain does not count what net/http does for half a second after an answer to a request that was not read whole.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const patience = 60 * time.Second // how long a test waits for what must happen

func secret() []byte { return []byte("the secret of a test cluster") }

// directory is a Directory that all nodes of a test share.
type directory struct {
	mu       sync.Mutex
	nodes    map[string]orchestrator.Node
	sessions map[string][]orchestrator.SessionEntry
	fault    error
	writes   int
}

func (d *directory) with(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// place is what one node sees of the directory.
type place struct {
	*directory
	self string
}

func (p place) Nodes(context.Context) ([]orchestrator.Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []orchestrator.Node
	for _, n := range p.nodes {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b orchestrator.Node) int { return strings.Compare(a.ID, b.ID) })
	return all, p.fault
}

func (p place) PublishSessions(_ context.Context, all []orchestrator.SessionEntry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.fault == nil {
		p.sessions[p.self] = all
	}
	return p.fault
}

func (p place) RemoteSessions(context.Context) ([]orchestrator.RemoteSession, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []orchestrator.RemoteSession
	for id, n := range p.nodes {
		if id == p.self || !n.Alive {
			continue
		}
		for _, s := range p.sessions[id] {
			all = append(all, orchestrator.RemoteSession{SessionEntry: s, Node: id})
		}
	}
	return all, p.fault
}

// participants is a Local whose answers the test decides.
type participants struct {
	mu      sync.Mutex
	entries []orchestrator.SessionEntry
	changed chan struct{}
	asked   chan asked
	err     error
}

// asked is a command that reached a participant.
type asked struct {
	cmd    txn.Command
	report func(int64, txn.Reply)
}

// end has the participant answer.
func (a asked) end(result txn.Result, text string) {
	a.report(a.cmd.XID.ID, txn.Reply{
		BranchID: a.cmd.BranchID, Op: a.cmd.Op, Attempt: a.cmd.Attempt, Result: result, Text: text,
	})
}

func (p *participants) Send(cmd txn.Command) error { return p.SendFor(cmd, nil) }

func (p *participants) SendFor(cmd txn.Command, report func(int64, txn.Reply)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	for _, e := range p.entries {
		if e.Resource == cmd.Resource {
			p.asked <- asked{cmd, report}
			return nil
		}
	}
	return orchestrator.ErrNobody
}

// connect has clients of an application come with a resource, or all go.
func (p *participants) connect(entries ...orchestrator.SessionEntry) {
	p.mu.Lock()
	p.entries = entries
	p.mu.Unlock()
	signal(p.changed)
}

func (p *participants) list() []orchestrator.SessionEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries
}

// told is what a coordinator was told.
type told struct {
	id int64
	txn.Reply
}

// node is a relay with what is around it.
type node struct {
	*Relay
	rms     *participants
	t       testing.TB
	cluster *directory
	told    chan told
	log     *logBuffer
	server  *http.Server
	stop    func() // ends Run as a stopped process would
	kill    func() // and stops listening
}

// logBuffer gathers log lines.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func newCluster() *directory {
	return &directory{nodes: map[string]orchestrator.Node{}, sessions: map[string][]orchestrator.SessionEntry{}}
}

// join starts a node and puts it into the directory.
func (d *directory) join(t testing.TB, id string, change ...func(*Options)) *node {
	t.Helper()
	n := &node{
		t: t, cluster: d, told: make(chan told, 100_000), log: new(logBuffer),
		rms: &participants{changed: make(chan struct{}, 1), asked: make(chan asked, 100_000)},
	}
	o := Options{
		Self: id, Local: n.rms, Directory: place{d, id}, Secret: secret(), Sessions: n.rms.list,
		Changed: n.rms.changed, Reply: func(id int64, r txn.Reply) { n.told <- told{id, r} },
		Logger: slog.New(slog.NewTextHandler(n.log, nil)),
		Limits: Limits{
			RefreshEvery: 20 * time.Millisecond, RefreshGap: 2 * time.Millisecond, PublishDelay: 2 * time.Millisecond,
			RetryAfter: 20 * time.Millisecond, DownFor: 50 * time.Millisecond, DrainLimit: 500 * time.Millisecond,
		},
	}
	for _, c := range change {
		c(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	n.Relay = r
	n.listen()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		n.stop()
		n.kill()
	})
	return n
}

// listen serves the relay's handler on a free port of loopback.
func (n *node) listen() {
	n.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.server = &http.Server{Handler: n.Handler(), ReadHeaderTimeout: patience}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := n.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			n.t.Error(err)
		}
	}()
	server := n.server
	n.kill = sync.OnceFunc(func() {
		_ = server.Close()
		<-served
	})
	n.cluster.with(func() {
		before := n.cluster.nodes[n.self]
		n.cluster.nodes[n.self] = orchestrator.Node{
			ID: n.self, Epoch: before.Epoch + 1, Internal: listener.Addr().String(), Alive: true,
		}
	})
}

// sees waits until the node knows who has a resource elsewhere.
func (n *node) sees(resource string, clients int) {
	n.t.Helper()
	eventually(n.t, n.self+" sees the sessions of "+resource, func() bool {
		return len(n.view.Load().sessions[resource]) == clients
	})
}

// reply waits for an end.
func (n *node) reply() told {
	n.t.Helper()
	select {
	case r := <-n.told:
		return r
	case <-time.After(patience):
		n.t.Fatal(n.self + " was told nothing")
	}
	return told{}
}

func (n *node) connect(entries ...orchestrator.SessionEntry) { n.rms.connect(entries...) }

// ask waits for a command at the participants of the node.
func (n *node) ask() asked {
	n.t.Helper()
	select {
	case a := <-n.rms.asked:
		return a
	case <-time.After(patience):
		n.t.Fatal("no participant of " + n.self + " was asked")
	}
	return asked{}
}

// send hands a command to the relay.
func (n *node) send(cmd txn.Command) {
	n.t.Helper()
	if err := n.Send(cmd); err != nil {
		n.t.Fatal(err)
	}
}

// want waits for an end and compares its result.
func (n *node) want(result txn.Result) told {
	n.t.Helper()
	r := n.reply()
	if r.Result != result {
		n.t.Fatalf("told %s (%s), want %s", r.Result, r.Text, result)
	}
	return r
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// commit is the command to commit branch 8 of transaction id, whose participant is a client of "orders".
func commit(id int64, kind txn.Kind, resource string) txn.Command {
	return txn.Command{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: id}, BranchID: 8, Kind: kind, Op: txn.Commit, Resource: resource,
		Client: "orders:10.0.0.9:5555", Data: "data \xff\x00 of the client", Attempt: 3, Application: "orders",
		Group: "group", Cause: txn.CauseRequested, Trace: "00-1-2-01",
	}
}

// orders is a session of the application "orders".
func orders(resource string) orchestrator.SessionEntry {
	return orchestrator.SessionEntry{Resource: resource, Application: "orders", IP: "10.0.0.9", Clients: 1}
}

// pair is two nodes, of which b has a participant for the resource "r".
func pair(t testing.TB, change ...func(*Options)) (a, b *node) {
	t.Helper()
	d := newCluster()
	a, b = d.join(t, "a", change...), d.join(t, "b", change...)
	b.connect(orders("r"))
	a.sees("r", 1)
	return a, b
}

// flaky is a RoundTripper that loses calls.
type flaky struct {
	http.RoundTripper
	mu     sync.Mutex
	before func(*http.Request) error // the call is not made
	after  func(*http.Request) error // its answer is lost
}

func (f *flaky) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	response, err := f.RoundTripper.RoundTrip(r)
	if err == nil && after != nil {
		if lost := after(r); lost != nil {
			_ = response.Body.Close()
			return nil, lost
		}
	}
	return response, err
}

// through has the node's calls go through a flaky transport.
func through(f *flaky) func(*Options) {
	return func(o *Options) {
		o.Client = newClient(o.Limits.withDefaults())
		f.RoundTripper = o.Client.Transport
		o.Client.Transport = f
	}
}

var errLost = errors.New("lost")
