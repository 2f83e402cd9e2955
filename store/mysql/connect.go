package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/orchestrator"
)

// connector gives every connection its isolation level, for which the servers have no common variable.
type connector struct{ sqldriver.Connector }

const setIsolation = `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`

// Connect implements the driver's Connector.
func (c connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	exec, ok := conn.(sqldriver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("driver cannot execute"), conn.Close())
	}
	if _, err := exec.ExecContext(ctx, setIsolation, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// openPool makes a pool of at most n connections.
func openPool(c *driver.Config, n int) (*sql.DB, error) {
	base, err := driver.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("read --mysql-dsn: %w", err)
	}
	db := sql.OpenDB(connector{base})
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(idleOurs(c))
	return db, nil
}

// The kinds of servers.
const (
	kindMySQL   = "MySQL"
	kindMariaDB = "MariaDB"
	kindTiDB    = "TiDB"
)

// server is what is known of the database server.
type server struct {
	kind, version string
	packetMax     int
}

// selectVariables reads what is checked of a server. A server answers with those that it has.
const selectVariables = `SHOW VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'read_only',
	'super_read_only', 'innodb_read_only', 'tidb_super_read_only', 'tidb_restricted_read_only', 'max_allowed_packet',
	'log_bin', 'binlog_format', 'tidb_txn_mode')`

// inspect asks the server what it is and refuses one that cannot be used.
func inspect(ctx context.Context, db *sql.DB) (server, error) {
	rows, err := db.QueryContext(ctx, selectVariables)
	if err != nil {
		return server{}, startError(err)
	}
	defer func() { _ = rows.Close() }()
	vars := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return server{}, fmt.Errorf("read the server's variables: %w", err)
		}
		vars[strings.ToLower(name)] = value
	}
	if err := rows.Err(); err != nil {
		return server{}, startError(err)
	}
	return judge(vars)
}

// judge looks at a server's variables.
func judge(vars map[string]string) (server, error) {
	s := server{version: vars["version"], kind: kindMySQL}
	text := strings.ToLower(vars["version"] + " " + vars["version_comment"])
	version := strings.TrimPrefix(s.version, "5.5.5-") // MariaDB's disguise for old replicas
	least := [2]int{8, 0}
	switch {
	case strings.Contains(text, "tidb"):
		s.kind, least = kindTiDB, [2]int{6, 5}
		if _, after, ok := strings.Cut(strings.ToLower(version), "tidb-v"); ok {
			version = after
		}
	case strings.Contains(text, "mariadb"):
		s.kind, least = kindMariaDB, [2]int{10, 6}
	}
	major, minor, ok := parseVersion(version)
	if !ok || major < least[0] || major == least[0] && minor < least[1] {
		return s, fmt.Errorf("database is %s %q, which is too old: point --mysql-dsn to MySQL 8.0, MariaDB 10.6 or "+
			"TiDB 6.5, or newer", s.kind, s.version)
	}
	for _, name := range []string{
		"innodb_read_only", "super_read_only", "read_only", "tidb_super_read_only", "tidb_restricted_read_only",
	} {
		if v := strings.ToUpper(vars[name]); v != "" && v != "OFF" && v != "0" {
			return s, fmt.Errorf("database accepts no writes (%s is %s), it may be a replica: point --mysql-dsn to the "+
				"primary", name, v)
		}
	}
	if mode, told := vars["tidb_txn_mode"]; told && !strings.EqualFold(mode, "pessimistic") {
		return s, fmt.Errorf("database has tidb_txn_mode=%q, with which locks come too late: set the server's to pessimistic",
			mode)
	}
	if strings.EqualFold(vars["log_bin"], "ON") && strings.EqualFold(vars["binlog_format"], "STATEMENT") {
		return s, errors.New("database has binlog_format=STATEMENT, which cannot log READ COMMITTED: set the server's " +
			"binlog_format to ROW or MIXED")
	}
	s.packetMax, _ = strconv.Atoi(vars["max_allowed_packet"])
	if s.packetMax < packetLeast {
		return s, fmt.Errorf("database has max_allowed_packet=%d: set the server's to 16 MiB, at least %d bytes",
			s.packetMax, packetLeast)
	}
	s.packetMax = min(s.packetMax, packetMost)
	return s, nil
}

const (
	packetLeast = 4 << 20
	packetMost  = 64 << 20
)

