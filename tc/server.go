package tc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	getty "github.com/apache/dubbo-getty"

	"github.com/concord-tx/concord/internal/gettylog"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// Coordinator is what a server needs of the runtime; *orchestrator.Coordinator has it. None of the methods blocks, and
// done is called exactly once, perhaps before the method returns.
type Coordinator interface {
	Begin(req orchestrator.BeginRequest, done func(txn.XID, error))
	Register(req orchestrator.RegisterRequest, done func(branchID int64, err error))
	Report(req orchestrator.ReportRequest, done func(error))
	Decide(req orchestrator.DecideRequest, done func(*txn.Global, error))
	Get(id int64, done func(*txn.Global, error))
	Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error))
	Reply(id int64, r txn.Reply)
	// ReserveID returns an id for a branch that may be registered later.
	ReserveID() (int64, error)
}

// Server accepts Seata clients and is the transport to their participants. Several may run in one process. All exported
// methods may be called concurrently.
type Server struct {
	limits      Limits
	auth        AuthMode
	keys        map[string]string
	logger      *slog.Logger
	now         func() time.Time
	coordinator Coordinator
	observer    Observer // nil: none

	endpoint getty.StreamServer
	addr     net.Addr
	started  chan struct{} // closed when connections may be served
	arrived  chan struct{} // gets a value when the accept loop is held up, for good
	stopping atomic.Bool   // no more connections
	draining atomic.Bool   // no more transactions
	once     sync.Once     // guards started and the end of accepting

	// clock is the time since the server was made in nanoseconds, as of the last tick: precise enough for limits of
	// seconds, and cheap enough to be read with each frame.
	clock       atomic.Int64
	epoch       time.Time
	tick        time.Duration // what the clock may be behind, so limits that start at it are that much longer
	registry    registry
	commands    commands
	trusted     trust
	compressors seata.Compressors
	lines       throttle
	stats       counters
	open        atomic.Int64   // sessions
	requests    atomic.Int64   // that wait for an answer
	receiving   atomic.Int64   // bytes reserved for large frames
	running     sync.WaitGroup // readers and writers of sessions
}

// Listen binds the address and returns a server. It is a transport at once; connections wait until [Server.Run] is
// called. A server that will not run must be closed. The error is that of the network.
func Listen(o Options) (*Server, error) {
	gettylog.Silence()
	s := newServer(o)
	if err := s.listen(o.Address, o.TLS); err != nil {
		return nil, err
	}
	return s, nil
}

func newServer(o Options) *Server {
	s := &Server{
		limits: o.Limits.withDefaults(), auth: o.Auth, keys: o.Keys, logger: o.Logger, now: o.Now,
		started: make(chan struct{}), arrived: make(chan struct{}, 1), epoch: time.Now(),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.tick = s.limits.tick()
	s.clock.Store(1) // 0 means "never" in sessions
	s.registry.init()
	s.commands.init()
	return s
}

// tlsBuilder hands a configuration to getty.
type tlsBuilder struct{ config *tls.Config }

// BuildTlsConfig implements getty.TlsConfigBuilder.
func (b tlsBuilder) BuildTlsConfig() (*tls.Config, error) { return b.config, nil }

// listen starts getty's server, which panics if it cannot listen.
func (s *Server) listen(address string, secure *tls.Config) (err error) {
	if address == "" {
		address = AddressDefault
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("listen on %s: %v", address, firstLine(p))
		}
	}()
	options := []getty.ServerOption{getty.WithLocalAddress(address)}
	if secure != nil {
		options = append(options, getty.WithServerSslEnabled(true), getty.WithServerTlsConfigBuilder(tlsBuilder{secure}))
	}
	endpoint, ok := getty.NewTCPServer(options...).(getty.StreamServer)
	if !ok {
		return errors.New("listen: getty's TCP server has no listener")
	}
	s.endpoint = endpoint
	endpoint.RunEventLoop(s.accept)
	s.addr = endpoint.Listener().Addr()
	return nil
}

// firstLine cuts the stack off getty's errors.
func firstLine(p any) string {
	text := fmt.Sprint(p)
	for i, r := range text {
		if r == '\n' {
			return text[:i]
		}
	}
	return text
}

// Addr is the bound address.
func (s *Server) Addr() net.Addr { return s.addr }

// Bind names the coordinator. It must be called once, before Run.
func (s *Server) Bind(c Coordinator) { s.coordinator = c }

