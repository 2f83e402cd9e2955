package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/orchestrator"
)

// Options are the parameters of [Open]. DSN and Node.ID are required; zero fields mean the defaults.
type Options struct {
	// DSN is the data source name in the driver's form, user:password@tcp(host:port)/database?tls=true.
	DSN  string
	Node NodeOptions
	// Lease is how long a node that is not heard of stays a member; 0 means 10 s.
	Lease time.Duration
	// Retention is how long ended transactions are kept, at least [RetentionMin]; 0 means 72 h.
	Retention time.Duration
	// PackRetention is how long pack ids are kept; 0 means 7 days. It must be longer than the broker keeps messages:
	// a check-back for an older pack is answered with [ErrPackExpired].
	PackRetention time.Duration
	// RetentionEvery is the pause between two looks for what is past retention; 0 means a minute.
	RetentionEvery time.Duration
	// ClockOffset is added to this machine's clock before anything is measured. It is for tests: whatever it is, the
	// store's time is the database's.
	ClockOffset time.Duration
	// Migrate brings the tables up to date before they are used.
	Migrate bool
	// QueueChanges and QueueBytes bound the changes that are not durable yet; beyond them Apply answers ErrBusy.
	// 0 means 65,536 and 128 MiB.
	QueueChanges, QueueBytes int
	// RetryFor is how long a change waits for a database that cannot be reached before it is answered with
	// ErrUnavailable; 0 means 4 s, below the limit of clients.
	RetryFor time.Duration
	// ResolveFor is how long the outcome of a write whose commit got no answer is looked for; 0 means 20 s.
	ResolveFor time.Duration
	// Gather is how long the store waits for more changes before it writes those that are not lazy; 0 does not wait:
	// what comes while a write is under way is gathered for the next.
	Gather time.Duration
	// Lanes is how many batches are written at the same time, 1 or 2; 0 means 2. The second one helps when many changes
	// are queued, at the price of more of the database's time for each.
	Lanes  int
	Logger *slog.Logger // nil: discarded
	// Lost is called once each time the membership is lost, Joined with the new epoch when it is regained. Both are
	// called from Run and must not block for long.
	Lost   func()
	Joined func(epoch int64)

	// retentionClock replaces the store's time for retention, in tests.
	retentionClock orchestrator.Clock
	// eager has the second lane help at once, in tests.
	eager bool
}

// NodeOptions are what other nodes and operators are told of this one.
type NodeOptions struct {
	// ID is unique in the cluster and the same after a restart.
	ID string
	// Advertise is the "host:port" for Seata clients, Internal that of the HTTP server for other nodes.
	Advertise, Internal string
	Version             string
}

// RetentionMin is the least time for which the outcome of an ended transaction is known: Seata clients repeat an end
// request for minutes.
const RetentionMin = 10 * time.Minute

// leaseMin keeps a lease longer than a few round trips.
const leaseMin = 300 * time.Millisecond

