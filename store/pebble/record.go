package pebble

import (
	"encoding/binary"
	"fmt"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A record is [txn.AppendGlobal] with the history from an offset on, then that offset, the number of branches, the
// number of those that follow inline (2 bytes), and these.
//
// Branches are inline from the first one on as long as the record stays small; the rest have keys of their own. A
// branch that has left the record never comes back, so "index ≥ inline" always says where it is.
const (
	recordBytesMax = 4 << 10
	historyTailMax = 1 << 10
	inlineMax      = 1 << 10
)

// ops builds the body of a Pebble batch: for each operation kind, key length, key, value length, value. It is built
// outside of all locks; the committer only joins bodies.
// Pebble batch.go: "The repr is …".
type ops struct {
	buf []byte
	n   uint32
}

func (o *ops) set(key, value []byte) {
	o.buf = append(o.buf, byte(cockroach.InternalKeyKindSet))
	o.buf = binary.AppendUvarint(o.buf, uint64(len(key)))
	o.buf = append(o.buf, key...)
	o.buf = binary.AppendUvarint(o.buf, uint64(len(value)))
	o.buf = append(o.buf, value...)
	o.n++
}

func (o *ops) delete(key []byte) {
	o.buf = append(o.buf, byte(cockroach.InternalKeyKindDelete))
	o.buf = binary.AppendUvarint(o.buf, uint64(len(key)))
	o.buf = append(o.buf, key...)
	o.n++
}

// layout is how much of a transaction is inside its record.
type layout struct {
	branches, inline uint32 // how many, and how many of them are inside
	history          uint32 // offset from which on the history is inside
}

// encode turns the change into operations. prev is the layout of the stored state, zero for a new transaction.
func (w *write) encode(ch *orchestrator.Change, prev layout) error {
	g := ch.Global
	next, err := w.encodeRecord(g, prev)
	if err != nil {
		return err
	}
	w.layout = next
	record := w.value // stays valid until the next use of w.value
	if ch.Ended {
		if g.Version > 1 {
			w.key = appendIDKey(w.key[:0], spaceLive, g.XID.ID)
			w.ops.delete(w.key)
		}
		w.key = appendIDKey(w.key[:0], spaceEnded, g.XID.ID)
		w.ops.set(w.key, record)
		w.key = appendIndexTail(appendStatusPrefix(w.key[:0], g.Status), g.BeganAt, g.XID.ID)
		w.ops.set(w.key, binary.BigEndian.AppendUint64(w.value[:0], uint64(g.EndedAt)))
	} else {
		w.key = appendIDKey(w.key[:0], spaceLive, g.XID.ID)
		w.ops.set(w.key, record)
	}
	w.encodeBranches(ch, prev, next)
	if g.Version == 1 {
		w.encodeIndexes(g)
	}
	if ch.Decision && ch.Topic != "" {
		w.encodeOutbox(outboxEntry{xid: g.XID.ID, at: g.DecidedAt, topic: ch.Topic, event: ch.Event})
	}
	return nil
}

// encodeRecord leaves the record in w.value, and adds the operation for a piece of history that is cut off.
func (w *write) encodeRecord(g *txn.Global, prev layout) (layout, error) {
	next := layout{branches: uint32(len(g.Branches)), history: prev.history}
	if len(g.Branches) < int(prev.branches) || len(g.History) < int(prev.history) {
		return next, fmt.Errorf("encode %s: branches or history got shorter", g.XID)
	}
	tail := g.History[prev.history:]
	if len(tail) > historyTailMax {
		w.key = appendPartKey(w.key[:0], spaceHistory, g.XID.ID, prev.history)
		w.ops.set(w.key, tail)
		tail, next.history = nil, uint32(len(g.History))
	}
	trimmed := *g
	trimmed.History = tail
	v := txn.AppendGlobal(w.value[:0], &trimmed)
	v = binary.AppendUvarint(v, uint64(next.history))
	v = binary.AppendUvarint(v, uint64(next.branches))
	count := len(v)
	v = append(v, 0, 0)
	most := prev.inline
	if prev.inline == prev.branches {
		most = min(next.branches, inlineMax)
	}
	for ; next.inline < most; next.inline++ {
		b := g.Branches[next.inline]
		mark := len(v)
		if mark+len(b.LockKey)+len(b.Data)+len(b.Resource)+len(b.Client) > recordBytesMax {
			break
		}
		if v = txn.AppendBranch(v, b); len(v) > recordBytesMax {
			v = v[:mark]
			break
		}
	}
	binary.BigEndian.PutUint16(v[count:], uint16(next.inline))
	w.value = v
	return next, nil
}

// encodeBranches writes the branches outside the record that are new, changed, or were inside until now.
func (w *write) encodeBranches(ch *orchestrator.Change, prev, next layout) {
	if next.inline == next.branches {
		return
	}
	for i := next.inline; i < prev.inline; i++ {
		w.encodeBranch(ch.Global, i)
	}
	for i := max(next.inline, prev.branches); i < next.branches; i++ {
		w.encodeBranch(ch.Global, i)
	}
	for _, t := range ch.Touched {
		if i := uint32(t); i >= max(next.inline, prev.inline) && i < prev.branches {
			w.encodeBranch(ch.Global, i)
		}
	}
}

func (w *write) encodeBranch(g *txn.Global, i uint32) {
	w.key = appendPartKey(w.key[:0], spaceBranch, g.XID.ID, i)
	w.value = txn.AppendBranch(w.value[:0], g.Branches[i])
	w.ops.set(w.key, w.value)
}

func (w *write) encodeIndexes(g *txn.Global) {
	w.key = appendIndexTail(append(w.key[:0], spaceTime, '/'), g.BeganAt, g.XID.ID)
	w.ops.set(w.key, nil)
	if g.Application != "" {
		w.key = appendIndexTail(appendNamePrefix(w.key[:0], spaceApp, g.Application), g.BeganAt, g.XID.ID)
		w.ops.set(w.key, nil)
	}
	if g.Name != "" {
		w.key = appendIndexTail(appendNamePrefix(w.key[:0], spaceName, g.Name), g.BeganAt, g.XID.ID)
		w.ops.set(w.key, nil)
	}
	if g.Saga != nil {
		w.key = appendIndexTail(append(w.key[:0], spaceRun, '/'), g.BeganAt, g.XID.ID)
		w.ops.set(w.key, nil)
	}
}

// encodeOutbox writes an outbox entry with a sequence number that is put in when the write is queued.
func (w *write) encodeOutbox(e outboxEntry) {
	w.value = binary.AppendUvarint(w.value[:0], uint64(e.xid))
	w.value = binary.AppendUvarint(w.value, uint64(e.at))
	w.value = binary.AppendUvarint(w.value, uint64(len(e.topic)))
	w.value = append(w.value, e.topic...)
	w.value = append(w.value, e.event...)
	w.key = appendIDKey(w.key[:0], spaceOutbox, 0)
	w.seqAt = len(w.ops.buf) + 1 + 1 + 2 // kind, key length, "o/"
	w.ops.set(w.key, w.value)
	w.entry = e
}

func decodeOutbox(value []byte) (e outboxEntry, ok bool) {
	xid, n := binary.Uvarint(value)
	if n <= 0 {
		return e, false
	}
	value = value[n:]
	at, n := binary.Uvarint(value)
	if n <= 0 {
		return e, false
	}
	value = value[n:]
	size, n := binary.Uvarint(value)
	if n <= 0 || size > uint64(len(value)-n) {
		return e, false
	}
	value = value[n:]
	return outboxEntry{
		xid: int64(xid), at: txn.Millis(at), topic: string(value[:size]), event: value[size:],
	}, true
}

// decodeRecord reads a record. Branches outside of it are nil, history outside of it is missing.
func decodeRecord(value []byte, intern func([]byte) string) (*txn.Global, layout, error) {
	var l layout
	g, rest, err := txn.DecodeGlobal(value, intern)
	if err != nil {
		return nil, l, err
	}
	history, n := binary.Uvarint(rest)
	if n <= 0 {
		return nil, l, txn.ErrEncoding
	}
	rest = rest[n:]
	branches, n := binary.Uvarint(rest)
	if n <= 0 || len(rest)-n < 2 || branches > 1<<24 {
		return nil, l, txn.ErrEncoding
	}
	rest = rest[n:]
	inline := binary.BigEndian.Uint16(rest)
	rest = rest[2:]
	l = layout{branches: uint32(branches), inline: uint32(inline), history: uint32(history)}
	if l.inline > l.branches {
		return nil, l, txn.ErrEncoding
	}
	if branches > 0 {
		g.Branches = make([]*txn.Branch, branches)
	}
	for i := range l.inline {
		if g.Branches[i], rest, err = txn.DecodeBranch(rest, intern); err != nil {
			return nil, l, err
		}
	}
	return g, l, nil
}
