package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/store/mysql"
)

func (a *app) migrate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of a cluster's database up to date",
		Long: `Create the tables of a cluster, or bring them up to date for this version. Nodes of the version before go on
with them, so migrate first and upgrade the nodes after that, one by one. It can be run again at any time, and by
several nodes at once. The database itself has to exist, and its user needs the rights CREATE, ALTER, INDEX, SELECT,
INSERT, UPDATE and DELETE in it.`,
		Example: `  concord migrate --mysql-dsn 'concord:PASSWORD@tcp(10.0.0.7:3306)/concord'
  CONCORD_MYSQL_DSN='concord:PASSWORD@tcp(10.0.0.7:3306)/concord' concord migrate`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dsn, err := a.databaseOf(cmd, file)
			if err != nil {
				return err
			}
			from, to, err := mysql.Migrate(cmd.Context(), dsn, newLogger(a.stderr, config.Log{Level: "warn", Format: "auto"}))
			switch {
			case err != nil:
				return err
			case from == to:
				_, err = fmt.Fprintf(a.stdout, "The tables are up to date: version %d.\n", to)
			default:
				_, err = fmt.Fprintf(a.stdout, "The tables were brought from version %d to %d.\n", from, to)
			}
			return err
		},
	}
	a.databaseFlags(cmd, &file)
	cmd.AddCommand(a.migrateClient())
	return cmd
}

// databaseFlags gives a command the flags that name a cluster's database, as they are for serve.
func (a *app) databaseFlags(cmd *cobra.Command, file *string) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(all)
	cmd.Flags().AddFlag(all.Lookup("mysql-dsn"))
	cmd.Flags().StringVar(file, "config", a.env(config.EnvFile), "read mysql.dsn from this YAML file; environment "+
		config.EnvFile)
}

// databaseOf returns the data source name from where it is set last: file, environment, flag.
func (a *app) databaseOf(cmd *cobra.Command, file string) (string, error) {
	loaded, err := config.LoadUnchecked(config.Sources{File: file, Environ: a.environ, Flags: cmd.Flags()})
	if err != nil {
		return "", usageError{fmt.Errorf("configuration: %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
	}
	if loaded.MySQL.DSN == "" {
		return "", usageError{fmt.Errorf("no database: set --mysql-dsn, %s, or mysql.dsn in the file of --config",
			"CONCORD_MYSQL_DSN")}
	}
	return loaded.MySQL.DSN, checkDatabase(loaded)
}

// checkDatabase looks at the data source name, which package config cannot read.
func checkDatabase(loaded *config.Loaded) error {
	if loaded.MySQL.DSN == "" {
		return nil
	}
	if err := mysql.CheckDSN(loaded.MySQL.DSN); err != nil {
		return usageError{fmt.Errorf("configuration: mysql.dsn (%s): %w", loaded.Origin["mysql.dsn"], err)}
	}
	return nil
}
