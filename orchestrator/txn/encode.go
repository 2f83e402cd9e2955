package txn

import (
	"encoding/binary"
	"errors"
	"time"
)

// Encoding of records: a version byte, then the fields in order as varints and length-prefixed strings. Both stores
// keep these bytes. A new layout gets a new version byte, and old ones stay readable.
//
// Version 2 is version 1 with one more field at the end: Trace of a global, Ack of a branch. It is written only where
// that field has a value, so that nodes of the version before can read everything that clients of that time produce.

// The first byte of every record.
const (
	encodingVersion1 = 1
	encodingVersion2 = 2
)

// ErrEncoding says that bytes are not a record, or not whole.
var ErrEncoding = errors.New("txn: malformed record")

// AppendGlobal appends the record of g without its branches to dst.
func AppendGlobal(dst []byte, g *Global) []byte {
	dst = append(dst, versionByte(g.Trace != ""), byte(g.Status), byte(g.Cause), byte(g.Stuck))
	dst = binary.AppendUvarint(dst, g.Version)
	dst = binary.AppendVarint(dst, g.XID.ID)
	dst = appendString(dst, g.XID.Prefix)
	dst = appendString(dst, g.Application)
	dst = appendString(dst, g.Group)
	dst = appendString(dst, g.Name)
	dst = binary.AppendVarint(dst, int64(g.BeganAt))
	dst = binary.AppendVarint(dst, int64(g.DecidedAt))
	dst = binary.AppendVarint(dst, int64(g.EndedAt))
	dst = binary.AppendVarint(dst, int64(g.DueAt))
	dst = binary.AppendVarint(dst, int64(g.Timeout))
	dst = appendBytes(dst, g.History)
	if g.Trace != "" {
		dst = appendString(dst, g.Trace)
	}
	return dst
}

// versionByte returns the version of a record that has, or has not, the field of version 2.
func versionByte(extended bool) byte {
	if extended {
		return encodingVersion2
	}
	return encodingVersion1
}

// DecodeGlobal reads what [AppendGlobal] wrote and returns the rest of src. Nothing of the result aliases src.
// intern maps strings that many transactions share to one copy; nil keeps each its own.
func DecodeGlobal(src []byte, intern func([]byte) string) (*Global, []byte, error) {
	d := decoder{src: src, intern: intern}
	version := d.byte()
	if version != encodingVersion1 && version != encodingVersion2 {
		return nil, nil, ErrEncoding
	}
	g := &Global{Status: Status(d.byte()), Cause: Cause(d.byte()), Stuck: Stuck(d.byte())}
	g.Version = d.uvarint()
	g.XID.ID = d.varint()
	g.XID.Prefix = d.shared()
	g.Application, g.Group, g.Name = d.shared(), d.shared(), d.shared()
	g.BeganAt, g.DecidedAt = Millis(d.varint()), Millis(d.varint())
	g.EndedAt, g.DueAt = Millis(d.varint()), Millis(d.varint())
	g.Timeout = time.Duration(d.varint())
	g.History = History(d.string())
	if version == encodingVersion2 {
		g.Trace = d.string()
	}
	if d.bad {
		return nil, nil, ErrEncoding
	}
	return g, d.src, nil
}

// AppendBranch appends the record of b to dst.
func AppendBranch(dst []byte, b *Branch) []byte {
	released := byte(0)
	if b.Released {
		released = 1
	}
	dst = append(dst, versionByte(b.Ack != 0), byte(b.Kind), byte(b.State), released)
	dst = binary.AppendVarint(dst, b.ID)
	dst = appendString(dst, b.Resource)
	dst = appendString(dst, b.Client)
	dst = appendString(dst, b.LockKey)
	dst = appendString(dst, b.Data)
	dst = binary.AppendVarint(dst, int64(b.RegisteredAt))
	dst = binary.AppendUvarint(dst, uint64(b.Attempts))
	dst = binary.AppendVarint(dst, int64(b.InFlightUntil))
	dst = binary.AppendVarint(dst, int64(b.NextAt))
	dst = appendString(dst, b.Failure)
	if b.Ack != 0 {
		dst = append(dst, byte(b.Ack))
	}
	return dst
}

// DecodeBranch reads what [AppendBranch] wrote and returns the rest of src.
func DecodeBranch(src []byte, intern func([]byte) string) (*Branch, []byte, error) {
	d := decoder{src: src, intern: intern}
	version := d.byte()
	if version != encodingVersion1 && version != encodingVersion2 {
		return nil, nil, ErrEncoding
	}
	b := &Branch{Kind: Kind(d.byte()), State: BranchState(d.byte()), Released: d.byte() == 1}
	b.ID = d.varint()
	b.Resource, b.Client = d.shared(), d.shared()
	b.LockKey, b.Data = d.string(), d.string()
	b.RegisteredAt = Millis(d.varint())
	b.Attempts = uint32(d.uvarint())
	b.InFlightUntil, b.NextAt = Millis(d.varint()), Millis(d.varint())
	b.Failure = d.string()
	if version == encodingVersion2 {
		b.Ack = Ack(d.byte())
	}
	if d.bad {
		return nil, nil, ErrEncoding
	}
	return b, d.src, nil
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// decoder consumes src; the first malformed field sets bad and all later ones are zero.
type decoder struct {
	src    []byte
	intern func([]byte) string
	bad    bool
}

func (d *decoder) byte() byte {
	if d.bad || len(d.src) == 0 {
		d.bad = true
		return 0
	}
	b := d.src[0]
	d.src = d.src[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.src)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.src)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.src)) {
		d.bad = true
		return nil
	}
	b := d.src[:n]
	d.src = d.src[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) shared() string {
	b := d.bytes()
	if d.intern == nil {
		return string(b)
	}
	return d.intern(b)
}
