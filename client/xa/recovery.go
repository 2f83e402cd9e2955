package xa

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// prepared lists the branches of Seata and Concord that are prepared at the server, in whatever database.
func (x *Connector) prepared(ctx context.Context) ([]key, error) {
	rows, err := x.admin.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []key
	for rows.Next() {
		var formatID, globalBytes, branchBytes int64
		var data []byte
		if err := rows.Scan(&formatID, &globalBytes, &branchBytes, &data); err != nil {
			return nil, err
		}
		if k, ok := recoverRow([]driver.Value{formatID, globalBytes, branchBytes, data}); ok {
			all = append(all, k)
		}
	}
	return all, rows.Err()
}

// listed reports whether a branch is prepared at the server.
func (x *Connector) listed(ctx context.Context, k key) (bool, error) {
	all, err := x.prepared(ctx)
	for _, p := range all {
		if p == k {
			return true, nil
		}
	}
	return false, err
}

// keep lets connections go that have been held for long, and looks for forgotten branches, until ctx ends.
func (x *Connector) keep(ctx context.Context) {
	defer close(x.stopped)
	tick := time.NewTicker(max(min(x.o.HoldMax, time.Second), time.Millisecond))
	defer tick.Stop()
	var next time.Time
	for {
		for _, c := range x.known.takeOlder(time.Now().Add(-x.o.HoldMax)) {
			_ = c.Close()
		}
		if now := time.Now(); x.o.RecoverEvery > 0 && !now.Before(next) {
			next = now.Add(x.o.RecoverEvery)
			x.recover(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// recover finishes branches whose transaction has ended without them: their connection was in the way at the time, or
// the database was away for longer than the coordinator asks. As long as a transaction has not ended, its coordinator
// asks for its second phase itself, and nothing is done here.
func (x *Connector) recover(ctx context.Context) {
	all, err := x.prepared(ctx)
	if err != nil {
		if ctx.Err() == nil {
			x.o.Logger.Warn("prepared branches cannot be listed", "resource", x.o.ResourceID, "err", err)
		}
		return
	}
	statuses := map[string]seata.GlobalStatus{}
	for _, k := range all {
		status, asked := statuses[k.xid]
		if !asked {
			if status, err = x.coordinator.Status(ctx, k.xid); err != nil {
				x.o.Logger.Debug("outcome of a prepared branch not known", "xid", k.xid, "err", err)
				continue
			}
			statuses[k.xid] = status
		}
		x.settle(ctx, k, status)
	}
}

// settle finishes one branch as its transaction has ended.
func (x *Connector) settle(ctx context.Context, k key, status seata.GlobalStatus) {
	verb, how := "", endUnknown
	switch status {
	case seata.GlobalCommitted:
		verb, how = "XA COMMIT ", endCommitted
	case seata.GlobalRollbacked, seata.GlobalTimeoutRollbacked:
		verb, how = "XA ROLLBACK ", endRolledBack
	case seata.GlobalFinished:
		// Never known here, or forgotten: another coordinator's, or older than what is kept. Nobody can tell.
		x.o.Logger.Warn("prepared branch of an unknown transaction", "xid", k.xid, "branch", k.branch,
			"resource", x.o.ResourceID)
		return
	default:
		return
	}
	known, err := x.second(ctx, k, verb)
	switch {
	case err != nil:
		x.o.Logger.Warn("forgotten branch not finished", "xid", k.xid, "branch", k.branch, "err", err)
	case known:
		x.known.note(k, how)
		x.o.Logger.Info("forgotten branch finished", "xid", k.xid, "branch", k.branch, "outcome", status.String())
	}
}
