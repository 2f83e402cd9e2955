package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Reader reads all that is stored, without being a member: for audits.
type Reader struct{ records }

// OpenReader connects to a database with the tables of this version. It writes nothing; a replica will do.
func OpenReader(ctx context.Context, dsn string) (*Reader, error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	r := &Reader{records{packetMax: packetLeast}}
	if r.pool, err = openPool(c, 4); err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, r.pool); err != nil {
		_ = r.pool.Close()
		return nil, err
	}
	return r, nil
}

// Close ends the connections.
func (r *Reader) Close() error { return r.pool.Close() }

// Now returns the database's time.
func (r *Reader) Now(ctx context.Context) (now txn.Millis, err error) {
	if err := r.pool.QueryRowContext(ctx, selectNow).Scan(&now); err != nil {
		return 0, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

// eachChunk is how many rows are read at once.
const eachChunk = 500

// Each of these walks a primary key from a place on.
const (
	eachLive     = `SELECT id FROM concord_live WHERE id > ? ORDER BY id LIMIT ?`
	eachFinished = `SELECT id FROM concord_finished WHERE id > ? ORDER BY id LIMIT ?`
	eachOutbox   = `SELECT pack, events FROM concord_outbox WHERE pack > ? ORDER BY pack LIMIT ?`
	eachPack     = `SELECT pack, outcome, created_at FROM concord_pack WHERE pack > ? ORDER BY pack LIMIT ?`
	eachLife     = `SELECT epoch, node, joined_at, ended_at FROM concord_life WHERE epoch > ? ORDER BY epoch LIMIT ?`
)

// EachGlobal yields every transaction, live or ended, whole, with the epoch of the node that wrote it last. One that
// ends while they are read may come twice.
func (r *Reader) EachGlobal(ctx context.Context, yield func(g *txn.Global, epoch int64) error) error {
	for _, query := range []string{eachLive, eachFinished} {
		err := walkKeys(ctx, r.pool, query, int64(math.MinInt64), func(rows *sql.Rows) (id int64, err error) {
			return id, rows.Scan(&id)
		}, func(ids []int64) error {
			all, err := r.fetchWhole(ctx, ids)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if f, ok := all[id]; ok {
					if err := yield(f.g, f.epoch); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read transactions: %w", err)
		}
	}
	return nil
}

// walkKeys reads a table in the order of its primary key, a chunk at a time. scan returns a row's key.
func walkKeys[K any](
	ctx context.Context, x executor, query string, after K, scan func(*sql.Rows) (K, error), chunk func([]K) error,
) error {
	for {
		var keys []K
		err := each(ctx, x, func(rows *sql.Rows) error {
			k, err := scan(rows)
			keys = append(keys, k)
			return err
		}, query, after, eachChunk)
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			after = keys[len(keys)-1]
			if err := chunk(keys); err != nil {
				return err
			}
		}
		if len(keys) < eachChunk {
			return nil
		}
	}
}

// EachLock yields every locked row, in the order of their hashes.
func (r *Reader) EachLock(ctx context.Context, yield func(row txn.Row, holder, branch int64) error) error {
	var chunk []heldRow
	err := walkKeys(ctx, r.pool, walkLocks, []byte{}, func(rows *sql.Rows) ([]byte, error) {
		l, err := scanLock(rows)
		chunk = append(chunk, l)
		return append([]byte(nil), l.hash[:]...), err
	}, func([][]byte) error {
		for _, l := range chunk {
			if err := yield(l.Row, l.Holder.ID, l.Branch); err != nil {
				return err
			}
		}
		chunk = chunk[:0]
		return nil
	})
	if err != nil {
		return fmt.Errorf("read locks: %w", err)
	}
	return nil
}

// EachOutbox yields every decision whose message is not known to have been read.
func (r *Reader) EachOutbox(ctx context.Context, yield func(e orchestrator.OutboxEntry) error) error {
	err := walkKeys(ctx, r.pool, eachOutbox, []byte{}, func(rows *sql.Rows) ([]byte, error) {
		entries, err := scanOutbox(rows)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := yield(e); err != nil {
				return nil, err
			}
		}
		return []byte(entries[0].Pack), nil
	}, func([][]byte) error { return nil })
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	return nil
}

// EachPack yields every pack id: stored, or aborted by a check-back.
func (r *Reader) EachPack(
	ctx context.Context, yield func(id orchestrator.PackID, stored bool, at txn.Millis) error,
) error {
	err := walkKeys(ctx, r.pool, eachPack, []byte{}, func(rows *sql.Rows) ([]byte, error) {
		var id []byte
		var outcome int
		var at txn.Millis
		if err := rows.Scan(&id, &outcome, &at); err != nil {
			return nil, err
		}
		return id, yield(orchestrator.PackID(id), outcome == packStored, at)
	}, func([][]byte) error { return nil })
	if err != nil {
		return fmt.Errorf("read packs: %w", err)
	}
	return nil
}

// EachNode yields the lives of all nodes in the order of their epochs; endedAt is 0 while one lasts.
func (r *Reader) EachNode(
	ctx context.Context, yield func(id string, epoch int64, joinedAt, endedAt txn.Millis) error,
) error {
	err := walkKeys(ctx, r.pool, eachLife, int64(0), func(rows *sql.Rows) (epoch int64, err error) {
		var id string
		var joined, ended txn.Millis
		if err := rows.Scan(&epoch, &id, &joined, &ended); err != nil {
			return 0, err
		}
		return epoch, yield(id, epoch, joined, ended)
	}, func([]int64) error { return nil })
	if err != nil {
		return fmt.Errorf("read nodes: %w", err)
	}
	return nil
}