// withDefaults fills what is missing.
func (o Options) withDefaults() Options {
	o.Lease = cmp.Or(o.Lease, 10*time.Second)
	o.Lease = max(o.Lease, leaseMin)
	o.Retention = cmp.Or(o.Retention, 72*time.Hour)
	o.Retention = max(o.Retention, RetentionMin)
	o.PackRetention = cmp.Or(o.PackRetention, 7*24*time.Hour)
	o.RetentionEvery = cmp.Or(o.RetentionEvery, time.Minute)
	o.QueueChanges = cmp.Or(o.QueueChanges, 1<<16)
	o.QueueBytes = cmp.Or(o.QueueBytes, 128<<20)
	o.RetryFor = cmp.Or(o.RetryFor, 4*time.Second)
	o.Lanes = cmp.Or(o.Lanes, lanes)
	o.Lanes = min(max(o.Lanes, 1), lanes)
	o.ResolveFor = cmp.Or(o.ResolveFor, 20*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lost == nil {
		o.Lost = func() {}
	}
	if o.Joined == nil {
		o.Joined = func(int64) {}
	}
	return o
}

// The sizes of names, as the tables have them.
const (
	nodeIDBytesMax  = 255
	addressBytesMax = 512
)

// check says what is wrong with the options, by the names that operators know.
func (o Options) check() error {
	switch n := o.Node; {
	case n.ID == "":
		return errors.New("node has no id: set --node-id or --advertise")
	case len(n.ID) > nodeIDBytesMax || len(n.Version) > nodeIDBytesMax:
		return fmt.Errorf("node id or version has more than %d bytes: set a shorter --node-id", nodeIDBytesMax)
	case len(n.Advertise) > addressBytesMax || len(n.Internal) > addressBytesMax:
		return fmt.Errorf("address of the node has more than %d bytes: set a shorter --advertise", addressBytesMax)
	}
	_, err := parseDSN(o.DSN)
	return err
}

// CheckDSN says what is wrong with a data source name, as far as can be told without connecting. The error holds no
// password.
func CheckDSN(dsn string) error {
	_, err := parseDSN(dsn)
	return err
}

// parseDSN reads a data source name and sets what this package relies on.
func parseDSN(dsn string) (*driver.Config, error) {
	if dsn == "" {
		return nil, errors.New("no database: set --mysql-dsn user:password@tcp(host:3306)/concord")
	}
	c, err := driver.ParseDSN(dsn)
	if err != nil {
		// The driver's text may hold the password.
		return nil, errors.New("--mysql-dsn is malformed; the form is user:password@tcp(host:3306)/concord?tls=true")
	}
	if c.DBName == "" {
		return nil, errors.New("--mysql-dsn names no database; the form is user:password@tcp(host:3306)/concord")
	}
	c.InterpolateParams = true // one round trip for each statement; all texts are sent as binary literals
	c.ClientFoundRows = true   // an UPDATE tells how many rows it found, not how many it changed
	c.MultiStatements = false
	c.RejectReadOnly = false // this package tells such errors apart itself
	c.ParseTime = true       // goose reads a timestamp
	c.Timeout = cmp.Or(c.Timeout, dialTimeout)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, answerTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, answerTimeout)
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	for name, value := range sessionVariables() {
		c.Params[name] = value
	}
	setIdle(c, idleMost)
	c.Logger = silent{}
	if c.Net == "tcp" && c.DialFunc == nil {
		c.DialFunc = dial
	}
	return c, nil
}

// silent is the driver's logger: what it would print comes back as an error as well.
type silent struct{}

// Print implements the driver's Logger.
func (silent) Print(...any) {}

const (
	// dialTimeout bounds connecting.
	dialTimeout = 3 * time.Second
	// answerTimeout bounds the silence of a server. A server that was stopped does not close its connections.
	answerTimeout = 10 * time.Second
	// arriveTimeout bounds how long what was sent may take to arrive at the server's machine. That tells a network that
	// is cut from a server that is slow, long before answerTimeout, and when those who wait are told that the database
	// cannot be reached. A server that reads nothing while more is sent than sockets hold is taken for cut off, too.
	arriveTimeout = 4 * time.Second
	// lockWaitSeconds is how long a statement waits for a row that another node's write has locked. Such writes take
	// milliseconds.
	lockWaitSeconds = "2"
	// The server gives up a connection, and with it an open transaction, from which nothing comes for a while. It
	// bounds for how long a node that was stopped or cut off holds locked what it was writing. It is half the lease,
	// but no more than this.
	idleMost = 5 * time.Second
)

// idleOf is that time for a lease, in whole seconds. It is rounded up: a lease is renewed every third of its length,
// and of 3 s, rounded down, the server would give the connection up just when it is renewed.
func idleOf(lease time.Duration) time.Duration {
	return min((lease/2 + time.Second - 1).Truncate(time.Second), idleMost)
}

// setIdle has the server give up connections after a time.
func setIdle(c *driver.Config, after time.Duration) {
	seconds := strconv.Itoa(int(after.Seconds()))
	for _, name := range []string{"wait_timeout", "net_read_timeout", "net_write_timeout"} {
		c.Params[name] = seconds
	}
}

// idleOurs is for how long we keep an idle connection that was made with c: from our side it is closed before the
// server does it. The pool looks every second.
func idleOurs(c *driver.Config) time.Duration {
	seconds, _ := strconv.Atoi(c.Params["wait_timeout"])
	return time.Duration(seconds) * time.Second * 3 / 5
}

// sessionVariables are set on every connection.
func sessionVariables() map[string]string {
	return map[string]string{
		"sql_mode":                 "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
		"time_zone":                "'+00:00'",
		"autocommit":               "1",
		"sql_select_limit":         "18446744073709551615",
		"innodb_lock_wait_timeout": lockWaitSeconds,
	}
}
