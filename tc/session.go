package tc

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	getty "github.com/apache/dubbo-getty"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// session is one connection, as a TM, an RM or both. It is getty's reader and listener for that connection, so all
// methods that getty calls run on one goroutine, the reader.
type session struct {
	server *Server
	conn   net.Conn
	addr   string // remote "ip:port", IPv6 in brackets, without zone
	ip     string
	since  time.Time
	out    outbox

	// who is the peer. Immutable; replaced by the reader.
	who atomic.Pointer[identity]

	// Server time; see Server.clock. partialSince is 0 while no frame is incomplete.
	opened       int64
	lastRead     atomic.Int64
	partialSince atomic.Int64
	spoke        atomic.Bool  // a whole frame has come
	pinged       atomic.Bool  // the peer uses heartbeats
	finishAt     atomic.Int64 // when a finished session is closed for good; 0: it is not finished
	finishing    atomic.Bool
	leaveBy      atomic.Int64 // when a session that is let go is finished at the latest; 0: it is not let go
	busyAt       atomic.Int64 // when a request came last to one that is let go
	underway     underway
	ahead        ahead

	requests atomic.Int32 // that wait for an answer
	commands atomic.Int32 // that the peer owes an answer to
	dead     atomic.Bool
	reason   Fault // why it is dead; written by who set dead, read in OnClose
	cause    error
	reasoned chan struct{} // closed when reason and cause are written

	// Guarded by registry.mu.
	resources map[string]struct{} // registered
	used      map[string]struct{} // not registered, but branches came from here

	// Guarded by commands.mu.
	owed *command

	// The reader's own.
	in       incoming
	interned map[string]string // resource ids
	reserved int64             // of Limits.ReceiveBytesMax

	deadlineSet time.Time // the writer's own
}

// incoming is the frame between getty's two calls for it, Read and OnMessage.
type incoming struct {
	header  seata.Header
	head    []seata.HeadEntry // normally empty
	pkg     seata.ProtoPackage
	message seata.Message
	failed  *seata.BodyError // the body is broken, but it is known what was asked
}

// identity is what the registrations told.
type identity struct {
	tm, rm               bool
	tmVersion, rmVersion string
	version              seata.ClientVersion // the older of the two: what both understand
	application, group   string              // of transactions begun here
	client               string              // "application:ip:port" of branches registered here
	branchApplication    string
	codec                seata.Codec
	pkg                  seata.ProtoPackage
	merges, seataGoTM    bool
	trusted              bool // a registration was accepted under AuthEnforce
}

func newSession(s *Server, conn net.Conn) *session {
	ss := &session{
		server: s, conn: conn, since: time.Now(), reasoned: make(chan struct{}),
		resources: make(map[string]struct{}), interned: make(map[string]string),
	}
	ss.addr = conn.RemoteAddr().String()
	if ap, err := netip.ParseAddrPort(ss.addr); err == nil {
		ip := ap.Addr().Unmap().WithZone("")
		ss.ip, ss.addr = ip.String(), netip.AddrPortFrom(ip, ap.Port()).String()
	}
	ss.opened = s.clock.Load()
	ss.lastRead.Store(ss.opened)
	ss.who.Store(&identity{client: ":" + ss.addr, codec: seata.CodecSeata})
	ss.out.init()
	return ss
}

// kill marks the session as dead and closes its connection; everything else is done in OnClose, which follows at once.
// It does not block and may be called by anybody. Only the first call has an effect.
func (s *session) kill(why Fault, err error) {
	if !s.dead.CompareAndSwap(false, true) {
		return
	}
	s.reason, s.cause = why, err
	close(s.reasoned)
	s.out.close()
	_ = plain(s.conn).Close() // getty's pending read returns; closing TLS in good order could wait for the peer
}