// accept is getty's callback for a new connection, on its accept loop, which waits here until there is somebody to
// serve it.
func (s *Server) accept(gs getty.Session) error {
	<-s.started
	if s.stopping.Load() {
		s.arrived <- struct{}{}
		for !s.endpoint.IsClosed() { // see stopAccepting
			time.Sleep(time.Millisecond)
		}
		return orchestrator.ErrStopped
	}
	if s.open.Load() >= int64(s.limits.SessionsMax) {
		s.stats.faults[FaultSessions].Add(1)
		s.warn("connection refused, too many sessions", slog.String("client", gs.RemoteAddr()))
		return orchestrator.ErrBusy
	}
	conn := gs.Conn()
	if tcp, ok := plain(conn).(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		})
	}
	ss := newSession(s, conn)
	gs.SetName("seata")
	gs.SetPkgHandler(ss)
	gs.SetEventListener(ss)
	gs.SetMaxMsgLen(seata.FrameBytesMax)
	gs.SetReadTimeout(gettyReadTimeout)
	gs.SetWaitTime(1) // getty takes it for seconds; a greater one has close(2) wait for the peer
	s.open.Add(1)
	s.stats.accepted.Add(1)
	s.registry.add(ss)
	s.running.Add(2)
	go ss.write()
	return nil
}

const (
	// gettyReadTimeout only wakes getty's reader; sessions are closed by closing the connection.
	gettyReadTimeout = 30 * time.Second
	// A peer that vanished without a word is found after 30 s, whether it uses heartbeats or not.
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
)

// Run serves connections until ctx ends, then takes no new transactions, waits for the requests and commands under way,
// at most Limits.DrainLimit, and closes all sessions. It returns nil, or an error if no coordinator is bound. No
// goroutine of this package is left when it returns.
func (s *Server) Run(ctx context.Context) error {
	if s.coordinator == nil {
		s.stopAccepting()
		return errors.New("run Seata server: no coordinator is bound")
	}
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	s.clock.Store(int64(time.Since(s.epoch)))
	s.once.Do(func() { close(s.started) })
	undoLogs := s.clock.Load() + int64(s.limits.UndoLogFirst)
	for {
		select {
		case <-ctx.Done():
			s.drain(ticker.C)
			return nil
		case <-ticker.C:
			now := s.sweep()
			if s.limits.UndoLogFirst > 0 && now >= undoLogs {
				undoLogs = now + int64(s.limits.UndoLogEvery)
				s.deleteUndoLogs()
			}
		}
	}
}

// Close frees the address of a server that never ran.
func (s *Server) Close() error {
	s.stopAccepting()
	return nil
}

// sweep looks at everything that has a time limit.
func (s *Server) sweep() (now int64) {
	now = int64(time.Since(s.epoch))
	s.clock.Store(now)
	s.expireCommands(now)
	for _, ss := range s.registry.all() {
		ss.expire(now)
	}
	return now
}

// expire closes a session that is over a time limit.
func (s *session) expire(now int64) {
	limits := &s.server.limits
	idle := now-s.lastRead.Load() > int64(limits.IdleLimit+s.server.tick)
	partial := s.partialSince.Load()
	finishAt := s.finishAt.Load()
	s.letGo(now)
	switch {
	case finishAt != 0:
		if now >= finishAt {
			s.kill(FaultStopped, nil)
		}
	case partial != 0 && (idle || now-partial > int64(limits.FrameLimit+s.server.tick)):
		s.kill(FaultSlowFrame, nil)
	case idle && (s.pinged.Load() || !s.spoke.Load()):
		s.kill(FaultIdle, nil)
	}
}

// drain ends everything in good order.
func (s *Server) drain(tick <-chan time.Time) {
	s.draining.Store(true)
	s.stopAccepting()
	limit := s.sweep() + int64(s.limits.DrainLimit)
	for (s.requests.Load() > 0 || s.commands.size() > 0) && s.clock.Load() < limit {
		<-tick
		s.sweep()
	}
	for _, ss := range s.registry.all() {
		ss.finish()
	}
	limit = s.sweep() + int64(s.limits.FinishLimit)
	for s.open.Load() > 0 && s.clock.Load() < limit {
		<-tick
		s.sweep()
	}
	for _, ss := range s.registry.all() {
		ss.kill(FaultStopped, nil)
	}
	s.running.Wait()
}

// stopAccepting ends getty's accept loop. getty sets its listener to nil while the loop may be about to use it
// (dubbo-getty issue 132), which would end the process. So the loop is first led into our callback, by a connection of
// our own if no other comes along, and held there until the server is marked as closed, after which it does not touch
// the listener again.
func (s *Server) stopAccepting() {
	if !s.stopping.CompareAndSwap(false, true) {
		return
	}
	s.once.Do(func() { close(s.started) })
	conn, err := net.DialTimeout("tcp", s.addr.String(), time.Second)
	if err == nil {
		defer func() { _ = conn.Close() }()
		select {
		case <-s.arrived:
		case <-time.After(time.Second):
			s.logger.Warn("accept loop did not answer")
		}
	}
	s.endpoint.Close()
}

// forget takes a session out of the tables.
func (s *Server) forget(ss *session) {
	s.registry.remove(ss)
}
