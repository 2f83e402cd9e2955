package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/migrations"
)

func (a *app) migrateClient() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use:   "client [NAME...]",
		Short: "Print or make the tables that services need in their own databases",
		Long: `Print the SQL of the tables that services need in databases of their own, for MySQL and MariaDB, or make them
in the database that --dsn names. Without names it is all of them:

  undo_log        undo logs, for services in AT mode
  tcc_fence_log   what was done already: fences, TCC, inboxes, two-phase messages
  outbox          events to be published, and the results of tasks of sagas

Tables that are there already, such as Seata's own, are left as they are, so that it can be run again. The user of the
database needs the right CREATE.`,
		Example: `  concord migrate client | mysql shop
  concord migrate client tcc_fence_log outbox --dsn 'shop:PASSWORD@tcp(10.0.0.7:3306)/shop'`,
		RunE: func(cmd *cobra.Command, names []string) error {
			files, err := migrations.Client()
			if err != nil {
				return err
			}
			chosen, rest, err := chooseTables(files, names)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("dsn") {
				return a.printTables(files, chosen)
			}
			if err := makeTables(cmd.Context(), dsn, files, rest); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "The tables are there: %s.\n", strings.Join(chosen, ", "))
			return err
		},
	}
	cmd.Flags().StringVar(&dsn, "dsn", "", "make them there: USER:PASSWORD@tcp(HOST:3306)/DATABASE")
	return cmd
}

// chooseTables returns the files that names are for, all of them without names, and the others.
func chooseTables(files fs.FS, names []string) (chosen, rest []string, err error) {
	all, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, nil, err
	}
	known := map[string]bool{}
	for _, file := range all {
		_, name, _ := strings.Cut(strings.TrimSuffix(file, ".sql"), "_") // 0001_undo_log.sql
		known[name] = true
		if len(names) == 0 || slices.Contains(names, name) {
			chosen = append(chosen, file)
		} else {
			rest = append(rest, file)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, nil, usageError{fmt.Errorf("there are no tables called %q: see concord migrate client --help", name)}
		}
	}
	return chosen, rest, nil
}

// printTables writes files without what is for goose.
func (a *app) printTables(files fs.FS, chosen []string) error {
	for _, file := range chosen {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		plain := strings.ReplaceAll(string(text), "-- +goose Up\n\n", "")
		if _, err := fmt.Fprintf(a.stdout, "-- %s of Concord %s\n\n%s\n", file, buildVersion().Version, plain); err != nil {
			return err
		}
	}
	return nil
}

// makeTables makes all tables but the rest. It leaves no table of its own: each file can be run again.
func makeTables(ctx context.Context, dsn string, files fs.FS, rest []string) error {
	const form = "the form is USER:PASSWORD@tcp(HOST:3306)/DATABASE"
	c, err := driver.ParseDSN(dsn)
	switch {
	case err != nil: // its text may hold the password
		return usageError{errors.New("--dsn is malformed; " + form)}
	case c.DBName == "":
		return usageError{errors.New("--dsn names no database; " + form)}
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	connector, err := driver.NewConnector(c)
	if err != nil {
		return usageError{errors.New("--dsn is malformed; " + form)}
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectMySQL, db, files,
		goose.WithDisableVersioning(true), goose.WithExcludeNames(rest))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	return nil
}
