package embedded

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Keys in the store's space for consumer groups:
//
//	c/ name                    offset and topics of a group
//	r/ len2 name due8 seq8     an entry to be delivered again
//	d/ len2 name seq8          a dead letter
//
// A retry and a dead letter hold a copy of the entry, so the outbox need not wait for them.

var errState = errors.New("malformed state of a consumer group")

func groupKey(name string) []byte { return append([]byte("c/"), name...) }

func namePrefix(space byte, name string) []byte {
	key := binary.BigEndian.AppendUint16([]byte{space, '/'}, uint16(len(name)))
	return append(key, name...)
}

func retryKey(name string, due txn.Millis, seq uint64) []byte {
	key := binary.BigEndian.AppendUint64(namePrefix('r', name), uint64(due))
	return binary.BigEndian.AppendUint64(key, seq)
}

func deadKey(name string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(namePrefix('d', name), seq)
}

func encodeGroup(offset uint64, topics []string) []byte {
	b := binary.AppendUvarint(nil, offset)
	for _, t := range topics {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return b
}

func decodeGroup(b []byte) (offset uint64, topics []string, err error) {
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errState
	}
	for b = b[n:]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return 0, nil, errState
		}
		topics = append(topics, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return offset, topics, nil
}

// letter is an entry on its way to a group, as retries and dead letters store it.
type letter struct {
	seq      uint64
	xid      int64
	at       txn.Millis // decided
	topic    string
	event    []byte
	attempts int
	// failedAt and reason are those of the last failed delivery.
	failedAt txn.Millis
	reason   string
}

func (e *letter) entry() orchestrator.EventEntry {
	return orchestrator.EventEntry{Seq: e.seq, XID: e.xid, Topic: e.topic, At: e.at, Event: e.event}
}

func (e *letter) encode() []byte {
	b := binary.AppendUvarint(nil, e.seq)
	b = binary.AppendVarint(b, e.xid)
	b = binary.AppendVarint(b, int64(e.at))
	b = binary.AppendUvarint(b, uint64(e.attempts))
	b = binary.AppendVarint(b, int64(e.failedAt))
	for _, s := range [][]byte{[]byte(e.topic), []byte(e.reason), e.event} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// decodeLetter copies what it keeps of b.
func decodeLetter(b []byte) (*letter, error) {
	b = slices.Clone(b)
	ok := true
	uvarint := func() uint64 {
		v, n := binary.Uvarint(b)
		if ok = ok && n > 0; !ok {
			return 0
		}
		b = b[n:]
		return v
	}
	varint := func() int64 {
		v, n := binary.Varint(b)
		if ok = ok && n > 0; !ok {
			return 0
		}
		b = b[n:]
		return v
	}
	text := func() []byte {
		n := uvarint()
		if ok = ok && n <= uint64(len(b)); !ok {
			return nil
		}
		s := b[:n:n]
		b = b[n:]
		return s
	}
	e := &letter{seq: uvarint(), xid: varint(), at: txn.Millis(varint())}
	e.attempts, e.failedAt = int(uvarint()), txn.Millis(varint())
	e.topic, e.reason = string(text()), string(text())
	e.event = text()
	if !ok {
		return nil, errState
	}
	return e, nil
}

// afterPrefix is the least key behind all that begin with prefix. Prefixes here never end in 0xff bytes only.
func afterPrefix(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}
