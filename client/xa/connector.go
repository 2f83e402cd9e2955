package xa

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
	"github.com/concord-tx/concord/tc/seata"
)

// Coordinator is what this package needs of a [client.Client].
type Coordinator interface {
	RegisterBranch(ctx context.Context, b client.Branch) (int64, error)
	ReportBranch(ctx context.Context, b client.Branch, status seata.BranchStatus) error
	Status(ctx context.Context, xid string) (seata.GlobalStatus, error)
	Serve(ctx context.Context, r client.Resource) error
	Withdraw(r client.Resource)
}

// Options of a database. The zero value of each means its default, given in brackets.
type Options struct {
	// ResourceID is how coordinators know the database [jdbc:mysql://host:port/name]. Services that finish each
	// other's branches use the same; that of MariaDB's Java driver begins with jdbc:mariadb.
	ResourceID string
	// BranchTimeout is how long a local transaction may be open in a global one [60 s]; a longer one is rolled back
	// when it is committed. It should be at least the timeout of the global transactions.
	BranchTimeout time.Duration
	// StatementTimeout bounds each XA statement that has no other bound [30 s].
	StatementTimeout time.Duration
	// RowsMax is how many rows a statement outside of a [sql.Tx] may return, if it is one that may change something or
	// takes locks [1000]. All are read before the branch is prepared.
	RowsMax int
	// HeldMax is how many prepared branches keep their connection until the second phase [64], HoldMax how long [20 s];
	// the connection of any other is closed, which costs a new one and nothing else. A server whose prepared branches
	// do not need their connection, MySQL from 8.0.29 on, has none held.
	HeldMax int
	HoldMax time.Duration
	// RecoverEvery is the pause between two looks for branches that were prepared and forgotten [30 s]; negative: never.
	// The first look is at once. MySQL allows it to who has XA_RECOVER_ADMIN.
	RecoverEvery time.Duration
	// Logger gets what happens in second phases and recovery [discarded].
	Logger *slog.Logger
}

func (o Options) withDefaults(c *mysql.Config) Options {
	o.ResourceID = cmp.Or(o.ResourceID, sqlwrap.ResourceID(c))
	o.BranchTimeout = cmp.Or(o.BranchTimeout, 60*time.Second)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, 30*time.Second)
	o.RowsMax = cmp.Or(o.RowsMax, 1000)
	o.HeldMax = cmp.Or(o.HeldMax, 64)
	o.HoldMax = cmp.Or(o.HoldMax, 20*time.Second)
	o.RecoverEvery = cmp.Or(o.RecoverEvery, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// OpenDB opens a database whose local transactions join the global transaction of their context by XA. Closing it
// closes everything. See [NewConnector].
func OpenDB(ctx context.Context, c Coordinator, dsn string, o Options) (*sql.DB, error) {
	connector, err := NewConnector(ctx, c, dsn, o)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Connector makes connections for one [sql.DB] and does the second phase of their branches. Its methods may be called
// concurrently.
type Connector struct {
	coordinator Coordinator
	o           Options
	base        driver.Connector
	detaches    bool    // a prepared branch does not need its connection
	admin       *sql.DB // of the second phase and of recovery, so that a busy pool is not in their way
	known       *branches

	spareMu sync.Mutex
	spare   []sqlwrap.Conn // connections whose branch is finished, for Connect

	stop    context.CancelFunc
	stopped chan struct{}
}

// spareMax bounds the connections that wait to be used again.
const spareMax = 16

// NewConnector looks at the server, registers the database with the coordinators, and looks for forgotten branches in
// the background until [Connector.Close]. The dsn is that of go-sql-driver/mysql, with a database name. Errors: the
// server does not answer or is too old to keep prepared branches, or the coordinator refuses.
func NewConnector(ctx context.Context, c Coordinator, dsn string, o Options) (*Connector, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("open XA database: %w", err)
	}
	if config.DBName == "" {
		return nil, errors.New("open XA database: the dsn names no database")
	}
	base, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("open XA database: %w", err)
	}
	o = o.withDefaults(config)
	x := &Connector{
		coordinator: c, o: o, base: base, admin: sql.OpenDB(base), known: newBranches(o.HeldMax),
		stopped: make(chan struct{}), spare: make([]sqlwrap.Conn, 0, spareMax),
	}
	x.admin.SetMaxOpenConns(8)
	x.admin.SetMaxIdleConns(2)
	if err := x.look(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open XA database %s: %w", o.ResourceID, err), x.admin.Close())
	}
	if err := c.Serve(ctx, resource{x}); err != nil {
		return nil, errors.Join(fmt.Errorf("open XA database %s: %w", o.ResourceID, err), x.admin.Close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	x.stop = stop
	go x.keep(background)
	return x, nil
}

// look finds out what the server can do.
func (x *Connector) look(ctx context.Context) error {
	var version string
	if err := x.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	var name, value string
	err := x.admin.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'xa_detach_on_prepare'").Scan(&name, &value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	x.detaches = value == "ON"
	return nil
}

// Driver implements [driver.Connector].
func (x *Connector) Driver() driver.Driver { return x.base.Driver() }

// Connect implements [driver.Connector].
func (x *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		inner, ok := x.takeSpare()
		if !ok {
			break
		}
		if inner.IsValid() && inner.ResetSession(ctx) == nil {
			return &conn{Conn: inner, x: x}, nil
		}
		_ = inner.Close()
	}
	inner, err := sqlwrap.Connect(ctx, x.base)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, x: x}, nil
}

func (x *Connector) takeSpare() (sqlwrap.Conn, bool) {
	x.spareMu.Lock()
	defer x.spareMu.Unlock()
	if len(x.spare) == 0 {
		return nil, false
	}
	last := x.spare[len(x.spare)-1]
	x.spare = x.spare[:len(x.spare)-1]
	return last, true
}

// putSpare keeps a connection for Connect, or closes it.
func (x *Connector) putSpare(c sqlwrap.Conn) {
	_, left := c.(littered)
	x.spareMu.Lock()
	keep := !left && x.spare != nil && len(x.spare) < spareMax
	if keep {
		x.spare = append(x.spare, c)
	}
	x.spareMu.Unlock()
	if !keep {
		_ = c.Close()
	}
}

// Close withdraws the database from the coordinators and closes the connections that wait for a second phase, whose
// branches stay prepared and are finished by whoever serves the database next. [sql.DB.Close] calls it.
func (x *Connector) Close() error {
	x.stop()
	<-x.stopped
	x.coordinator.Withdraw(resource{x})
	for _, c := range x.known.close() {
		_ = c.Close()
	}
	x.spareMu.Lock()
	spare := x.spare
	x.spare = nil
	x.spareMu.Unlock()
	for _, c := range spare {
		_ = c.Close()
	}
	return x.admin.Close()
}

// branchOf is a branch as coordinators know it.
func (x *Connector) branchOf(k key) client.Branch {
	return client.Branch{XID: k.xid, ID: k.branch, Type: seata.BranchXA, Resource: x.o.ResourceID}
}