// parseVersion reads the first two numbers of a version.
func parseVersion(v string) (major, minor int, ok bool) {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	digits := strings.TrimRightFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	minor, err2 := strconv.Atoi(digits)
	return major, minor, err1 == nil && err2 == nil
}

// The server's error numbers that are told apart.
const (
	errDuplicate      = 1062
	errLockWait       = 1205
	errDeadlock       = 1213
	errAccessDenied   = 1045
	errDatabaseDenied = 1044
	errTableDenied    = 1142
	errNoDatabase     = 1049
	errNoTable        = 1146
	errReadOnlyOption = 1290 // read_only, super_read_only
	errReadOnlyTrx    = 1792
	errReadOnlyMode   = 1836
	errShutdown       = 1053
	errTooManyConns   = 1040
	errInterrupted    = 1317
	errKilled         = 1927 // MariaDB: connection was killed
	errIdleGone       = 4031 // MySQL: disconnected because of inactivity
	errWriteConflict  = 9007 // TiDB
	errTryAgain       = 8022 // TiDB
	errPacketTooLarge = 1153
	errDiskFull       = 1021
	errHandler        = 1030 // the storage engine failed, most often for lack of space
	errTableFull      = 1114
)

// number returns the server's error number, or 0.
func number(err error) uint16 {
	var e *driver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// outage classes of a failed transaction, all of which have changed nothing unless the COMMIT was already sent.
type outage uint8

const (
	outageNone    outage = iota // an error of another kind
	outageRetry                 // deadlock, lock wait, duplicate: again at once
	outageConnect               // no connection, or it was lost
	outageRefused               // the server is there, but does not let us write
)

// classify tells what kind of failure err is.
func classify(err error) outage {
	switch number(err) {
	case errDuplicate, errLockWait, errDeadlock, errWriteConflict, errTryAgain:
		return outageRetry
	case errReadOnlyOption, errReadOnlyTrx, errReadOnlyMode, errAccessDenied, errDatabaseDenied, errTableDenied,
		errNoDatabase, errNoTable, errDiskFull, errHandler, errTableFull:
		return outageRefused
	case errShutdown, errTooManyConns, errInterrupted, errKilled, errIdleGone:
		return outageConnect
	}
	var netErr net.Error
	switch {
	case errors.Is(err, sqldriver.ErrBadConn), errors.Is(err, driver.ErrInvalidConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, sql.ErrTxDone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed),
		errors.As(err, &netErr), errors.Is(err, driver.ErrMalformPkt), errors.Is(err, driver.ErrPktSync):
		return outageConnect
	}
	return outageNone
}

// refusesWrites reports whether the server says that it is read only.
func refusesWrites(err error) bool {
	switch number(err) {
	case errReadOnlyOption, errReadOnlyTrx, errReadOnlyMode:
		return true
	}
	return false
}

// unreachable notes why the database cannot be written. Connections of before are not used again: a server that has
// become read-only may be a former primary, and the address may lead to another one by now, so that reads there are
// stale; and where one connection leads nowhere any more, the others do not either, but would be found out one by one.
func (s *Store) unreachable(err error) {
	s.health.failed(err)
	if kind := classify(err); kind == outageConnect && !errors.Is(err, context.Canceled) || refusesWrites(err) {
		s.pool.SetMaxIdleConns(0) // closes all that are idle
		s.pool.SetMaxIdleConns(readersMax)
		s.writers.SetMaxIdleConns(0)
		s.writers.SetMaxIdleConns(writersMax)
		s.keeper.SetMaxIdleConns(0)
		s.keeper.SetMaxIdleConns(keepersMax)
	}
}

// startError says what to change when the server cannot be used at the start.
func startError(err error) error {
	switch number(err) {
	case errAccessDenied:
		return fmt.Errorf("database refuses user or password: change --mysql-dsn: %w", err)
	case errDatabaseDenied, errTableDenied:
		return fmt.Errorf("database user lacks rights: GRANT ALL ON the database to the user of --mysql-dsn: %w", err)
	case errNoDatabase:
		return fmt.Errorf("database does not exist: CREATE DATABASE it, or change --mysql-dsn: %w", err)
	}
	if classify(err) == outageConnect {
		return fmt.Errorf("%w: database does not answer: check host and port in --mysql-dsn: %w",
			orchestrator.ErrUnavailable, err)
	}
	return err
}
