package sqlfence

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/fence"
)

// memory is a database that understands what this package asks, and "EFFECT xid event". A transaction holds the rows
// that it has touched until it ends; others wait.
type memory struct {
	tells bool // it is MySQL

	mu      sync.Mutex
	free    *sync.Cond
	rows    map[rowKey]row
	holders map[rowKey]*memoryTx
	effects map[string]int // by xid and event
	// fault, if set, is asked before each statement and commit what it fails with.
	fault func(what string) error
}

type rowKey struct {
	xid    string
	branch int64
}

type row struct {
	action            string
	status            fence.State
	created, modified time.Time
}

type memoryTx struct {
	m       *memory
	ended   bool
	rows    map[rowKey]*row // written, nil if only locked
	effects []string
}

func newMemory(d Dialect) *memory {
	m := &memory{
		tells: d == MySQL, rows: map[rowKey]row{}, holders: map[rowKey]*memoryTx{}, effects: map[string]int{},
	}
	m.free = sync.NewCond(&m.mu)
	return m
}

func (m *memory) open() *sql.DB { return sql.OpenDB(connector{m}) }

type connector struct{ m *memory }

func (c connector) Connect(context.Context) (driver.Conn, error) { return &conn{m: c.m}, nil }
func (c connector) Driver() driver.Driver                        { return nil }

type conn struct {
	m  *memory
	tx *memoryTx
}

func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("memory: nothing is prepared")
}
func (c *conn) Close() error              { return nil }
func (c *conn) Begin() (driver.Tx, error) { return nil, errors.New("memory: use BeginTx") }

func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if err := c.m.fails("BEGIN"); err != nil {
		return nil, err
	}
	c.tx = &memoryTx{m: c.m, rows: map[rowKey]*row{}}
	return c.tx, nil
}

func (m *memory) fails(what string) error {
	if m.fault == nil {
		return nil
	}
	return m.fault(what)
}

func (t *memoryTx) Commit() error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if t.ended {
		return errors.New("memory: the transaction has ended")
	}
	err := t.m.fails("COMMIT")
	if err == nil {
		for k, r := range t.rows {
			if r != nil {
				t.m.rows[k] = *r
			}
		}
		for _, e := range t.effects {
			t.m.effects[e]++
		}
		err = t.m.fails("COMMITTED") // the answer is lost
	}
	t.end()
	return err
}

func (t *memoryTx) Rollback() error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.end()
	return nil
}

func (t *memoryTx) end() {
	t.ended = true
	for k := range t.rows {
		if t.m.holders[k] == t {
			delete(t.m.holders, k)
		}
	}
	t.m.free.Broadcast()
}

// hold waits for a row and returns it, nil if it is missing.
func (t *memoryTx) hold(k rowKey) *row {
	for t.m.holders[k] != nil && t.m.holders[k] != t {
		t.m.free.Wait()
	}
	t.m.holders[k] = t
	if r, ok := t.rows[k]; ok && r != nil {
		return r
	}
	t.rows[k] = nil
	if r, ok := t.m.rows[k]; ok {
		return &r
	}
	return nil
}

func (c *conn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if err := c.m.fails(query); err != nil {
		return nil, err
	}
	switch word, _, _ := strings.Cut(query, " "); word {
	case "EFFECT":
		c.tx.effects = append(c.tx.effects, args[0].Value.(string)+" "+args[1].Value.(string))
		return result{0, 1}, nil
	case "INSERT":
		k := rowKey{args[0].Value.(string), args[1].Value.(int64)}
		if r := c.tx.hold(k); r != nil {
			if c.m.tells {
				return result{int64(r.status), 0}, nil
			}
			return result{}, nil
		}
		c.tx.rows[k] = &row{
			args[2].Value.(string), fence.State(args[3].Value.(int64)), args[4].Value.(time.Time), args[5].Value.(time.Time),
		}
		return result{0, 1}, nil
	case "UPDATE":
		k := rowKey{args[2].Value.(string), args[3].Value.(int64)}
		r := c.tx.hold(k)
		if r == nil {
			return result{}, nil
		}
		n := *r
		n.status, n.modified = fence.State(args[0].Value.(int64)), args[1].Value.(time.Time)
		c.tx.rows[k] = &n
		return result{0, 1}, nil
	case "DELETE":
		n := c.m.remove(fence.State(args[0].Value.(int64)), args[1].Value.(time.Time), args[2].Value.(int64))
		return result{0, n}, nil
	}
	return nil, fmt.Errorf("memory: what is %s", query)
}

func (m *memory) remove(status fence.State, before time.Time, limit int64) (n int64) {
	for k, r := range m.rows {
		if n < limit && r.status == status && r.modified.Before(before) {
			delete(m.rows, k)
			n++
		}
	}
	return n
}

func (c *conn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if err := c.m.fails(query); err != nil {
		return nil, err
	}
	if strings.HasPrefix(query, "SELECT status") {
		r := c.tx.hold(rowKey{args[0].Value.(string), args[1].Value.(int64)})
		if r == nil {
			return &values{}, nil
		}
		return &values{columns: 1, all: [][]driver.Value{{int64(r.status)}}}, nil
	}
	v := &values{columns: 3}
	for k, r := range c.m.rows {
		if r.status == fence.Tried && r.modified.Before(args[0].Value.(time.Time)) {
			v.all = append(v.all, []driver.Value{k.xid, k.branch, r.action})
		}
	}
	slices.SortFunc(v.all, func(a, b []driver.Value) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return v, nil
}

type result struct{ id, n int64 }

func (r result) LastInsertId() (int64, error) { return r.id, nil }
func (r result) RowsAffected() (int64, error) { return r.n, nil }

type values struct {
	columns int
	all     [][]driver.Value
}

func (v *values) Columns() []string { return make([]string, v.columns) }
func (v *values) Close() error      { return nil }

func (v *values) Next(dest []driver.Value) error {
	if len(v.all) == 0 {
		return io.EOF
	}
	copy(dest, v.all[0])
	v.all = v.all[1:]
	return nil
}

// deadlock is what MySQL says to who is rolled back.
func deadlock() error {
	return &mysql.MySQLError{Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}}
}
