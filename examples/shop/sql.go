package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/xa"
)

// sqlBook keeps its book in MySQL or MariaDB. Nothing in it knows of AT or XA: the database that it was given does.
type sqlBook struct {
	service string
	db      *sql.DB
}

// openAT opens a book whose transactions join the global one by AT: row locks at the coordinator, undo logs here.
func openAT(ctx context.Context, c *client.Client, service, dsn string) (book, error) {
	db, err := at.OpenDB(ctx, c, dsn, at.Options{})
	if err != nil {
		return nil, err
	}
	return &sqlBook{service, db}, nil
}

// openXA opens a book whose transactions join the global one by XA: the database prepares and keeps its locks.
func openXA(ctx context.Context, c *client.Client, service, dsn string) (book, error) {
	db, err := xa.OpenDB(ctx, c, dsn, xa.Options{})
	if err != nil {
		return nil, err
	}
	return &sqlBook{service, db}, nil
}

// take implements book.
func (b *sqlBook) take(ctx context.Context, e entry) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := b.write(ctx, tx, e); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (b *sqlBook) write(ctx context.Context, tx *sql.Tx, e entry) error {
	if b.service != orderService {
		result, err := tx.ExecContext(ctx, "UPDATE holding SET amount = amount - ? WHERE item = ? AND amount >= ?",
			e.Amount, e.Item, e.Amount)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, refuse(e))
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO entry (id, item, amount) VALUES (?, ?, ?)", e.Order, e.Item, e.Amount)
	return err
}

// state implements book.
func (b *sqlBook) state(ctx context.Context) (state, error) {
	s := state{Entries: map[string]int64{}}
	if err := b.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(amount), 0) FROM holding").Scan(&s.Left); err != nil {
		return s, err
	}
	rows, err := b.db.QueryContext(ctx, "SELECT id, amount FROM entry")
	if err != nil {
		return s, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var amount int64
		if err := rows.Scan(&id, &amount); err != nil {
			return s, err
		}
		s.Entries[id] = amount
	}
	return s, rows.Err()
}

func (b *sqlBook) close() error { return b.db.Close() }

// The tables of a service. Each has all three, though the order service holds nothing.
const (
	holdingTable = "CREATE TABLE holding (item VARCHAR(32) PRIMARY KEY, amount BIGINT NOT NULL)"
	entryTable   = "CREATE TABLE entry (id VARCHAR(64) PRIMARY KEY, item VARCHAR(32) NOT NULL, amount BIGINT NOT NULL)"
	// undoTable is that of migrations/client, which is Seata's.
	undoTable = `CREATE TABLE undo_log (branch_id BIGINT NOT NULL, xid VARCHAR(128) NOT NULL,
 context VARCHAR(128) NOT NULL, rollback_info LONGBLOB NOT NULL, log_status INT NOT NULL,
 log_created DATETIME(6) NOT NULL, log_modified DATETIME(6) NOT NULL, UNIQUE KEY ux_undo_log (xid, branch_id),
 KEY ix_log_created (log_created))`
)

// databases are the three databases of a shop on one server.
type databases struct {
	config *mysql.Config
	prefix string
}

func newDatabases(dsn, prefix string) (*databases, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("--dsn: %w", err)
	}
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	config.Params["innodb_lock_wait_timeout"] = "5" // a customer does not wait longer
	return &databases{config: config, prefix: prefix}, nil
}

// dsn is the data source name of a service; "": of the server.
func (d *databases) dsn(service string) string {
	c := d.config.Clone()
	c.DBName = ""
	if service != "" {
		c.DBName = d.prefix + "_" + service
	}
	return c.FormatDSN()
}

// create makes the databases, with everything in stock.
func (d *databases) create(ctx context.Context) error {
	for _, service := range services() {
		if err := execute(ctx, d.dsn(""), "CREATE DATABASE "+d.prefix+"_"+service); err != nil {
			return err
		}
		var rows []string
		for i := range items {
			rows = append(rows, fmt.Sprintf("('%s', %d)", itemName(service, i), atOnce))
		}
		statements := []string{holdingTable, entryTable, undoTable}
		if service != orderService {
			statements = append(statements, "INSERT INTO holding VALUES "+strings.Join(rows, ","))
		}
		if err := execute(ctx, d.dsn(service), statements...); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the databases.
func (d *databases) drop(ctx context.Context) error {
	var all []error
	for _, service := range services() {
		all = append(all, execute(ctx, d.dsn(""), "DROP DATABASE "+d.prefix+"_"+service))
	}
	return errors.Join(all...)
}

// execute runs statements on a connection of its own.
func execute(ctx context.Context, dsn string, statements ...string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.40s: %w", s, err)
		}
	}
	return nil
}
