package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// table is an AT participant's table of accounts, with row locks and an undo log.
type table struct {
	r     *resource
	rows  []account
	undo  map[int64]*undoLog // by branch
	local []*localTx         // open local transactions, in order of start
}

// account is one row.
type account struct {
	value int64
	owner *localTx   // the local transaction that has it locked
	queue []*localTx // who waits for it
}

// undoLog is what a local transaction writes with its change. One that is finished is the fence that keeps a late
// local commit out.
type undoLog struct {
	id       int64
	changes  []change
	finished bool
}

// change is what happens to one row.
type change struct {
	row           int
	delta         int64
	before, after int64
}

// localTx is an open database transaction.
type localTx struct {
	t       *table
	rows    []int // in order of locking
	next    int   // how many are locked
	over    bool
	then    func(ok bool) // called when all rows are locked, or will not be
	onAbort func()
}

// startValue is what each account holds in the beginning.
const startValue = 1000

func newTable(r *resource, n int) *table {
	t := &table{r: r, undo: make(map[int64]*undoLog), rows: make([]account, n)}
	for i := range t.rows {
		t.rows[i].value = startValue
	}
	return t
}

// lockWaitLocal is the databases' row lock timeout.
const lockWaitLocal = 2 * time.Second

// begin opens a local transaction that locks rows one after the other.
func (t *table) begin(rows []int, wait time.Duration, then func(ok bool)) *localTx {
	x := &localTx{t: t, rows: rows, then: then}
	t.local = append(t.local, x)
	t.r.w.after(wait, func() {
		if !x.over && x.next < len(x.rows) {
			x.end()
			then(false)
		}
	})
	x.advance()
	return x
}

// advance locks the next rows until one is in use.
func (x *localTx) advance() {
	for x.next < len(x.rows) {
		a := &x.t.rows[x.rows[x.next]]
		if a.owner != nil && a.owner != x {
			a.queue = append(a.queue, x)
			return
		}
		a.owner = x
		x.next++
	}
	x.then(true)
}

// end closes a local transaction and lets those who wait for its rows go on.
func (x *localTx) end() {
	if x.over {
		return
	}
	x.over = true
	t := x.t
	if i := slices.Index(t.local, x); i >= 0 {
		t.local = slices.Delete(t.local, i, i+1)
	}
	for i := range t.rows {
		a := &t.rows[i]
		if j := slices.Index(a.queue, x); j >= 0 {
			a.queue = slices.Delete(a.queue, j, j+1)
		}
		if a.owner != x {
			continue
		}
		a.owner = nil
		if len(a.queue) > 0 {
			heir := a.queue[0]
			a.queue = slices.Delete(a.queue, 0, 1)
			t.r.w.after(0, func() {
				if !heir.over {
					heir.advance()
				}
			})
		}
	}
}

// abortAll rolls back what is open when the process stops.
func (t *table) abortAll() {
	for len(t.local) > 0 {
		x := t.local[0]
		x.end()
		if x.onAbort != nil {
			x.onAbort()
		}
	}
}

// key is the lock key of the rows, as a client sends it.
func (t *table) key(changes []change) string {
	pks := make([]string, len(changes))
	for i, c := range changes {
		pks[i] = strconv.Itoa(c.row)
	}
	return "account:" + strings.Join(pks, ",")
}

// row names a row as checkers know it.
func (t *table) row(i int) txn.Row {
	return txn.Row{Resource: t.r.name, Table: "account", PK: strconv.Itoa(i)}
}

// commit commits phase one: the rows' new values and the undo log, unless the branch was rolled back already.
func (t *table) commit(x *localTx, id, branch int64, changes []change) bool {
	defer x.end()
	if x.over {
		return false
	}
	d := check.Deed{ID: id, Branch: branch, Action: check.Try, Effect: true, Result: txn.ResultDone}
	if t.undo[branch] != nil && t.r.w.mutation != NoFence {
		d.Action, d.Effect = check.TryRefused, false
		t.r.deed(d)
		return false
	}
	for i := range changes {
		c := &changes[i]
		a := &t.rows[c.row]
		c.before, c.after = a.value, a.value+c.delta
		a.value = c.after
		d.Rows = append(d.Rows, check.RowChange{Row: t.row(c.row), Before: c.before, After: c.after, Delta: c.delta})
	}
	t.undo[branch] = &undoLog{id: id, changes: changes}
	t.r.deed(d)
	return true
}

// phaseTwo deletes the undo log, or undoes what it says.
func (t *table) phaseTwo(cmd txn.Command, reply func(txn.Result, string)) {
	d := ofCommand(cmd)
	u := t.undo[cmd.BranchID]
	if cmd.Op == txn.Commit {
		d.Effect = u != nil && !u.finished
		if u != nil {
			u.finished = true // a real one is deleted; this one stays so that a repetition has no effect
		}
		t.r.deed(d)
		reply(txn.ResultDone, "")
		return
	}
	if u == nil || u.finished {
		if u == nil {
			t.undo[cmd.BranchID] = &undoLog{id: cmd.XID.ID, finished: true}
		}
		t.r.deed(d)
		reply(txn.ResultDone, "")
		return
	}
	rows := make([]int, len(u.changes))
	for i, c := range u.changes {
		rows[i] = c.row
	}
	var x *localTx
	x = t.begin(rows, lockWaitLocal, func(ok bool) {
		if !ok {
			d.Result = txn.ResultFailed
			t.r.deed(d)
			reply(d.Result, "lock wait timeout")
			return
		}
		t.r.w.after(t.r.w.upTo(time.Millisecond), func() { t.restore(x, u, d, reply) })
	})
}

// restore writes the before image back, if the rows are as phase one left them.
func (t *table) restore(x *localTx, u *undoLog, d check.Deed, reply func(txn.Result, string)) {
	if x.over {
		return // the process stopped
	}
	defer x.end()
	if u.finished && t.r.w.mutation != NoFence {
		t.r.deed(d) // another attempt was faster
		reply(txn.ResultDone, "")
		return
	}
	for _, c := range u.changes {
		if t.rows[c.row].value != c.after {
			d.Dirty, d.Result = true, txn.ResultRefused
			t.r.deed(d)
			reply(d.Result, "the row was changed by others")
			return
		}
	}
	for _, c := range u.changes {
		t.rows[c.row].value = c.before
		d.Rows = append(d.Rows, check.RowChange{Row: t.row(c.row), Before: c.after, After: c.before})
	}
	u.finished, d.Effect = true, true
	t.r.deed(d)
	reply(txn.ResultDone, "")
}
