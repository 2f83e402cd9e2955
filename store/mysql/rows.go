package mysql

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// rowHash is the primary key of a locked row. Two rows with the same hash would be taken for one, which costs a
// needless conflict and nothing else; with 128 bits nobody will see it.
type rowHash [16]byte

// short is a part of the hash, for tables in memory where a wrong guess costs a wait.
func (h rowHash) short() int64 { return int64(binary.BigEndian.Uint64(h[:8])) }

// hashRow hashes a row whose table is folded. The lengths keep the three texts apart.
func hashRow(scratch []byte, resource, table, pk string) (rowHash, []byte) {
	scratch = binary.AppendUvarint(scratch[:0], uint64(len(resource)))
	scratch = append(scratch, resource...)
	scratch = binary.AppendUvarint(scratch, uint64(len(table)))
	scratch = append(scratch, table...)
	scratch = append(scratch, pk...)
	sum := sha256.Sum256(scratch)
	return rowHash(sum[:16]), scratch
}

// lockRow is one row of a lock key.
type lockRow struct {
	hash      rowHash
	table, pk string // as the client wrote them
}

// rowsOf lists the rows of a lock key, duplicates included.
func rowsOf(resource, lockKey string) []lockRow {
	var rows []lockRow
	var scratch []byte
	txn.EachLock(lockKey, func(table, pk string) bool {
		var h rowHash
		h, scratch = hashRow(scratch, resource, txn.FoldTable(table), pk)
		rows = append(rows, lockRow{h, table, pk})
		return true
	})
	return rows
}

// hashesOf lists the hashes of the rows of a lock key, duplicates included.
func hashesOf(dst []rowHash, resource, lockKey string) []rowHash {
	var scratch []byte
	txn.EachLock(lockKey, func(table, pk string) bool {
		var h rowHash
		h, scratch = hashRow(scratch, resource, txn.FoldTable(table), pk)
		dst = append(dst, h)
		return true
	})
	return dst
}
