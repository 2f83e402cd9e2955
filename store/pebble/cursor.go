package pebble

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A cursor is a version byte, a hash of the filters it belongs to, and the place after which the next page begins.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 4 + 16
)

// queryHash is equal for queries that differ in cursor and limit only.
func queryHash(q orchestrator.Query) uint32 {
	return hash32(fmt.Sprintf("list %d %t %t %t %q %q %d %d",
		q.Status, q.Live, q.Stuck, q.Sagas, q.Application, q.Name, q.BeganFrom, q.BeganTo))
}

func formatCursor(p place, hash uint32) string {
	b := binary.BigEndian.AppendUint32([]byte{cursorVersion}, hash)
	return base64.RawURLEncoding.EncodeToString(appendIndexTail(b, p.began, p.id))
}

// parseCursor returns the place, or the newest one for an empty cursor.
func parseCursor(cursor string, hash uint32) (place, error) {
	if cursor == "" {
		return newestPlace, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion || binary.BigEndian.Uint32(b[1:]) != hash {
		return place{}, orchestrator.ErrCursor
	}
	return place{
		began: txn.Millis(binary.BigEndian.Uint64(b[5:])), id: int64(binary.BigEndian.Uint64(b[13:])),
	}, nil
}
