package pebble

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// rowHash stands for one row: 128 bits that no client can steer, since the seeds are drawn when the process starts.
type rowHash [2]uint64

// rowHolder is who holds a row and how many times.
type rowHolder struct {
	id    int64
	count int64
}

// rowHasher hashes (resource, folded table, primary key). The hash of resource and table is made once per table.
type rowHasher struct {
	prefix, row [2]maphash.Seed
}

func newRowHasher() rowHasher {
	return rowHasher{
		prefix: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		row:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// append appends the hashes of all rows of a lock key, in their order, duplicates included.
func (h *rowHasher) append(dst []rowHash, resource, lockKey string) []rowHash {
	var prefix rowHash
	last, first := "", true
	var buf [128]byte
	txn.EachLock(lockKey, func(table, pk string) bool {
		if first || table != last {
			b := binary.AppendUvarint(buf[:0], uint64(len(resource)))
			b = append(append(b, resource...), txn.FoldTable(table)...)
			prefix = rowHash{maphash.Bytes(h.prefix[0], b), maphash.Bytes(h.prefix[1], b)}
			last, first = table, false
		}
		dst = append(dst, rowHash{
			prefix[0] ^ maphash.String(h.row[0], pk), prefix[1] ^ maphash.String(h.row[1], pk),
		})
		return true
	})
	return dst
}

// rowAt returns the i-th row of a lock key.
func rowAt(resource, lockKey string, i int) txn.Row {
	row := txn.Row{Resource: resource}
	txn.EachLock(lockKey, func(table, pk string) bool {
		if i == 0 {
			row.Table, row.PK = table, pk
		}
		i--
		return i >= 0
	})
	return row
}

// lockTable is the set of locked rows. It holds no pointers. About 50 bytes a row: 16 for the hash, 16 for the holder,
// the rest is the map's slack.
type lockTable map[rowHash]rowHolder

// acquire locks rows for id until it meets one that another transaction holds, and returns how many it locked.
func (t lockTable) acquire(id int64, rows []rowHash) int {
	for i, row := range rows {
		h := t[row]
		if h.count != 0 && h.id != id {
			return i
		}
		t[row] = rowHolder{id: id, count: h.count + 1}
	}
	return len(rows)
}

// release undoes acquire.
func (t lockTable) release(id int64, rows []rowHash) {
	for _, row := range rows {
		h := t[row]
		switch {
		case h.count == 0 || h.id != id:
		case h.count == 1:
			delete(t, row)
		default:
			h.count--
			t[row] = h
		}
	}
}

// heldByOther returns the index of the first row that another transaction than id holds, or -1.
func (t lockTable) heldByOther(id int64, rows []rowHash) int {
	for i, row := range rows {
		if h, ok := t[row]; ok && h.id != id {
			return i
		}
	}
	return -1
}

// lockChunk is how many rows are locked or freed in one hold of the mutex: about half a millisecond.
const lockChunk = 2048

// locked describes the holder of a row. The caller holds s.mu.
func (s *Store) lockedError(row rowHash, name txn.Row) *orchestrator.LockedError {
	h := s.locks[row]
	e := &orchestrator.LockedError{Row: name, Holder: txn.XID{ID: h.id}}
	if r := s.live.get(h.id); r != nil {
		e.Holder = s.live.xid(r)
		e.RollingBack = r.status == txn.RollingBack
	}
	return e
}

// acquireLarge locks very many rows, a chunk at a time, so that nobody else waits long for the mutex. Until it is done
// the rows of the chunks before count as held, so another transaction may be refused because of a branch that is
// refused itself a moment later; one at a time, so that two of them cannot refuse each other. The caller holds s.large.
func (s *Store) acquireLarge(b *txn.Branch, id int64, rows []rowHash) error {
	for from := 0; from < len(rows); from += lockChunk {
		chunk := rows[from:min(from+lockChunk, len(rows))]
		s.mu.Lock()
		n := s.locks.acquire(id, chunk)
		var err error
		if n < len(chunk) {
			err = s.lockedError(chunk[n], rowAt(b.Resource, b.LockKey, from+n))
		}
		s.mu.Unlock()
		if err != nil {
			s.releaseLarge(id, rows[:from+n])
			return err
		}
	}
	return nil
}

// releaseLarge frees very many rows, a chunk at a time.
func (s *Store) releaseLarge(id int64, rows []rowHash) {
	for len(rows) > 0 {
		n := min(lockChunk, len(rows))
		s.mu.Lock()
		s.locks.release(id, rows[:n])
		s.mu.Unlock()
		rows = rows[n:]
	}
}

// Locked implements [orchestrator.Store].
func (s *Store) Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error)) {
	rows := s.hasher.append(make([]rowHash, 0, 4), resource, lockKey)
	for from := 0; from < len(rows); from += lockChunk {
		chunk := rows[from:min(from+lockChunk, len(rows))]
		s.mu.Lock()
		i := s.locks.heldByOther(id, chunk)
		if i >= 0 {
			e := s.lockedError(chunk[i], rowAt(resource, lockKey, from+i))
			s.mu.Unlock()
			done(e, nil)
			return
		}
		s.mu.Unlock()
	}
	done(nil, nil)
}
