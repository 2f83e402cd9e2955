package clienttest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/tc"
)

// Patience is how long this package waits for what must happen.
const Patience = 60 * time.Second

// Server is a real coordinator in this process, on a store in memory.
type Server struct {
	t       testing.TB
	fs      vfs.FS
	address string
	change  []func(*tc.Options, *orchestrator.Options)

	mu  sync.Mutex
	run *run // nil: stopped
}

// run is a server between start and stop.
type run struct {
	store       *pebble.Store
	coordinator *orchestrator.Coordinator
	server      *tc.Server
	stop        func() // in good order
}

// Start starts a coordinator on a free port of 127.0.0.1; it is stopped when the test ends. Each of change may alter
// the options, which are such that retries come soon and locks are waited for 300 ms only.
func Start(t testing.TB, change ...func(*tc.Options, *orchestrator.Options)) *Server {
	t.Helper()
	s := &Server{t: t, fs: vfs.NewMem(), address: "127.0.0.1:0", change: change}
	s.start()
	t.Cleanup(s.Stop)
	return s
}

// start opens the store and serves.
func (s *Server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{}
	po := pebble.DefaultOptions()
	po.FS, po.DiskReserveBytes = s.fs, 0
	po.CacheBytes, po.MemTableBytes = 1<<20, 1<<20
	po.Fatal = func(err error) { s.t.Error(err) }
	var err error
	if r.store, err = pebble.Open(ctx, "data", po); err != nil {
		s.t.Fatal(err)
	}
	log, err := embedded.Open(r.store, r.store.Apply, embedded.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	to := tc.Options{Address: s.address, Limits: tc.Limits{
		DrainLimit: 100 * time.Millisecond, FinishLimit: 100 * time.Millisecond,
	}}
	rules := txn.DefaultRules()
	rules.Retry.Unreachable, rules.Retry.First = 50*time.Millisecond, 50*time.Millisecond
	rules.Retry.Max = 500 * time.Millisecond
	oo := orchestrator.Options{Store: r.store, Log: log, Rules: rules, Limits: orchestrator.Limits{
		EndWait: 5 * time.Second, LockWait: 300 * time.Millisecond,
	}}
	for _, change := range s.change {
		change(&to, &oo)
	}
	if r.server, err = listen(to); err != nil {
		s.t.Fatal(err)
	}
	s.address = r.server.Addr().String()
	oo.Transport, oo.Advertise = r.server, cmp.Or(oo.Advertise, s.address)
	if r.coordinator, err = orchestrator.New(ctx, oo); err != nil {
		s.t.Fatal(err)
	}
	r.server.Bind(r.coordinator)
	var serving, running sync.WaitGroup
	rest, stopRest := context.WithCancel(context.Background())
	serving.Go(func() {
		if err := r.server.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	running.Go(func() {
		if err := r.coordinator.Run(rest); err != nil {
			s.t.Error(err)
		}
	})
	r.stop = func() {
		cancel()
		serving.Wait()
		stopRest()
		running.Wait()
		if err := r.store.Close(); err != nil {
			s.t.Error(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = r
}

// listen binds the address, and tries again while an old connection still holds it.
func listen(o tc.Options) (server *tc.Server, err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range int(Patience / (20 * time.Millisecond)) {
		if server, err = tc.Listen(o); err == nil {
			return server, nil
		}
		<-tick.C
	}
	return nil, err
}

// Addr is the address for clients, which xids begin with.
func (s *Server) Addr() string { return s.address }

// Stop stops the coordinator in good order: clients see their connections end. It may be called again.
func (s *Server) Stop() {
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock()
	if r != nil {
		r.stop()
	}
}

// Restart stops the coordinator if it runs, and starts it again at the same address on the same store.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// Coordinator is the runtime, for what has no function here. It is nil while the server is stopped.
func (s *Server) Coordinator() *orchestrator.Coordinator {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	return s.run.coordinator
}

// Sessions describes the clients that are connected.
func (s *Server) Sessions() []tc.SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	return s.run.server.Sessions()
}

// Transaction is what the coordinator knows of a global transaction; nil if it does not know it. The server must run.
func (s *Server) Transaction(xid string) *txn.Global {
	s.t.Helper()
	id, ok := txn.ParseXID(xid)
	if !ok {
		s.t.Fatalf("%q is no xid", xid)
	}
	type answer struct {
		g   *txn.Global
		err error
	}
	answers := make(chan answer, 1)
	s.Coordinator().Get(id.ID, func(g *txn.Global, err error) { answers <- answer{g, err} })
	select {
	case a := <-answers:
		if a.err != nil {
			return nil
		}
		return a.g
	case <-time.After(Patience):
		s.t.Fatalf("the coordinator does not answer about %s", xid)
	}
	return nil
}

// Status is the coordinator's own status of a transaction: "" if it does not know it.
func (s *Server) Status(xid string) string {
	s.t.Helper()
	if g := s.Transaction(xid); g != nil {
		return g.Status.String()
	}
	return ""
}

// Locks lists the rows that are locked, "resource table:key of xid", sorted.
func (s *Server) Locks() []string {
	s.t.Helper()
	s.mu.Lock()
	r := s.run
	s.mu.Unlock()
	var rows []string
	if r == nil {
		return rows
	}
	page, err := r.store.Locks(context.Background(), orchestrator.LockQuery{Limit: 100_000})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range page.Items {
		rows = append(rows, fmt.Sprintf("%s %s:%s of %s", l.Row.Resource, l.Row.Table, l.Row.PK, l.Holder))
	}
	slices.Sort(rows)
	return rows
}

// Open connects a client to coordinators; it is closed when the test ends, before the servers that were started before.
func Open(t testing.TB, nodes ...string) *client.Client {
	t.Helper()
	return OpenWith(t, client.Options{Nodes: client.Static(nodes...)})
}

// OpenWith connects a client with options of the test's own. Without Application it is "test"; reconnecting is quick
// unless that is said.
func OpenWith(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	if o.Application == "" {
		o.Application = "test"
	}
	if o.ReconnectMax == 0 {
		o.ReconnectMin, o.ReconnectMax = 10*time.Millisecond, 200*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := client.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Eventually waits until something is so.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(Patience); !is(); <-tick.C {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}

// FreeAddress is an address of 127.0.0.1 on which nobody listens at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
