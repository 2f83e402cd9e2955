package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/intern"
)

// records reads what is stored. It is what [Store] and [Reader] have in common.
type records struct {
	pool      *sql.DB
	packetMax int
	names     intern.Names
}

// found is a record that was read.
type found struct {
	g     *txn.Global
	lay   layout
	epoch int64
}

var (
	// selectLive and selectFinished read by the primary key.
	selectLive = multi{
		`SELECT id, epoch, layout, data FROM concord_live WHERE id IN (`, `?`, `)`,
	}
	selectFinished = multi{
		`SELECT id, epoch, layout, data FROM concord_finished WHERE id IN (`, `?`, `)`,
	}
	// selectParts reads by the primary key, whose order it keeps.
	selectParts = multi{
		`SELECT id, kind, seq, data FROM concord_part WHERE id IN (`, `?`, `) ORDER BY id, kind, seq`,
	}
)

// fetch reads transactions: the live ones, then the others among those that have ended. A transaction that ends
// meanwhile is found in the second. Those whose records have parts are incomplete.
func (s *records) fetch(ctx context.Context, x executor, ids []int64) (map[int64]found, error) {
	all := make(map[int64]found, len(ids))
	scan := func(rows *sql.Rows) error {
		f, err := s.scanRecord(rows)
		if err == nil {
			all[f.g.XID.ID] = f
		}
		return err
	}
	if err := s.query(ctx, x, selectLive, idList(selectLive, ids), scan); err != nil {
		return nil, err
	}
	var rest []int64
	for _, id := range ids {
		if _, ok := all[id]; !ok {
			rest = append(rest, id)
		}
	}
	if err := s.query(ctx, x, selectFinished, idList(selectFinished, rest), scan); err != nil {
		return nil, err
	}
	return all, nil
}

// scanRecord reads one row of id, epoch, layout and data.
func (s *records) scanRecord(rows *sql.Rows) (found, error) {
	var f found
	var id, column int64
	var data sql.RawBytes
	if err := rows.Scan(&id, &f.epoch, &column, &data); err != nil {
		return f, err
	}
	f.lay = layoutOf(column)
	g, err := decode(data, f.lay, s.names.String)
	if err != nil {
		return f, err
	}
	if g.XID.ID != id {
		return f, fmt.Errorf("row %d holds the record of %d: %w", id, g.XID.ID, txn.ErrEncoding)
	}
	f.g = g
	return f, nil
}

// complete adds the parts of records that were read in the same snapshot.
func (s *records) complete(ctx context.Context, x executor, all map[int64]found, history bool) error {
	open := map[int64]*assembly{}
	for id, f := range all {
		if f.lay.inline < f.lay.branches || history && f.lay.history > 0 {
			open[id] = &assembly{g: f.g, lay: f.lay}
		}
	}
	if len(open) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	err := s.query(ctx, x, selectParts, idList(selectParts, ids), func(rows *sql.Rows) error {
		var id int64
		var p part
		if err := rows.Scan(&id, &p.kind, &p.seq, &p.data); err != nil {
			return err
		}
		if p.kind == partHistory && !history {
			return nil
		}
		return open[id].add(p, s.names.String)
	})
	for _, id := range ids {
		if err == nil {
			err = open[id].finish(history)
		}
	}
	return err
}

// fetchWhole reads transactions with all their parts. Those that have some are read once more, as of one moment.
func (s *records) fetchWhole(ctx context.Context, ids []int64) (map[int64]found, error) {
	all, err := s.fetch(ctx, s.pool, ids)
	if err != nil {
		return nil, err
	}
	var split []int64
	for id, f := range all {
		if f.lay.splits() {
			split = append(split, id)
		}
	}
	if len(split) == 0 {
		return all, nil
	}
	slices.Sort(split)
	return all, s.again(ctx, all, split)
}

// again reads some of the transactions in all once more, with all their parts, as of one moment. One that is not there
// any more, because retention was faster, leaves all.
func (s *records) again(ctx context.Context, all map[int64]found, ids []int64) error {
	for _, id := range ids {
		delete(all, id)
	}
	return s.snapshot(ctx, func(tx executor) error {
		whole, err := s.fetch(ctx, tx, ids)
		if err == nil {
			err = s.complete(ctx, tx, whole, true)
		}
		maps.Copy(all, whole)
		return err
	})
}

// snapshot calls do with a transaction in which all reads see the same moment. It is not marked read only, which TiDB
// refuses.
func (s *records) snapshot(ctx context.Context, do func(tx executor) error) error {
	tx, err := s.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	err = do(tx)
	if endErr := tx.Commit(); err == nil {
		err = endErr
	}
	return err
}

// patiently calls do again, for a while, as long as the database cannot be reached or asks for another attempt. It is
// for what may be done twice.
func patiently(ctx context.Context, limit time.Duration, do func() error) error {
	start, backoff := time.Now(), backoffMin
	for {
		err := do()
		if err == nil {
			return nil
		}
		if kind := classify(err); kind != outageConnect && kind != outageRetry || time.Since(start) > limit {
			return err
		}
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		backoff = min(2*backoff, backoffMax)
	}
}
