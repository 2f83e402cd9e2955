package at

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// ownIdleMax bounds the idle connections that phase two and metadata keep beside the caller's pool. How many are open
// is bounded by the client's limit for phase two; a bound here could have rollbacks, which wait for row locks, starve
// the statements that will free these.
const ownIdleMax = 4

// OpenDB returns a database whose transactions are branches of the global transaction in their context. The DSN is one
// of go-sql-driver/mysql. It registers the database with every coordinator; closing the result takes that back.
// It does not connect to the database, as sql.Open does not. A second one for the same database and client is an error.
//
// Statements inside the try of a TCC action, whose context says so, pass through as without a global transaction.
//
// With parseTime, loc should be UTC, the default, or a zone without summer time: a datetime in an hour that the zone
// skips is another one for Go, and would be put back as that.
func OpenDB(ctx context.Context, c Coordinator, dsn string, o Options) (*sql.DB, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	connector, err := NewConnector(c, config, o)
	if err != nil {
		return nil, err
	}
	if err := connector.Serve(ctx); err != nil {
		return nil, errors.Join(err, connector.Close())
	}
	return sql.OpenDB(connector), nil
}

// Connector makes connections to one database that take part in global transactions. It is a driver.Connector and an
// io.Closer for sql.OpenDB, and may be used concurrently.
type Connector struct {
	coordinator Coordinator
	config      *mysql.Config
	options     Options
	inner       driver.Connector
	own         *sql.DB // not wrapped: for phase two and metadata
	schemas     *schema.Cache
	resource    *resource

	contendedUntil atomic.Int64 // Unix nanoseconds

	mu     sync.Mutex
	parsed *statement.Cache // nil until the sessions' SQL mode is known
}

// NewConnector returns a connector without doing I/O. Serve has to be called before its first branch ends; OpenDB does
// both. The config is copied.
func NewConnector(c Coordinator, config *mysql.Config, o Options) (*Connector, error) {
	config = config.Clone()
	if err := checkConfig(config); err != nil {
		return nil, err
	}
	inner, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	plain := config.Clone()
	plain.ParseTime = false // dates that are none for Go, such as zeros, stay readable
	plain.MultiStatements, plain.ColumnsWithAlias = false, false
	ownConnector, err := mysql.NewConnector(plain)
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	own := sql.OpenDB(ownConnector)
	own.SetMaxIdleConns(ownIdleMax)
	own.SetConnMaxIdleTime(time.Minute)

	o = o.withDefaults()
	if o.Undo.Logger == nil {
		o.Undo.Logger = o.Logger
	}
	if o.Resource == "" {
		o.Resource = sqlwrap.ResourceID(config)
	}
	d := &Connector{
		coordinator: c, config: config, options: o, inner: inner, own: own,
		schemas: &schema.Cache{},
	}
	d.resource = newResource(d)
	return d, nil
}

// checkConfig refuses settings with which a local transaction could not be told from autocommit, or a table not be
// found.
func checkConfig(config *mysql.Config) error {
	if config.DBName == "" {
		return errors.New("at: the DSN names no database")
	}
	for name, value := range config.Params {
		if strings.EqualFold(name, "autocommit") && value != "1" && !strings.EqualFold(value, "on") &&
			!strings.EqualFold(value, "true") {
			return errors.New("at: the DSN switches autocommit off; use BeginTx instead")
		}
	}
	return nil
}

// Serve registers the database with the coordinator, now and after each reconnect.
func (d *Connector) Serve(ctx context.Context) error {
	if err := d.coordinator.Serve(ctx, d.resource); err != nil {
		return fmt.Errorf("at: register %s: %w", d.options.Resource, err)
	}
	return nil
}

// Close withdraws the database from the coordinator and ends what works in the background. sql.DB.Close calls it.
func (d *Connector) Close() error {
	d.coordinator.Withdraw(d.resource)
	d.resource.stop()
	return d.own.Close()
}

// Connect makes a connection.
func (d *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := sqlwrap.Connect(ctx, d.inner)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, d: d}, nil
}

// Driver returns go-sql-driver's driver.
func (d *Connector) Driver() driver.Driver { return d.inner.Driver() }

// Resource returns the name under which the database is known to the coordinator.
func (d *Connector) Resource() string { return d.options.Resource }

// statements returns what reads SQL. How it reads depends on the sessions' SQL mode, which the database is asked for
// once.
func (d *Connector) statements(ctx context.Context) (*statement.Cache, error) {
	d.mu.Lock()
	parsed := d.parsed
	d.mu.Unlock()
	if parsed != nil {
		return parsed, nil
	}
	var sqlMode string
	if err := d.own.QueryRowContext(ctx, "SELECT @@sql_mode").Scan(&sqlMode); err != nil {
		return nil, fmt.Errorf("at: ask for the SQL mode: %w", err)
	}
	o := d.options.SQL
	for _, m := range strings.Split(sqlMode, ",") {
		o.ANSIQuotes = o.ANSIQuotes || m == "ANSI_QUOTES"
		o.NoBackslashEscapes = o.NoBackslashEscapes || m == "NO_BACKSLASH_ESCAPES"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parsed == nil {
		d.parsed = statement.NewCache(o)
	}
	return d.parsed, nil
}

// metadata asks for tables on connections of our own, so that the caller's transaction sees nothing of it.
func (d *Connector) metadata() schema.Queryer { return schema.DB(d.own) }

// undoTable is the table of undo logs.
func (d *Connector) undoTable() string {
	if d.options.Undo.Table != "" {
		return d.options.Undo.Table
	}
	return undo.DefaultTable
}
