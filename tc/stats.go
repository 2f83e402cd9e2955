package tc

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Class groups frames by what they are for.
type Class uint8

// The classes of frames.
const (
	ClassHeartbeat Class = iota // PING, PONG
	ClassRegister               // RegisterTM, RegisterRM and their answers
	ClassGlobal                 // begin, commit, rollback, status, report
	ClassBranch                 // register, report, lock query
	ClassMerged                 // frames that wrap several requests or answers
	ClassPhaseTwo               // commands and their answers, undo log deletion
	ClassOther
	classCount
)

// String returns the name that metrics show.
func (c Class) String() string {
	switch c {
	case ClassHeartbeat:
		return "heartbeat"
	case ClassRegister:
		return "register"
	case ClassGlobal:
		return "global"
	case ClassBranch:
		return "branch"
	case ClassMerged:
		return "merged"
	case ClassPhaseTwo:
		return "phaseTwo"
	}
	return "other"
}

func classOf(t seata.TypeCode) Class {
	switch t {
	case seata.TypeHeartbeat:
		return ClassHeartbeat
	case seata.TypeRegisterTM, seata.TypeRegisterTMResult, seata.TypeRegisterRM, seata.TypeRegisterRMResult:
		return ClassRegister
	case seata.TypeGlobalBegin, seata.TypeGlobalBeginResult, seata.TypeGlobalCommit, seata.TypeGlobalCommitResult,
		seata.TypeGlobalRollback, seata.TypeGlobalRollbackResult, seata.TypeGlobalStatus,
		seata.TypeGlobalStatusResult, seata.TypeGlobalReport, seata.TypeGlobalReportResult:
		return ClassGlobal
	case seata.TypeBranchRegister, seata.TypeBranchRegisterResult, seata.TypeBranchReport,
		seata.TypeBranchReportResult, seata.TypeGlobalLockQuery, seata.TypeGlobalLockQueryResult:
		return ClassBranch
	case seata.TypeMergedRequest, seata.TypeMergeResult, seata.TypeBatchResult:
		return ClassMerged
	case seata.TypeBranchCommit, seata.TypeBranchCommitResult, seata.TypeBranchRollback,
		seata.TypeBranchRollbackResult, seata.TypeUndoLogDelete:
		return ClassPhaseTwo
	}
	return ClassOther
}

// Fault says why a session was closed or a request was refused.
type Fault uint8

// The faults.
const (
	FaultNone         Fault = iota
	FaultEnded              // the peer closed the connection; no fault of anybody
	FaultStopped            // this server is stopping
	FaultHTTP               // the peer speaks HTTP
	FaultTLS                // the peer speaks TLS
	FaultForeign            // the peer speaks something else
	FaultVersion            // a frame of Seata before 0.7, or of an unknown version
	FaultFrame              // lengths or head map of a frame are wrong
	FaultTooLarge           // a frame or what it decompresses to is over the limit
	FaultMemory             // large incomplete frames use all the memory that they may
	FaultCodec              // a codec or compressor that is not spoken
	FaultBody               // a body that is no message, or one that is not expected
	FaultIdle               // nothing came for too long
	FaultSlowFrame          // a frame did not arrive in time
	FaultSlowReader         // the peer does not read what it is sent
	FaultWrite              // a write failed or took too long
	FaultEncode             // an answer could not be encoded
	FaultUnregistered       // a request from a session that must register first
	FaultAuth               // a registration was refused
	FaultSessions           // too many sessions
	FaultBusy               // too many requests of one session
	FaultUnknowable         // a commit or rollback that could not be processed, nor a true status be told
	FaultPanic              // a defect of this program
	faultCount
)

// String returns the name that logs and metrics show.
func (f Fault) String() string {
	names := [faultCount]string{"none", "ended", "stopped", "http", "tls", "foreign", "version", "frame", "tooLarge",
		"memory", "codec", "body", "idle", "slowFrame", "slowReader", "write", "encode", "unregistered", "auth",
		"sessions", "busy", "unknowable", "panic"}
	if f < faultCount {
		return names[f]
	}
	return "invalid"
}

// counters are the server's numbers. All are atomic, so that reading them costs nobody anything.
type counters struct {
	framesIn, framesOut         [classCount]atomic.Int64
	bytesIn, bytesOut           atomic.Int64
	writes                      atomic.Int64
	faults                      [faultCount]atomic.Int64
	accepted                    atomic.Int64
	commandsSent                atomic.Int64
	answered, timedOut, dropped atomic.Int64
	strayAnswers, emptyAnswers  atomic.Int64
	authFailures                atomic.Int64
}

// Stats are the server's numbers since its start, except those that say "now".
type Stats struct {
	// FramesIn and FramesOut count frames by [Class].
	FramesIn, FramesOut [classCount]int64
	BytesIn, BytesOut   int64
	// Writes counts writes to sockets; FramesOut over Writes is how well answers are gathered.
	Writes int64
	// Faults counts closed sessions and refused requests by [Fault].
	Faults [faultCount]int64
	// Sessions is how many are open now, Accepted how many ever were.
	Sessions, Accepted int64
	// Requests is how many wait for an answer now.
	Requests int64
	// CommandsSent counts phase-two commands; of these CommandsOpen are unanswered now, Answered were answered,
	// TimedOut were not in time, Dropped lost their session.
	CommandsSent, CommandsOpen, Answered, TimedOut, Dropped int64
	// StrayAnswers counts answers that nobody waited for: late, doubled or foreign. EmptyAnswers counts the 16 bytes by
	// which an RM says that it does not know the resource.
	StrayAnswers, EmptyAnswers int64
	// AuthFailures counts refused registrations; in mode log, those that would have been.
	AuthFailures int64
}

// Stats returns the numbers. They are read one after the other, so they may be apart by what happens meanwhile.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(), Writes: c.writes.Load(),
		Sessions: s.open.Load(), Accepted: c.accepted.Load(), Requests: s.requests.Load(),
		CommandsSent: c.commandsSent.Load(), CommandsOpen: int64(s.commands.size()), Answered: c.answered.Load(),
		TimedOut: c.timedOut.Load(), Dropped: c.dropped.Load(), StrayAnswers: c.strayAnswers.Load(),
		EmptyAnswers: c.emptyAnswers.Load(), AuthFailures: c.authFailures.Load(),
	}
	for i := range out.FramesIn {
		out.FramesIn[i], out.FramesOut[i] = c.framesIn[i].Load(), c.framesOut[i].Load()
	}
	for i := range out.Faults {
		out.Faults[i] = c.faults[i].Load()
	}
	return out
}

// throttle lets a burst of lines through and then one a second, so that a flood of bad peers does not become a flood
// of log lines.
type throttle struct {
	mu         sync.Mutex
	tokens     float64
	last       time.Time
	suppressed int
}

const throttleBurst = 20

// take reports whether a line may be written, and how many were not since the last one.
func (t *throttle) take(now time.Time) (ok bool, suppressed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.IsZero() {
		t.tokens = throttleBurst
	} else if d := now.Sub(t.last).Seconds(); d > 0 {
		t.tokens = min(t.tokens+d, throttleBurst)
	}
	t.last = now
	if t.tokens < 1 {
		t.suppressed++
		return false, 0
	}
	t.tokens--
	suppressed, t.suppressed = t.suppressed, 0
	return true, suppressed
}

// warn writes a line at a bounded rate.
func (s *Server) warn(msg string, attrs ...any) {
	ok, suppressed := s.lines.take(s.now())
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	s.logger.Warn(msg, attrs...)
}
