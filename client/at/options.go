package at

import (
	"context"
	"log/slog"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/tc/seata"
)

// Coordinator is what the driver needs of a client; *client.Client is one. It must stand concurrent calls.
type Coordinator interface {
	StartBranch(ctx context.Context, b client.Branch) (likely int64, wait func() (id int64, err error))
	ReportBranch(ctx context.Context, b client.Branch, status seata.BranchStatus) error
	Lockable(ctx context.Context, b client.Branch) (bool, error)
	Serve(ctx context.Context, r client.Resource) error
	Withdraw(r client.Resource)
}

// Options say how a database takes part. The zero value is the usual one.
type Options struct {
	// Resource is the name under which the database is known to the coordinator. All services that change the same
	// rows must use the same name, or their locks do not meet. Default: jdbc:mysql://host:port/database, as Java's
	// clients derive it from their URL.
	Resource string
	// LockRetries is how often a row lock that another transaction holds is asked for again, beyond the 3 s that the
	// coordinator itself waits each time. Default 30, as in Java; negative: never.
	LockRetries int
	// LockPause is the time between two such attempts. Default 10 ms.
	LockPause time.Duration
	// RowsMax bounds the rows that one statement may change in a global transaction, since their images are kept in
	// memory and in undo_log. Default 10,000.
	RowsMax int
	// EndTimeout bounds what follows once a branch is registered, whatever becomes of the caller's context: writing the
	// undo log, COMMIT, or the local rollback and its report. Default 30 s.
	EndTimeout time.Duration
	// Undo says how undo logs are written. Its Location must be the zone of the virtual machines if Java's services share
	// the database, whatever loc the DSN has; its Prefix must suit them too.
	Undo undo.Options
	// SQL says how statements are read. ANSIQuotes and NoBackslashEscapes are also set if the database says so.
	SQL statement.Options
	// Logger gets what needs attention: dirty rows, reports that were lost, deletions that are late. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.LockRetries == 0 {
		o.LockRetries = 30
	}
	if o.LockPause <= 0 {
		o.LockPause = 10 * time.Millisecond
	}
	if o.RowsMax <= 0 {
		o.RowsMax = 10_000
	}
	if o.EndTimeout <= 0 {
		o.EndTimeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// lockKey is the key of WithGlobalLock in a context.
type lockKey struct{}

// WithGlobalLock returns a context whose local transactions look at the global locks although they are in no global
// transaction: they commit, and SELECT ... FOR UPDATE reads, only what no global transaction has locked. Java's clients
// call it @GlobalLock. A branch is not registered, nothing is undone. In a global transaction it changes nothing.
func WithGlobalLock(ctx context.Context) context.Context {
	return context.WithValue(ctx, lockKey{}, true)
}

// mode is how a context wants its statements to run. The zero value is: as without this package.
type mode struct {
	xid  string // of the global transaction, "" if none
	lock bool   // WithGlobalLock, and no global transaction
}

// modeOf leaves alone what a branch of another type does: the try of a TCC action answers for its changes by itself.
func modeOf(ctx context.Context) mode {
	if xid := client.XID(ctx); xid != "" {
		if t, ok := propagation.BranchType(ctx); ok && t != seata.BranchAT {
			return mode{}
		}
		return mode{xid: xid}
	}
	lock, _ := ctx.Value(lockKey{}).(bool)
	return mode{lock: lock}
}
