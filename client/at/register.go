package at

import (
	"fmt"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/tc/seata"
)

// A registration that waits for a row which another transaction has locked takes seconds. An undo log that is inserted
// and not committed for so long holds up who deletes others with a statement that reads it, as Java's clients do. So
// after one that was waited for longer than slowRegistration, none is written before its branch is registered for
// contendedFor.
const (
	slowRegistration = 50 * time.Millisecond
	contendedFor     = 10 * time.Second
)

// calm reports whether registrations are answered at once.
func (d *Connector) calm() bool { return time.Now().UnixNano() > d.contendedUntil.Load() }

// registration is the registration of a branch that is under way.
type registration struct {
	branch client.Branch // without an id
	likely int64         // the id that it will have unless something comes between, 0 if that is not known
	wait   func() (int64, error)
}

// start begins to register a branch with lock keys.
func (l *local) start(keys string) *registration {
	r := &registration{branch: client.Branch{
		XID: l.mode.xid, Type: seata.BranchAT, Resource: l.c.d.options.Resource, Locks: keys,
		Data: fmt.Sprintf(`{"autoCommit":%t}`, l.auto), // Seata ConnectionContext: AUTO_COMMIT
	}}
	r.likely, r.wait = l.c.d.coordinator.StartBranch(l.ctx, r.branch)
	return r
}

// startEarly begins to register the branch of a text of one statement, which is a transaction of its own, before the
// statement runs, if its image tells what will have to be locked: then the coordinator's flush is over when the image
// after it is read. Before the rows are locked in the database nothing may be registered: who holds them there may be
// waiting for their global locks.
func (l *local) startEarly(p planned, before []undo.Records) {
	if !l.auto || !l.alone || l.mode.xid == "" || p.Kind() != statement.Update && p.Kind() != statement.Delete {
		return
	}
	if keys := p.LockKeys(p.tables, before, nil); keys != "" {
		l.early = l.start(keys)
	}
}

// started returns the registration of all that the local transaction has changed, which may be under way for long.
func (l *local) started() *registration {
	keys := l.lockKeys()
	// The keys of the images before and after a statement hold those before it: as long means that they are the same.
	if r := l.early; r != nil && len(r.branch.Locks) == len(keys) {
		l.early = nil
		return r
	}
	l.dropEarly()
	return l.start(keys)
}

// registered waits until the branch is registered. While another transaction holds one of its keys, it tries again, but
// not if that one is rolling back, since its undo would wait for our rows, or if nothing can be committed any more.
func (l *local) registered(r *registration, lost bool) (branch client.Branch, err error) {
	branch = r.branch
	for attempt := 0; ; attempt++ {
		since := time.Now() // not from its beginning: the statement beside it may have taken long
		branch.ID, err = r.wait()
		if heldByOther(err) || time.Since(since) > slowRegistration {
			l.c.d.contendedUntil.Store(time.Now().Add(contendedFor).UnixNano())
		}
		if err == nil {
			return branch, nil
		}
		if l.auto || lost || !heldByOther(err) || attempt >= l.c.d.options.LockRetries {
			return branch, err
		}
		if err := pause(l.ctx, l.c.d.options.LockPause); err != nil {
			return branch, err
		}
		r = l.start(branch.Locks)
	}
}

// dropEarly takes a registration back that is of no use: the statement failed, changed nothing, or other rows.
func (l *local) dropEarly() {
	r := l.early
	if r == nil {
		return
	}
	l.early = nil
	branch := r.branch
	var err error
	if branch.ID, err = r.wait(); err == nil {
		l.reportFailed(branch)
	}
}
