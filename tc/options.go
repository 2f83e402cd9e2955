package tc

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Options are the parameters of a [Server]. The zero value listens on [AddressDefault] without authentication.
type Options struct {
	// Address is the "host:port" to listen on; port 0 picks a free one. Empty means [AddressDefault].
	Address string
	// Auth says what is done about the signatures of transaction managers.
	Auth AuthMode
	// Keys maps access keys to their secrets. Read only.
	Keys map[string]string
	// TLS has the port speak TLS and nothing else; nil: plain TCP. Its certificates are chosen for each connection by
	// GetConfigForClient.
	TLS *tls.Config
	// Limits bound what clients may use.
	Limits Limits
	// Logger gets one line per refused peer, at a bounded rate; nil discards.
	Logger *slog.Logger
	// Now is the clock that signatures are compared with; nil is time.Now.
	Now func() time.Time
}

// AddressDefault is Seata's port on all interfaces.
const AddressDefault = ":8091"

// serverVersion is what registrations are answered with. Clients only log it. Seata 2.2.0 Version.java.
const serverVersion = "2.2.0"

// AuthMode says what is done about the access-key signatures of transaction managers.
type AuthMode uint8

// The modes. Seata's default signer exists since 1.5: older clients sign nothing and cannot pass AuthEnforce.
const (
	// AuthOff accepts everybody.
	AuthOff AuthMode = iota
	// AuthLog accepts everybody and logs and counts who would be refused.
	AuthLog
	// AuthEnforce refuses a TM without a valid signature that is at most five minutes old. RMs do not sign: one is
	// accepted if a TM of the same application and IP address has registered in this server's lifetime, and the
	// requests of a session without an accepted registration close it.
	AuthEnforce
)

// String returns "off", "log" or "enforce".
func (m AuthMode) String() string {
	switch m {
	case AuthOff:
		return "off"
	case AuthLog:
		return "log"
	case AuthEnforce:
		return "enforce"
	}
	return "invalid"
}

// Limits bound a server. The zero value of a field means its default, given in brackets.
type Limits struct {
	// SessionsMax is the greatest number of connections; more are closed at once [10,000]. It has to stay below the
	// process's limit of open files: getty's accept loop spins while the latter is exhausted.
	SessionsMax int
	// RequestsMax is the greatest number of a session's requests that wait for an answer; more are answered Failed
	// [10,000]. PINGs and phase-two answers do not count; commits and rollbacks may go up to twice as far, since
	// there is no harmless failed answer to them.
	RequestsMax int
	// CommandsMax is the greatest number of phase-two commands that one session owes an answer to [4096].
	CommandsMax int
	// PendingMax is that of all sessions together [262,144].
	PendingMax int
	// UnsentBytesMax is how much a session may leave unread before it is closed [16 MiB].
	UnsentBytesMax int
	// FrameBytesMax is the largest frame that is read [8 MiB, which is also the most]. Until a session is registered
	// it is at most 1 MiB.
	FrameBytesMax int
	// ReceiveBytesMax bounds the memory for large incomplete frames of all sessions together [1 GiB].
	ReceiveBytesMax int64
	// IdleLimit is how long a peer may send nothing: in the middle of a frame, before its first one, or at all if it
	// ever sent a PING [15 s]. Peers with heartbeats switched off are left to TCP keepalive.
	IdleLimit time.Duration
	// FrameLimit is how long one frame may take to arrive [60 s].
	FrameLimit time.Duration
	// AnswerLimit is how long the answer to a phase-two command is waited for [15 s]. seata-go never answers one
	// that failed.
	AnswerLimit time.Duration
	// WriteLimit is how long one write may take [10 s].
	WriteLimit time.Duration
	// DrainLimit is how long a stopping server waits for requests under way [5 s], FinishLimit how long for its
	// peers to close after that [1 s].
	DrainLimit, FinishLimit time.Duration
	// DropLimit is how long a session that is let go by [Server.DropSessions] waits for the requests and commands that
	// are under way [6 s]: longer than a store that cannot be reached takes to say so.
	DropLimit time.Duration
	// PaceEvery is the time between two frames to a stock seata-go client [200 µs]. Its reader cannot take a read
	// that ends inside a frame header (reference: peers-measured.md, 9).
	PaceEvery time.Duration
	// UndoLogFirst and UndoLogEvery are when RMs are told to delete old undo logs [3 min after the start, then each
	// 24 h]; negative UndoLogFirst: never. UndoLogDays is how many days they keep [7].
	UndoLogFirst, UndoLogEvery time.Duration
	UndoLogDays                int16
}

