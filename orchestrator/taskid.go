package orchestrator

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// TaskID names one attempt at a task. It is all that is needed to end it, at any node.
type TaskID struct {
	Global, Branch int64
	Op             txn.Outcome
	Attempt        uint32
}

// taskIDVersion is the first byte of an id.
const taskIDVersion = 1

// String returns the id as workers see it: letters, digits, "-" and "_".
func (id TaskID) String() string {
	b := append(make([]byte, 0, 32), taskIDVersion, byte(id.Op))
	b = binary.AppendVarint(binary.AppendVarint(b, id.Global), id.Branch)
	b = binary.AppendUvarint(b, uint64(id.Attempt))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseTaskID is the reverse of [TaskID.String]; ok is false if the text is none.
func ParseTaskID(text string) (id TaskID, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 2 || b[0] != taskIDVersion {
		return id, false
	}
	id.Op = txn.Outcome(b[1])
	rest := b[2:]
	var n int
	for _, field := range []*int64{&id.Global, &id.Branch} {
		if *field, n = binary.Varint(rest); n <= 0 {
			return id, false
		}
		rest = rest[n:]
	}
	attempt, n := binary.Uvarint(rest)
	if n <= 0 || n != len(rest) || attempt == 0 || attempt > math.MaxUint32 || id.Global <= 0 {
		return id, false
	}
	id.Attempt = uint32(attempt)
	return id, (id.Op == txn.Forward || id.Op == txn.Rollback) && id.String() == text
}