// plain returns the connection under TLS, or conn itself.
func plain(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// finish closes the session without losing what was answered: no more requests are taken, those that still wait are
// answered that nobody knows, what is appended is written, then the peer is told that nothing more will come, and has
// Limits.FinishLimit to close.
func (s *session) finish() {
	if !s.finishing.CompareAndSwap(false, true) {
		return
	}
	for _, o := range s.underway.list(false) {
		o.refuse(errLeft)
	}
	s.out.flushAndFinish()
}

// finishWriting is the writer's part of finish. getty's client, which seata-go uses, does not come back after a clean
// end of stream, only after a reset (reference: rocketmq-and-getty.md, 5.6).
func (s *session) finishWriting() {
	if !s.finishAt.CompareAndSwap(0, s.server.clock.Load()+int64(s.server.limits.FinishLimit)) {
		return
	}
	conn, ok := plain(s.conn).(*net.TCPConn)
	if !ok {
		return
	}
	if s.out.paced.Load() {
		_ = conn.SetLinger(0)
		return
	}
	if secure, ok := s.conn.(*tls.Conn); ok {
		_ = secure.CloseWrite() // the end in terms of TLS; it takes 5 s at most
	}
	_ = conn.CloseWrite()
}

// OnOpen implements getty.EventListener. Everything was done when the connection was accepted.
func (s *session) OnOpen(getty.Session) error { return nil }

// OnError implements getty.EventListener: reading failed. OnClose follows.
func (s *session) OnError(_ getty.Session, err error) {
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	s.kill(FaultEnded, err)
}

// OnCron implements getty.EventListener. It runs on a goroutine that all getty timers share, and does nothing.
func (s *session) OnCron(getty.Session) {}

// OnClose implements getty.EventListener: the reader has ended. Whatever ended the session, this is where it is
// cleaned up.
func (s *session) OnClose(getty.Session) {
	s.kill(FaultEnded, nil)
	<-s.reasoned
	defer s.server.running.Done()
	s.server.forget(s)
	s.server.receiving.Add(-s.reserved)
	s.server.open.Add(-1)
	s.in = incoming{}
	for _, c := range s.server.commands.drop(s) {
		s.server.stats.dropped.Add(1)
		s.server.report(c, txn.ResultNoAnswer, "session closed before the answer")
	}
	s.server.stats.faults[s.reason].Add(1)
	switch s.reason {
	case FaultEnded, FaultStopped:
		s.server.logger.Debug("session closed", s.attrs()...)
	case FaultPanic: // logged with its stack where it happened
	default:
		s.server.warn("session closed by the coordinator", s.attrs()...)
	}
}

// attrs describes the session for a log line.
func (s *session) attrs() []any {
	who := s.who.Load()
	attrs := []any{slog.String("client", who.client), slog.String("fault", s.reason.String())}
	if s.cause != nil {
		attrs = append(attrs, slog.Any("err", s.cause))
	}
	return attrs
}

// answer sends msg to the peer; it never blocks. A message that cannot be encoded closes the session: the peer would
// wait for it in vain.
func (s *session) answer(env *seata.Envelope, msg seata.Message) {
	result, err := s.out.append(env, msg, s.server.limits.UnsentBytesMax)
	switch result {
	case appended:
		s.server.stats.framesOut[classOf(msg.TypeCode())].Add(1)
	case appendOverflow:
		s.kill(FaultSlowReader, nil)
	case appendRefused:
		s.kill(FaultEncode, err)
	case appendClosed: // nobody is there to read it
	}
}

// reply returns the envelope of an answer to the frame that was read last.
func (s *session) reply() seata.Envelope {
	return s.envelope(s.in.header, s.in.pkg)
}

// envelope is what an answer to a frame travels in: same id, codec, compressor and package.
func (s *session) envelope(h seata.Header, pkg seata.ProtoPackage) seata.Envelope {
	return seata.Envelope{
		MsgType: seata.Response, Codec: h.Codec, Compressor: h.Compressor, ID: h.ID,
		Version: s.who.Load().version, Package: pkg, Compressors: &s.server.compressors,
	}
}

// intern returns one copy of a resource id for the life of the session, so that a branch does not keep the frame that
// it came in, and makes sure that phase two can find its way back here.
func (s *session) intern(resource string) string {
	if known, ok := s.interned[resource]; ok {
		return known
	}
	resource = strings.Clone(resource)
	if len(s.interned) < resourcesMax {
		s.interned[resource] = resource
		s.server.registry.use(s, resource)
	}
	return resource
}

// SessionInfo describes a session.
type SessionInfo struct {
	// Client is "application:ip:port".
	Client      string
	Application string
	Group       string
	IP          string
	TM, RM      bool
	// TMVersion and RMVersion are as the client told.
	TMVersion, RMVersion string
	Codec                string
	// Resources are those registered, sorted.
	Resources []string
	Since     time.Time
	// Requests is how many wait for an answer, Commands how many answers the peer owes, UnsentBytes what it has not
	// read.
	Requests, Commands, UnsentBytes int
	// Paced: frames are sent one by one, as seata-go needs.
	Paced bool
}

// Sessions describes all sessions, in order of their clients. It may be called at any time; it looks at each session
// for a moment.
func (s *Server) Sessions() []SessionInfo {
	var infos []SessionInfo
	for _, ss := range s.registry.all() {
		who := ss.who.Load()
		info := SessionInfo{
			Client: who.client, Application: who.application, Group: who.group, IP: ss.ip, TM: who.tm, RM: who.rm,
			TMVersion: who.tmVersion, RMVersion: who.rmVersion, Codec: who.codec.String(), Since: ss.since,
			Resources: s.registry.resourcesOf(ss), Requests: int(ss.requests.Load()),
			Commands: int(ss.commands.Load()), UnsentBytes: ss.out.unsent(), Paced: ss.out.paced.Load(),
		}
		if !who.tm {
			info.Application = who.branchApplication
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b SessionInfo) int { return strings.Compare(a.Client, b.Client) })
	return infos
}