// DefaultLimits is what the documentation promises.
func DefaultLimits() Limits {
	return Limits{
		SessionsMax:     10_000,
		RequestsMax:     10_000,
		CommandsMax:     4096,
		PendingMax:      1 << 18,
		UnsentBytesMax:  16 << 20,
		FrameBytesMax:   seata.FrameBytesMax,
		ReceiveBytesMax: 1 << 30,
		IdleLimit:       15 * time.Second,
		FrameLimit:      time.Minute,
		AnswerLimit:     15 * time.Second,
		WriteLimit:      10 * time.Second,
		DrainLimit:      5 * time.Second,
		FinishLimit:     time.Second,
		DropLimit:       6 * time.Second,
		PaceEvery:       200 * time.Microsecond,
		UndoLogFirst:    3 * time.Minute,
		UndoLogEvery:    24 * time.Hour,
		UndoLogDays:     7,
	}
}

// Bounds that are not worth a setting.
const (
	registeringFrameBytesMax = 1 << 20  // of a frame from a session that is not registered
	smallFrameBytes          = 64 << 10 // frames up to this size are not counted against ReceiveBytesMax
	nameBytesMax             = 1024     // of an application or group
	resourceBytesMax         = 4096     // of a resource id
	resourcesMax             = 10_000   // of a session
	trustedMax               = 100_000  // applications and addresses with an accepted TM
	idleBufferBytesMax       = 32 << 10 // what a writer keeps while it has nothing to do
	signatureAgeMax          = 5 * time.Minute
)

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.SessionsMax = cmp.Or(l.SessionsMax, d.SessionsMax)
	l.RequestsMax = cmp.Or(l.RequestsMax, d.RequestsMax)
	l.CommandsMax = cmp.Or(l.CommandsMax, d.CommandsMax)
	l.PendingMax = cmp.Or(l.PendingMax, d.PendingMax)
	l.UnsentBytesMax = cmp.Or(l.UnsentBytesMax, d.UnsentBytesMax)
	l.FrameBytesMax = cmp.Or(l.FrameBytesMax, d.FrameBytesMax)
	l.ReceiveBytesMax = cmp.Or(l.ReceiveBytesMax, d.ReceiveBytesMax)
	l.IdleLimit = cmp.Or(l.IdleLimit, d.IdleLimit)
	l.FrameLimit = cmp.Or(l.FrameLimit, d.FrameLimit)
	l.AnswerLimit = cmp.Or(l.AnswerLimit, d.AnswerLimit)
	l.WriteLimit = cmp.Or(l.WriteLimit, d.WriteLimit)
	l.DrainLimit = cmp.Or(l.DrainLimit, d.DrainLimit)
	l.FinishLimit = cmp.Or(l.FinishLimit, d.FinishLimit)
	l.DropLimit = cmp.Or(l.DropLimit, d.DropLimit)
	l.PaceEvery = cmp.Or(l.PaceEvery, d.PaceEvery)
	l.UndoLogFirst = cmp.Or(l.UndoLogFirst, d.UndoLogFirst)
	l.UndoLogEvery = cmp.Or(l.UndoLogEvery, d.UndoLogEvery)
	l.UndoLogDays = cmp.Or(l.UndoLogDays, d.UndoLogDays)
	l.FrameBytesMax = min(l.FrameBytesMax, seata.FrameBytesMax)
	return l
}

// tick is how often limits are looked at: often enough for the shortest of them, between 5 and 250 ms.
func (l Limits) tick() time.Duration {
	shortest := min(l.IdleLimit, l.FrameLimit, l.AnswerLimit, l.DrainLimit, l.FinishLimit, l.DropLimit)
	return min(max(shortest/8, 5*time.Millisecond), 250*time.Millisecond)
}
