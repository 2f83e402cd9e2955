package callback

import (
	"cmp"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Options are the parameters of a [Transport]. The zero value calls nobody.
type Options struct {
	// Allow lists who may be called, each as HOST, *.SUFFIX, * for any name, an address, or a network in CIDR form, with
	// :PORT or for all ports. A name in it may resolve to public addresses; every other address has to be listed as
	// well, by itself or by its network.
	Allow []string
	// Loopback adds this machine to Allow. Insecure permits http to others than this machine.
	Loopback, Insecure bool
	// Proxy is the http URL of a proxy through which all calls go, or "". It resolves names in our place, so that it has
	// to refuse addresses in our place, too. The environment's proxies are not used.
	Proxy string
	// Roots are the authorities that certificates of participants may come from. Nil: those of the machine.
	Roots *x509.CertPool
	// Secrets sign the calls, the newest first; without one nothing is signed.
	Secrets [][]byte
	// Version is told to participants.
	Version string
	// Limits are bounds; zero fields have their defaults.
	Limits Limits
	// Trace is asked at the begin of each attempt for the traceparent to send, "" for none, and for a function that is
	// called with the attempt's end, or nil. Nil: the transaction's own is passed on as it is.
	Trace func(cmd *txn.Command) (traceparent string, end func(txn.Reply))
	// Valid says whether this node's lease certainly holds; while it does not, no call begins. Nil: always.
	Valid func() bool
	Clock orchestrator.Clock // nil: SystemClock
	// Resolver is for tests. Nil: that of the machine.
	Resolver *net.Resolver
	Logger   *slog.Logger // nil: discarded
}

// Limits are the bounds of a [Transport]. The zero value of a field means its default.
type Limits struct {
	// Timeout is how long an attempt may take where the branch does not say.
	Timeout time.Duration
	// InFlight is how many calls may be under way, PerTarget how many of them to one target.
	InFlight, PerTarget int
	// Queued is how many calls may wait for one target, QueuedBytes how much data may wait in all.
	Queued      int
	QueuedBytes int64
	// Targets is how many targets are remembered at once.
	Targets int
	// Failures is after how many failed connections or missing answers, and no answer in between, a target is dead.
	Failures int
	// RetryPercent and RetryRate bound the attempts that repeat a failure: a share of the first attempts to the same
	// target, and so many each second.
	RetryPercent, RetryRate int
	// Drain is how long a shutdown waits for calls under way.
	Drain time.Duration
}

// DefaultLimits is what the documentation promises.
func DefaultLimits() Limits {
	return Limits{
		Timeout: 10 * time.Second, InFlight: 2048, PerTarget: 64, Queued: 16 << 10, QueuedBytes: 256 << 20, Targets: 4096,
		Failures: 5, RetryPercent: 20, RetryRate: 20, Drain: time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Timeout = cmp.Or(l.Timeout, d.Timeout)
	l.InFlight = cmp.Or(l.InFlight, d.InFlight)
	l.PerTarget = cmp.Or(l.PerTarget, d.PerTarget)
	l.Queued = cmp.Or(l.Queued, d.Queued)
	l.QueuedBytes = cmp.Or(l.QueuedBytes, d.QueuedBytes)
	l.Targets = cmp.Or(l.Targets, d.Targets)
	l.Failures = cmp.Or(l.Failures, d.Failures)
	l.RetryPercent = cmp.Or(l.RetryPercent, d.RetryPercent)
	l.RetryRate = cmp.Or(l.RetryRate, d.RetryRate)
	l.Drain = cmp.Or(l.Drain, d.Drain)
	return l
}

// retryBurst is how many tokens a budget holds.
func (l *Limits) retryBurst() int { return max(100, 5*l.RetryRate) }

var errNoReply = errors.New("callback: used before Bind")
