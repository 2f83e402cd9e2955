package seata

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Wire types as they appear in the low bits of a protoField key.
const (
	varint   = uint64(protowire.VarintType)
	lengthed = uint64(protowire.BytesType)
)

// protoField is one field of a message: its number and wire type as on the wire, and its value or the place of its
// bytes.
type protoField struct {
	key        uint64
	value      uint64
	start, end int
}

// next reads the field at pos and moves behind it. Fields of other wire types are skipped and returned with key 0.
func (r *protoReader) next(end int) protoField {
	key := r.varint(end)
	switch {
	case r.err != nil:
		return protoField{}
	case key>>3 == 0 || key>>3 > uint64(protowire.MaxValidNumber):
		r.fail("", ErrProto)
		return protoField{}
	}
	switch key & 7 {
	case varint:
		return protoField{key: key, value: r.varint(end)}
	case lengthed:
		n := r.varint(end)
		if r.err == nil && n > uint64(end-r.pos) {
			r.fail("", ErrShortBody)
		}
		if r.err != nil {
			return protoField{}
		}
		start := r.pos
		r.pos += int(n)
		return protoField{key: key, start: start, end: r.pos}
	}
	n := protowire.ConsumeFieldValue(protowire.Number(key>>3), protowire.Type(key&7), r.buf[r.pos:end])
	if n < 0 {
		r.fail("", ErrProto)
		return protoField{}
	}
	r.pos += n
	return protoField{}
}

// varint reads one varint that ends before end.
func (r *protoReader) varint(end int) uint64 {
	if r.err != nil {
		return 0
	}
	if r.pos < end && r.buf[r.pos] < 0x80 {
		r.pos++
		return uint64(r.buf[r.pos-1])
	}
	v, n := protowire.ConsumeVarint(r.buf[r.pos:end])
	if n < 0 {
		r.fail("", ErrProto)
		return 0
	}
	r.pos += n
	return v
}

// string copies the bytes of f.
func (r *protoReader) string(f protoField, name string) string {
	if r.err != nil || f.start == f.end {
		return ""
	}
	if !utf8.Valid(r.buf[f.start:f.end]) {
		r.fail(name, ErrUTF8)
		return ""
	}
	if len(r.buf) > shareBytesMax {
		return string(r.buf[f.start:f.end])
	}
	if r.text == "" {
		r.text = string(r.buf)
	}
	return r.text[f.start:f.end]
}

func (r *protoReader) globalStatus(f protoField) GlobalStatus {
	if f.value > uint64(GlobalStopRollbackOrRollbackRetry) {
		r.fail("globalStatus", ErrEnum)
		return 0
	}
	return GlobalStatus(f.value)
}

func (r *protoReader) branchStatus(f protoField) BranchStatus {
	if f.value > uint64(BranchStopRetry) {
		r.fail("branchStatus", ErrEnum)
		return 0
	}
	return BranchStatus(f.value)
}

// branchType accepts only what BranchTypeProto has: AT, TCC, SAGA.
func (r *protoReader) branchType(f protoField) BranchType {
	if f.value > uint64(BranchSaga) {
		r.fail("branchType", ErrEnum)
		return 0
	}
	return BranchType(f.value)
}

// fail keeps the first error and moves to the end, so that every loop stops.
func (r *protoReader) fail(name string, err error) {
	if r.err == nil {
		r.name, r.err = name, err
	}
	r.pos = len(r.buf)
}
