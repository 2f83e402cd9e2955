package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// What a batch reads. All reads lock, in this order, each in the order of the primary key: two nodes whose batches
// overlap wait for each other rarely in a circle, and when they do, the server ends one, which is tried again.
func (s *Store) read(ctx context.Context, x executor, b *batch) error {
	if err := s.readGlobals(ctx, x, b); err != nil {
		return fmt.Errorf("read transactions: %w", err)
	}
	if err := s.readLocks(ctx, x, b); err != nil {
		return fmt.Errorf("read locks: %w", err)
	}
	if err := s.readPacks(ctx, x, b); err != nil {
		return fmt.Errorf("read packs: %w", err)
	}
	if err := s.trim(ctx, x, b); err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	if err := s.readDocuments(ctx, x, b); err != nil {
		return fmt.Errorf("read documents: %w", err)
	}
	return nil
}

// selectGlobals reads by the primary key.
var selectGlobals = multi{
	`SELECT id, version, state, due_at, look_at, layout FROM concord_live FORCE INDEX (PRIMARY) WHERE id IN (`, `?`,
	`) FOR UPDATE`,
}

// selectEnded looks, by the primary key, which transactions have ended. An ended one never changes, so it is not
// locked.
var selectEnded = multi{`SELECT id FROM concord_finished WHERE id IN (`, `?`, `)`}

func (s *Store) readGlobals(ctx context.Context, x executor, b *batch) error {
	ids := slices.Sorted(maps.Keys(b.globals))
	if len(ids) == 0 {
		return nil
	}
	err := s.query(ctx, x, selectGlobals, idList(selectGlobals, ids), func(rows *sql.Rows) error {
		var id, column int64
		r := globalRow{live: true, stored: true}
		if err := rows.Scan(&id, &r.version, &r.state, &r.dueAt, &r.lookAt, &column); err != nil {
			return err
		}
		r.lay = layoutOf(column)
		*b.globals[id] = r
		return nil
	})
	if err != nil {
		return err
	}
	absent := ids[:0]
	for _, id := range ids {
		if !b.globals[id].live {
			absent = append(absent, id)
		}
	}
	return s.query(ctx, x, selectEnded, idList(selectEnded, absent), func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		if err == nil {
			b.globals[id].finished = true
		}
		return err
	})
}

// selectLocks reads by the primary key.
var selectLocks = multi{
	`SELECT row_hash, holder, branch, held, since FROM concord_lock FORCE INDEX (PRIMARY) WHERE row_hash IN (`, `?`,
	`) FOR UPDATE`,
}

func sortedHashes[V any](m map[rowHash]V) []rowHash {
	hashes := make([]rowHash, 0, len(m))
	for h := range m {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(a, b rowHash) int { return bytes.Compare(a[:], b[:]) })
	return hashes
}

func (s *Store) readLocks(ctx context.Context, x executor, b *batch) error {
	l := newList(selectLocks)
	for _, h := range sortedHashes(b.locks) {
		l.add(h[:])
	}
	return s.query(ctx, x, selectLocks, l, func(rows *sql.Rows) error {
		var hash sql.RawBytes
		r := lockState{stored: true}
		if err := rows.Scan(&hash, &r.holder, &r.branch, &r.held, &r.since); err != nil {
			return err
		}
		if len(hash) == len(rowHash{}) {
			*b.locks[rowHash(hash)] = r
		}
		return nil
	})
}

// selectPacks reads by the primary key.
var selectPacks = multi{
	`SELECT pack, outcome FROM concord_pack FORCE INDEX (PRIMARY) WHERE pack IN (`, `?`, `) FOR UPDATE`,
}

func (s *Store) readPacks(ctx context.Context, x executor, b *batch) error {
	l := newList(selectPacks)
	for _, p := range sortedPacks(b.packs) {
		l.add([]byte(p))
	}
	return s.query(ctx, x, selectPacks, l, func(rows *sql.Rows) error {
		var pack string
		var outcome int
		err := rows.Scan(&pack, &outcome)
		if p := b.packs[orchestrator.PackID(pack)]; err == nil && p != nil {
			*p = packRow{outcome: outcome, stored: true}
		}
		return err
	})
}

// selectHolders reads by the primary key.
var selectHolders = multi{`SELECT id, state, prefix FROM concord_live WHERE id IN (`, `?`, `)`}

