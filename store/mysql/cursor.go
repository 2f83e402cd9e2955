package mysql

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A cursor is a version byte, a hash of the filters it belongs to, and the place after which the next page begins: for
// transactions the time of the beginning and the id, for locks the row's hash.
const (
	cursorVersion = 2
	cursorBytes   = 1 + 4 + 16
)

// place is where a transaction stands in every list: newest first by the time it began, then by id.
type place struct {
	began txn.Millis
	id    int64
}

func (p place) before(q place) bool { return p.began < q.began || p.began == q.began && p.id < q.id }

// newestPlace is after all others, oldestPlace before.
var (
	newestPlace = place{math.MaxInt64, math.MaxInt64}
	oldestPlace = place{math.MinInt64, math.MinInt64}
)

func (p place) bytes() [16]byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.began))
	binary.BigEndian.PutUint64(b[8:], uint64(p.id))
	return b
}

func placeOf(b [16]byte) place {
	return place{txn.Millis(binary.BigEndian.Uint64(b[:8])), int64(binary.BigEndian.Uint64(b[8:]))}
}

// filters is a hash that is equal for queries that differ in cursor and limit only.
func filters(q orchestrator.Query) uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "list %d %t %t %t %q %q %d %d",
		q.Status, q.Live, q.Stuck, q.Sagas, q.Application, q.Name, q.BeganFrom, q.BeganTo))
}

func lockFilters(q orchestrator.LockQuery) uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "locks %q %q %q %d",
		q.Resource, txn.FoldTable(q.Table), q.PK, q.Holder))
}

func formatCursor(at [16]byte, hash uint32) string {
	b := binary.BigEndian.AppendUint32([]byte{cursorVersion}, hash)
	return base64.RawURLEncoding.EncodeToString(append(b, at[:]...))
}

func parseCursor(cursor string, hash uint32) (at [16]byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion || binary.BigEndian.Uint32(b[1:]) != hash {
		return at, orchestrator.ErrCursor
	}
	return [16]byte(b[5:]), nil
}

func pageLimit(n int) int {
	if n <= 0 {
		return orchestrator.PageItemsDefault
	}
	return min(n, orchestrator.PageItemsMax)
}
