package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Where the fields of a traceparent are: version 00 has nothing more, later versions begin like it.
const (
	traceAt, spanAt, flagsAt = 3, 36, 53
	parentBytes              = 55
)

// sampled reports whether a kept traceparent asks for spans. It is valid, or "".
func sampled(parent string) bool {
	if len(parent) < parentBytes {
		return false
	}
	switch parent[flagsAt+1] {
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return true
	}
	return false
}

// The tags keep ids of different kinds of spans of one transaction apart.
const (
	tagTransaction uint64 = 1 + iota
	tagBegin
	tagRegister
	tagDecide
	tagRecord
	tagWrite
	tagDrive
	tagAttempt
	tagReport
	tagLockWait
	tagStuck
	tagHalf
)

// identity is who a transaction is in its trace.
type identity struct {
	trace trace.TraceID
	// parent is the client's span, zero if the transaction is the root.
	parent trace.SpanID
	own    trace.SpanID
}

// identify reads a traceparent that is sampled; false if it is not one after all.
func identify(xid txn.XID, parent string) (id identity, ok bool) {
	id, ok = parse(parent)
	if !ok {
		return id, false
	}
	id.own = own(id.trace, xid)
	if id.parent == id.own {
		id.parent = trace.SpanID{}
	}
	return id, true
}

// parse reads the trace and the span of a traceparent; own is left empty.
func parse(parent string) (id identity, ok bool) {
	if len(parent) < parentBytes {
		return id, false
	}
	var text [32]byte
	copy(text[:], parent[traceAt:])
	if _, err := hex.Decode(id.trace[:], text[:]); err != nil {
		return id, false
	}
	copy(text[:16], parent[spanAt:])
	_, err := hex.Decode(id.parent[:], text[:16])
	return id, err == nil
}

// own computes the id of a transaction's span.
func own(t trace.TraceID, xid txn.XID) trace.SpanID {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(xid.Prefix) {
		h = (h ^ uint64(xid.Prefix[i])) * 1099511628211
	}
	h = mix(h, binary.BigEndian.Uint64(t[:8]))
	h = mix(h, binary.BigEndian.Uint64(t[8:]))
	return spanID(mix(mix(h, uint64(xid.ID)), tagTransaction))
}

// child computes the id of a span below the transaction's.
func (id *identity) child(salt, tag uint64, branch int64, attempt uint32) trace.SpanID {
	h := mix(binary.BigEndian.Uint64(id.own[:]), salt)
	return spanID(mix(mix(h, uint64(branch)), tag<<32|uint64(attempt)))
}

// mix adds x to a hash. Both steps are the finalizer of SplitMix64.
func mix(h, x uint64) uint64 {
	h = bits.RotateLeft64(h, 23) ^ x
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// spanID makes an id of a hash; zero is none.
func spanID(h uint64) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], max(h, 1))
	return id
}

// format makes a traceparent that is sampled.
func format(t trace.TraceID, s trace.SpanID) string {
	var text [parentBytes]byte
	copy(text[:], "00-")
	hex.Encode(text[traceAt:], t[:])
	text[spanAt-1] = '-'
	hex.Encode(text[spanAt:], s[:])
	copy(text[flagsAt-1:], "-01")
	return string(text[:])
}