// What a batch writes.
var (
	insertLive = multi{
		`INSERT INTO concord_live (id, version, state, due_at, look_at, epoch, layout, data, began_at, app_hash,
	name_hash, prefix) VALUES `, `(?,?,?,?,?,?,?,?,?,?,?,?)`, ``,
	}
	// updateLive is only given rows that were read for update: all of them exist.
	updateLive = multi{
		`INSERT INTO concord_live (id, version, state, due_at, look_at, epoch, layout, data) VALUES `, `(?,?,?,?,?,?,?,?)`,
		` ON DUPLICATE KEY UPDATE version = VALUES(version), state = VALUES(state), due_at = VALUES(due_at),
	look_at = VALUES(look_at), epoch = VALUES(epoch), layout = VALUES(layout), data = VALUES(data)`,
	}
	deleteLive = multi{
		`DELETE FROM concord_live WHERE id IN (`, `?`, `) ORDER BY id LIMIT `,
	}
	insertFinished = multi{
		`INSERT INTO concord_finished (id, version, state, began_at, ended_at, epoch, layout, app_hash,
	name_hash, data) VALUES `, `(?,?,?,?,?,?,?,?,?,?)`, ``,
	}
	// putPart replaces parts of a transaction whose row is locked or new.
	putPart = multi{
		`INSERT INTO concord_part (id, kind, seq, data) VALUES `, `(?,?,?,?)`,
		` ON DUPLICATE KEY UPDATE data = VALUES(data)`,
	}
	insertLock = multi{
		`INSERT INTO concord_lock (row_hash, holder, branch, held, since, epoch, resource, tbl, pk) VALUES `,
		`(?,?,?,?,?,?,?,?,?)`, ``,
	}
	deleteLock = multi{
		`DELETE FROM concord_lock WHERE row_hash IN (`, `?`, `) ORDER BY row_hash LIMIT `,
	}
	insertPack = multi{`INSERT INTO concord_pack (pack, outcome, created_at, epoch) VALUES `, `(?,?,?,?)`, ``}
)

// updateHeld changes how often a row is held, by the primary key.
var updateHeld = multi{
	insertLock.head, insertLock.group, ` ON DUPLICATE KEY UPDATE holder = VALUES(holder), branch = VALUES(branch),
	held = VALUES(held), since = VALUES(since), epoch = VALUES(epoch), resource = VALUES(resource), tbl = VALUES(tbl),
	pk = VALUES(pk)`,
}

// countHeld changes only the number, of rows that stay with their holder. All of them exist.
var countHeld = multi{
	insertLock.head, `(?,?,?,?,?,?,'','','')`, ` ON DUPLICATE KEY UPDATE held = VALUES(held), epoch = VALUES(epoch)`,
}

func (s *Store) write(ctx context.Context, x executor, b *batch) error {
	if err := s.writeGlobals(ctx, x, b); err != nil {
		return fmt.Errorf("write transactions: %w", err)
	}
	if err := s.writeLocks(ctx, x, b); err != nil {
		return fmt.Errorf("write locks: %w", err)
	}
	if err := s.writeOutbox(ctx, x, b); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	if err := s.writePacks(ctx, x, b); err != nil {
		return fmt.Errorf("write packs: %w", err)
	}
	if err := s.writeDocuments(ctx, x, b); err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	return nil
}

type statement struct {
	m multi
	l *list
}

