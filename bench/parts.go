package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/go-sql-driver/mysql" // the driver named "mysql"
)

// parts are the processes that nodes of a cluster need: a private MariaDB and a private RocketMQ. They serve all cells
// of a run; each cell has a database and topics of its own.
type parts struct {
	dir     string
	scripts string
	db      *sql.DB
	port    string // of the database
	namesrv string // "host:port"; "" without RocketMQ
	cells   int
	pids    []part
}

// part is one of the processes.
type part struct {
	name string
	pid  int
}

// The settings by which the parts differ from those of tests, which have to be small.
const (
	databaseMemory = "SET GLOBAL innodb_buffer_pool_size = 536870912"
	databaseLog    = "SET GLOBAL innodb_log_file_size = 536870912" // MariaDB 10.9 and later
	brokerOptions  = "-Xms512m -Xmx512m -XX:MaxDirectMemorySize=512m -XX:TieredStopAtLevel=4"
	brokerSettings = "mappedFileSizeCommitLog=268435456\nmappedFileSizeConsumeQueue=6000000\n" +
		"flushDiskType=SYNC_FLUSH\n"
	partsDurability = "database: flush at each commit"
)

// startParts installs and starts what is missing.
func startParts(ctx context.Context, o options) (p *parts, err error) {
	p = &parts{scripts: o.scripts}
	if p.dir, err = os.MkdirTemp(o.dir, "bench-parts-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err := p.script(ctx, "mariadb.sh", "install"); err != nil {
		return p, err
	}
	database := filepath.Join(p.dir, "mariadb")
	if err := p.script(ctx, "mariadb.sh", "start", database); err != nil {
		return p, err
	}
	port, err := os.ReadFile(filepath.Join(database, "port"))
	if err != nil {
		return p, err
	}
	p.port = strings.TrimSpace(string(port))
	if err := p.note("mariadb", database); err != nil {
		return p, err
	}
	if p.db, err = sql.Open("mysql", p.dsn("")); err != nil {
		return p, err
	}
	statements := []string{databaseMemory, databaseLog}
	for _, setting := range strings.Fields(o.database) {
		statements = append(statements, "SET GLOBAL "+setting)
	}
	for _, statement := range statements {
		if _, err := p.db.ExecContext(ctx, statement); err != nil {
			return p, fmt.Errorf("set up database: %w", err)
		}
	}
	if o.mq != mqRocket {
		return p, nil
	}
	return p, p.startBroker(ctx)
}

func (p *parts) startBroker(ctx context.Context) error {
	if err := p.script(ctx, "rocketmq.sh", "install"); err != nil {
		return err
	}
	dir := filepath.Join(p.dir, "rocketmq")
	if err := p.script(ctx, "rocketmq.sh", "start", dir); err != nil {
		return err
	}
	address, err := os.ReadFile(filepath.Join(dir, "namesrv"))
	if err != nil {
		return err
	}
	p.namesrv = strings.TrimSpace(string(address))
	return errors.Join(p.note("broker", filepath.Join(dir, "broker-a")),
		p.note("namesrv", filepath.Join(dir, "namesrv.d")))
}

func (p *parts) script(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join(p.scripts, name), args...)
	c.Env = append(os.Environ(), "ROCKETMQ_BROKER_OPTS="+brokerOptions, "ROCKETMQ_BROKER_CONF="+brokerSettings)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr // a pipe would be kept open by what the script leaves running
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// note remembers a process by the file that its script wrote.
func (p *parts) note(name, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("pid of %s: %w", name, err)
	}
	p.pids = append(p.pids, part{name, pid})
	return nil
}

func (p *parts) dsn(database string) string { return "root@tcp(127.0.0.1:" + p.port + ")/" + database }

// fresh makes a database for one cell and returns its name, which is the prefix of the cell's topics too. The one of
// the cell before is dropped.
func (p *parts) fresh(ctx context.Context) (string, error) {
	p.cells++
	name := fmt.Sprintf("bench%d", p.cells)
	statements := []string{fmt.Sprintf("DROP DATABASE IF EXISTS bench%d", p.cells-1), "CREATE DATABASE " + name}
	for _, statement := range statements {
		if _, err := p.db.ExecContext(ctx, statement); err != nil {
			return "", fmt.Errorf("make database: %w", err)
		}
	}
	return name, nil
}

// counters reads the database's own numbers.
func (p *parts) counters(ctx context.Context) (map[string]float64, error) {
	rows, err := p.db.QueryContext(ctx, "SHOW GLOBAL STATUS")
	if err != nil {
		return nil, fmt.Errorf("read the database's counters: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	all := map[string]float64{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = n
		}
	}
	return all, rows.Err()
}

// close ends the processes and removes their data.
func (p *parts) close() error {
	if p == nil {
		return nil
	}
	ctx := context.Background() // at an interrupt too
	var errs []error
	if p.db != nil {
		errs = append(errs, p.db.Close())
	}
	errs = append(errs, p.script(ctx, "mariadb.sh", "stop", filepath.Join(p.dir, "mariadb")),
		p.script(ctx, "rocketmq.sh", "stop", filepath.Join(p.dir, "rocketmq")), os.RemoveAll(p.dir))
	return errors.Join(errs...)
}
