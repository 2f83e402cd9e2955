package relay

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Local is the transport to the participants that are connected to this node; *tc.Server is one.
type Local interface {
	orchestrator.Transport
	// SendFor is Send, but the end of the attempt is given to report: exactly once if nil is returned, perhaps before
	// that. It does not block, and neither does report. The end of a task is told to the coordinator here, by whoever
	// takes it.
	SendFor(cmd txn.Command, report func(id int64, r txn.Reply)) error
}

// Options are the parts and parameters of a [Relay]. Self, Local, Directory, Secret, Reply and Sessions are required.
type Options struct {
	// Self is the id of this node.
	Self string
	// Local reaches the participants that are connected here. Its Send returns an error that is
	// orchestrator.ErrNobody if there is none for a command.
	Local Local
	// Directory knows the other nodes, and who is connected to them.
	Directory orchestrator.Directory
	// Secret is the same for all nodes of a cluster, and for nobody else. At least [SecretBytesMin] bytes.
	Secret []byte
	// Reply is orchestrator.Coordinator.Reply.
	Reply func(id int64, r txn.Reply)
	// Sessions says who is connected here, Changed gets a value when that changes; nil: only Limits.PublishEvery counts.
	Sessions func() []orchestrator.SessionEntry
	Changed  <-chan struct{}
	// Valid says whether the lease of this node certainly holds. Nil: always.
	Valid func() bool
	// Clock is the store's time; nil: the machine's.
	Clock orchestrator.Clock
	// Client makes the calls; nil: one that suits. It must not follow redirects or change requests.
	Client *http.Client
	Limits Limits
	Logger *slog.Logger // nil: discarded
}

// SecretBytesMin is the least length of a secret.
const SecretBytesMin = 16

// Limits bound a relay. The zero value of a field means its default, given in brackets.
type Limits struct {
	// AnswerLimit is how long the participants' answers are waited for at their node: tc.Limits.AnswerLimit [15 s].
	// AnswerMargin is how much longer the origin waits for the news of it [3 s].
	AnswerLimit, AnswerMargin time.Duration
	// CallLimit is how long one call may take [2 s], DialLimit how long its connection [1 s].
	CallLimit, DialLimit time.Duration
	// RetryAfter is the pause before a call that brings ends back is made a second and last time [200 ms].
	RetryAfter time.Duration
	// DownFor is how long a node that did not answer is not asked again [1 s].
	DownFor time.Duration
	// RefreshEvery is how often the directory is read [1 s]. RefreshGap is how long it is at least left alone, if
	// commands ask for it earlier [100 ms].
	RefreshEvery, RefreshGap time.Duration
	// PublishDelay is how long further changes of the sessions are waited for [100 ms]. PublishEvery is how often they
	// are published without any [30 s].
	PublishDelay, PublishEvery time.Duration
	// DirectoryLimit is how long one look into the directory may take [2 s].
	DirectoryLimit time.Duration
	// DrainLimit is how long a stopping relay tries to say what is queued [2 s].
	DrainLimit time.Duration
	// Window is how far the time of a call may be from ours [60 s].
	Window time.Duration
	// CommandsMax and CommandBytesMax bound the commands that are queued for one node [16,384, 64 MiB], EndingsMax and
	// EndingBytesMax the ends [65,536, 32 MiB].
	CommandsMax, CommandBytesMax, EndingsMax, EndingBytesMax int
	// PendingMax bounds the commands of this node whose end is not known [262,144].
	PendingMax int
	// BatchMax and BatchBytesMax bound one call [1024, 4 MiB]; a larger command goes alone.
	BatchMax, BatchBytesMax int
	// BodyBytesMax is the largest body that is read [16 MiB].
	BodyBytesMax int
}

// DefaultLimits is what the documentation promises.
func DefaultLimits() Limits {
	return Limits{
		AnswerLimit:     15 * time.Second,
		AnswerMargin:    3 * time.Second,
		CallLimit:       2 * time.Second,
		DialLimit:       time.Second,
		RetryAfter:      200 * time.Millisecond,
		DownFor:         time.Second,
		RefreshEvery:    time.Second,
		RefreshGap:      100 * time.Millisecond,
		PublishDelay:    100 * time.Millisecond,
		PublishEvery:    30 * time.Second,
		DirectoryLimit:  2 * time.Second,
		DrainLimit:      2 * time.Second,
		Window:          time.Minute,
		CommandsMax:     1 << 14,
		CommandBytesMax: 64 << 20,
		EndingsMax:      1 << 16,
		EndingBytesMax:  32 << 20,
		PendingMax:      1 << 18,
		BatchMax:        1024,
		BatchBytesMax:   4 << 20,
		BodyBytesMax:    16 << 20,
	}
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.AnswerLimit = cmp.Or(l.AnswerLimit, d.AnswerLimit)
	l.AnswerMargin = cmp.Or(l.AnswerMargin, d.AnswerMargin)
	l.CallLimit = cmp.Or(l.CallLimit, d.CallLimit)
	l.DialLimit = cmp.Or(l.DialLimit, d.DialLimit)
	l.RetryAfter = cmp.Or(l.RetryAfter, d.RetryAfter)
	l.DownFor = cmp.Or(l.DownFor, d.DownFor)
	l.RefreshEvery = cmp.Or(l.RefreshEvery, d.RefreshEvery)
	l.RefreshGap = cmp.Or(l.RefreshGap, d.RefreshGap)
	l.PublishDelay = cmp.Or(l.PublishDelay, d.PublishDelay)
	l.PublishEvery = cmp.Or(l.PublishEvery, d.PublishEvery)
	l.DirectoryLimit = cmp.Or(l.DirectoryLimit, d.DirectoryLimit)
	l.DrainLimit = cmp.Or(l.DrainLimit, d.DrainLimit)
	l.Window = cmp.Or(l.Window, d.Window)
	l.CommandsMax = cmp.Or(l.CommandsMax, d.CommandsMax)
	l.CommandBytesMax = cmp.Or(l.CommandBytesMax, d.CommandBytesMax)
	l.EndingsMax = cmp.Or(l.EndingsMax, d.EndingsMax)
	l.EndingBytesMax = cmp.Or(l.EndingBytesMax, d.EndingBytesMax)
	l.PendingMax = cmp.Or(l.PendingMax, d.PendingMax)
	l.BatchMax = cmp.Or(l.BatchMax, d.BatchMax)
	l.BatchBytesMax = cmp.Or(l.BatchBytesMax, d.BatchBytesMax)
	l.BodyBytesMax = cmp.Or(l.BodyBytesMax, d.BodyBytesMax)
	l.BatchMax = min(l.BatchMax, recordsMax)
	return l
}

// tick is how often attempts are looked at that may be over their limit.
const tick = 50 * time.Millisecond