// statements runs several statements; those without rows are left out.
func (s *Store) statements(ctx context.Context, x executor, all ...statement) error {
	for _, st := range all {
		if st.l.rows() == 0 {
			continue
		}
		if _, err := s.exec(ctx, x, st.m, st.l); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeGlobals(ctx context.Context, x executor, b *batch) error {
	created, updated, removed := newList(insertLive), newList(updateLive), newList(deleteLive)
	ended, parts := newList(insertFinished), newList(putPart)
	for _, id := range slices.Sorted(maps.Keys(b.globals)) {
		r := b.globals[id]
		if r.g == nil {
			continue
		}
		g := r.g
		data, pieces, lay := encode(g, r.lay, r.touched)
		if len(data) > s.packetMax-packetSlack || lay.branches > branchesMost || lay.history > historyMost {
			return fmt.Errorf("record of %d has %d bytes: %w", id, len(data), orchestrator.ErrTooLarge)
		}
		for _, p := range pieces {
			parts.add(id, p.kind, p.seq, p.data)
		}
		switch {
		case r.finished:
			ended.add(id, r.version, r.state, int64(g.BeganAt), int64(g.EndedAt), b.epoch, lay.column(),
				hash32(g.Application), hash32(g.Name), data)
			if r.stored {
				removed.add(id)
			}
		case r.stored:
			updated.add(id, r.version, r.state, int64(r.dueAt), int64(r.lookAt), b.epoch, lay.column(), data)
		default:
			created.add(id, r.version, r.state, int64(r.dueAt), int64(r.lookAt), b.epoch, lay.column(), data,
				int64(g.BeganAt), hash32(g.Application), hash32(g.Name), []byte(g.XID.Prefix))
		}
	}
	return s.statements(ctx, x, statement{insertLive, created}, statement{updateLive, updated},
		statement{putPart, parts}, statement{deleteLive, removed}, statement{insertFinished, ended})
}

func (s *Store) writeLocks(ctx context.Context, x executor, b *batch) error {
	created, handed, removed := newList(insertLock), newList(updateHeld), newList(deleteLock)
	counted := newList(countHeld)
	for _, h := range sortedHashes(b.locks) {
		l := b.locks[h]
		switch {
		case !l.changed || l.held == 0 && !l.stored:
		case l.held == 0:
			removed.add(h[:])
		case !l.acquired:
			counted.add(h[:], l.holder, l.branch, l.held, int64(l.since), b.epoch)
		default:
			to := created
			if l.stored {
				to = handed
			}
			to.add(h[:], l.holder, l.branch, l.held, int64(l.since), b.epoch, []byte(l.row.Resource),
				[]byte(l.row.Table), []byte(l.row.PK))
		}
	}
	return s.statements(ctx, x, statement{insertLock, created}, statement{updateHeld, handed},
		statement{countHeld, counted}, statement{deleteLock, removed})
}

// writePacks inserts the pack ids that are new.
func (s *Store) writePacks(ctx context.Context, x executor, b *batch) error {
	packs := newList(insertPack)
	now := int64(s.Now())
	for _, id := range sortedPacks(b.packs) {
		if p := b.packs[id]; p.outcome != 0 && !p.stored {
			packs.add([]byte(id), p.outcome, now, b.epoch)
		}
	}
	return s.statements(ctx, x, statement{insertPack, packs})
}

func sortedPacks[V any](m map[orchestrator.PackID]V) []orchestrator.PackID {
	return slices.Sorted(maps.Keys(m))
}

// A fence is the last statement of every write, one for each lane. It finds the node's row only while the node is a
// member, and holds it until the commit, so that nobody can declare the node dead in between. It leaves a token that
// tells whether the write was committed, if the answer is lost. By the primary key.
const (
	fence0 = `UPDATE concord_node SET write_0 = ?, n_active = n_active + ?, n_committing = n_committing + ?,
	n_rolling_back = n_rolling_back + ?, n_committed = n_committed + ?, n_rolled_back = n_rolled_back + ?,
	n_stuck = n_stuck + ?, n_locks = n_locks + ? WHERE id = ? AND epoch = ? AND fenced = 0`
	fence1 = `UPDATE concord_node SET write_1 = ?, n_active = n_active + ?, n_committing = n_committing + ?,
	n_rolling_back = n_rolling_back + ?, n_committed = n_committed + ?, n_rolled_back = n_rolled_back + ?,
	n_stuck = n_stuck + ?, n_locks = n_locks + ? WHERE id = ? AND epoch = ? AND fenced = 0`
)

// fences has the statement of each lane.
var fences = [lanes]string{fence0, fence1}

// fenceWrite runs the fence of a lane and reports whether the node is still a member.
func (s *Store) fenceWrite(ctx context.Context, x executor, b *batch, lane int, token int64) (bool, error) {
	n := &b.counts
	result, err := x.ExecContext(ctx, fences[lane], token, n.status[txn.Active], n.status[txn.Committing],
		n.status[txn.RollingBack], n.status[txn.Committed], n.status[txn.RolledBack], n.stuck, n.locks,
		[]byte(s.opts.Node.ID), b.epoch)
	if err != nil {
		return false, fmt.Errorf("write node: %w", err)
	}
	found, err := result.RowsAffected()
	return found == 1, err
}
