package mysql

import (
	"context"
	"crypto/sha1"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/concord-tx/concord/migrations"
)

// schemaTable is where goose notes which migrations were run.
const schemaTable = "concord_schema"

const (
	// The primary key is not used; the table has a few rows.
	selectSchema   = `SELECT COALESCE(MAX(version_id), 0) FROM concord_schema WHERE is_applied = 1`
	selectDatabase = `SELECT DATABASE()`
	lockSchema     = `SELECT COALESCE(GET_LOCK(?, 5), 0)`
	unlockSchema   = `SELECT RELEASE_LOCK(?)`
)

// Migrate brings the tables up to date and returns their version before and after. Several processes may call it at
// once.
func Migrate(ctx context.Context, dsn string, logger *slog.Logger) (from, to int64, err error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return 0, 0, err
	}
	// A migration may take long, and the connection with the lock is idle meanwhile.
	c.Params["wait_timeout"] = "28800"
	c.ReadTimeout = 0
	db, err := openPool(c, 4)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = db.Close() }()
	if err := inspectSoon(ctx, db); err != nil {
		return 0, 0, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, 0, startError(err)
	}
	defer func() { _ = conn.Close() }()
	lock, err := lockSchemaOf(ctx, conn)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), unlockSchema, lock) }()
	p, err := provider(db)
	if err != nil {
		return 0, 0, err
	}
	if from, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the version of the tables: %w", startError(err))
	}
	known, err := newest()
	switch {
	case err != nil:
		return from, from, err
	case from > known:
		return from, from, errNewer(from, known)
	}
	results, err := p.Up(ctx)
	if err != nil {
		return from, from, fmt.Errorf("migrate the tables: %w", startError(err))
	}
	to = from
	for _, r := range results {
		to = r.Source.Version
		if logger != nil {
			logger.Info("tables migrated", "version", to, "duration", r.Duration)
		}
	}
	return from, to, nil
}

// inspectSoon is inspect with a bound, for connections that wait for answers without one.
func inspectSoon(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := inspect(ctx, db)
	return err
}

// errNewer says that the tables are a later version's.
func errNewer(have, known int64) error {
	return fmt.Errorf("tables have version %d, this program knows %d: run a newer concord", have, known)
}

// lockSchemaOf waits for the lock of migrations and returns its name. Several nodes may start at once: one migrates,
// the others wait. Locks belong to the server, so the name has the database's, as a digest, since a lock's name may
// have 64 characters only. It is made here because MySQL 9.6 has lost its function SHA1.
func lockSchemaOf(ctx context.Context, conn *sql.Conn) (string, error) {
	var base sql.NullString
	if err := conn.QueryRowContext(ctx, selectDatabase).Scan(&base); err != nil {
		return "", fmt.Errorf("wait for the lock of migrations: %w", startError(err))
	}
	name := fmt.Sprintf("concord %x", sha1.Sum([]byte(base.String)))
	for {
		var got int
		err := conn.QueryRowContext(ctx, lockSchema, name).Scan(&got)
		switch {
		case err != nil:
			return "", fmt.Errorf("wait for the lock of migrations: %w", startError(err))
		case got == 1:
			return name, nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := migrations.MySQL()
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	store, err := database.NewStore(database.DialectMySQL, schemaTable)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	p, err := goose.NewProvider("", db, files, goose.WithStore(store))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// newest returns the version that this program knows.
func newest() (int64, error) {
	files, err := migrations.MySQL()
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	version := int64(0)
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("read the migrations: %w", err)
		}
		version = max(version, v)
	}
	return version, nil
}

// checkSchema refuses tables that this program does not know.
func checkSchema(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	want, err := newest()
	if err != nil {
		return err
	}
	var have int64
	err = db.QueryRowContext(ctx, selectSchema).Scan(&have)
	switch {
	case number(err) == errNoTable || err == nil && have == 0:
		return errors.New("database has no tables of Concord: run `concord migrate` or set --mysql-migrate")
	case err != nil:
		return fmt.Errorf("read the version of the tables: %w", startError(err))
	case have < want:
		return fmt.Errorf("tables have version %d, this program needs %d: run `concord migrate` or set --mysql-migrate",
			have, want)
	case have > want:
		return errNewer(have, want)
	}
	return nil
}
