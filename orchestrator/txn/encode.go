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
// Version 3 is version 2 with what the HTTP API needs, again at the end and only where it is needed: Data and Heuristic
// of a global, Key, Ongoing and Call of a branch. Version 4 is version 3 with what sagas need: Saga of a global, Step
// of a branch. Version 5, of branches alone, is version 4 with the jitter of a step's call, if it has one; version 6,
// of branches alone, is version 5 with the branch that a step undoes; version 7, of branches alone, is version 6 with
// when a step was given up; version 8, of branches alone, is version 7 with whether a step may have been begun.

// The first byte of every record.
const (
	encodingVersion1 = 1
	encodingVersion2 = 2
	encodingVersion3 = 3
	encodingVersion4 = 4
	encodingVersion5 = 5
	encodingVersion6 = 6
	encodingVersion7 = 7
	encodingVersion8 = 8
)

// ErrEncoding says that bytes are not a record, or not whole.
var ErrEncoding = errors.New("txn: malformed record")

// AppendGlobal appends the record of g without its branches to dst.
func AppendGlobal(dst []byte, g *Global) []byte {
	version := versionByte(g.Trace != "", g.Data != "" || g.Heuristic, g.Saga != nil)
	dst = append(dst, version, byte(g.Status), byte(g.Cause), byte(g.Stuck))
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
	if version >= encodingVersion2 {
		dst = appendString(dst, g.Trace)
	}
	if version >= encodingVersion3 {
		dst = appendString(dst, g.Data)
		dst = appendBool(dst, g.Heuristic)
	}
	if version >= encodingVersion4 {
		dst = appendRun(dst, g.Saga)
	}
	return dst
}

func appendRun(dst []byte, run *SagaRun) []byte {
	dst = binary.AppendUvarint(appendString(dst, run.Definition), uint64(run.Version))
	dst = binary.AppendUvarint(appendString(dst, run.Key), uint64(run.Completed))
	return appendString(appendString(dst, run.Failure), run.Result)
}

// versionByte returns the version of a record that has, or has not, fields of versions 2, 3 and 4.
func versionByte(second, third, fourth bool) byte {
	switch {
	case fourth:
		return encodingVersion4
	case third:
		return encodingVersion3
	case second:
		return encodingVersion2
	}
	return encodingVersion1
}

// DecodeGlobal reads what [AppendGlobal] wrote and returns the rest of src. Nothing of the result aliases src.
// intern maps strings that many transactions share to one copy; nil keeps each its own.
func DecodeGlobal(src []byte, intern func([]byte) string) (*Global, []byte, error) {
	d := decoder{src: src, intern: intern}
	version := d.byte()
	if version < encodingVersion1 || version > encodingVersion4 {
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
	if version >= encodingVersion2 {
		g.Trace = d.string()
	}
	if version >= encodingVersion3 {
		g.Data = d.string()
		g.Heuristic = d.byte() == 1
	}
	if version >= encodingVersion4 {
		g.Saga = &SagaRun{Definition: d.shared(), Version: uint32(d.uvarint())}
		g.Saga.Key, g.Saga.Completed = d.string(), uint32(d.uvarint())
		g.Saga.Failure, g.Saga.Result = d.string(), d.string()
	}
	if d.bad {
		return nil, nil, ErrEncoding
	}
	return g, d.src, nil
}

// AppendBranch appends the record of b to dst.
func AppendBranch(dst []byte, b *Branch) []byte {
	version := versionByte(b.Ack != 0, b.Key != "" || b.Ongoing != 0 || b.Call != nil, b.Step != nil)
	if b.Step != nil && b.Call != nil && b.Call.Jitter != 0 {
		version = encodingVersion5
	}
	if b.Step != nil && b.Step.Undoes != 0 {
		version = encodingVersion6
	}
	if b.Step != nil && b.Step.Lost != 0 {
		version = encodingVersion7
	}
	if b.Step != nil && b.Step.Reached {
		version = encodingVersion8
	}
	dst = appendBool(append(dst, version, byte(b.Kind), byte(b.State)), b.Released)
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
	if version >= encodingVersion2 {
		dst = append(dst, byte(b.Ack))
	}
	if version >= encodingVersion3 {
		dst = appendString(dst, b.Key)
		dst = binary.AppendUvarint(dst, uint64(b.Ongoing))
		dst = appendCall(dst, b.Call)
	}
	if version >= encodingVersion4 {
		dst = appendStep(dst, b.Step)
		if b.Call != nil {
			dst = appendString(appendString(dst, b.Call.Method), b.Call.UndoMethod)
			dst = appendString(appendString(appendString(dst, b.Call.Tag), b.Call.Key), b.Call.Reply)
		}
	}
	if version >= encodingVersion5 && b.Call != nil {
		dst = append(dst, b.Call.Jitter)
	}
	if version >= encodingVersion6 {
		dst = binary.AppendVarint(dst, b.Step.Undoes)
	}
	if version >= encodingVersion7 {
		dst = binary.AppendUvarint(dst, uint64(b.Step.Lost))
	}
	if version >= encodingVersion8 {
		dst = appendBool(dst, b.Step.Reached)
	}
	return dst
}

func appendStep(dst []byte, s *Step) []byte {
	dst = binary.AppendUvarint(appendString(dst, s.Name), uint64(s.Seq))
	dst = binary.AppendUvarint(dst, uint64(s.Tries))
	dst = appendString(appendString(binary.AppendUvarint(dst, uint64(s.Code)), s.Answer), s.Headers)
	dst = appendBool(appendBool(appendBool(dst, s.Undo), s.Pivot), s.GaveUp)
	return binary.AppendVarint(dst, int64(s.Until))
}

// appendCall appends one byte that says whether there is a call, and then the call.
func appendCall(dst []byte, c *Call) []byte {
	dst = appendBool(dst, c != nil)
	if c == nil {
		return dst
	}
	dst = appendString(dst, c.CommitURL)
	dst = appendString(dst, c.RollbackURL)
	dst = binary.AppendUvarint(dst, uint64(len(c.Headers)))
	for _, h := range c.Headers {
		dst = appendString(appendString(dst, h.Name), h.Value)
	}
	dst = binary.AppendVarint(dst, int64(c.Timeout))
	dst = binary.AppendVarint(dst, int64(c.First))
	dst = binary.AppendVarint(dst, int64(c.Max))
	return binary.AppendUvarint(dst, uint64(c.Attempts))
}

// DecodeBranch reads what [AppendBranch] wrote and returns the rest of src.
func DecodeBranch(src []byte, intern func([]byte) string) (*Branch, []byte, error) {
	d := decoder{src: src, intern: intern}
	version := d.byte()
	if version < encodingVersion1 || version > encodingVersion8 {
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
	if version >= encodingVersion2 {
		b.Ack = Ack(d.byte())
	}
	if version >= encodingVersion3 {
		b.Key, b.Ongoing, b.Call = d.string(), uint32(d.uvarint()), d.call()
	}
	if version >= encodingVersion4 {
		b.Step = &Step{Name: d.shared(), Seq: uint32(d.uvarint()), Tries: uint32(d.uvarint()), Code: uint16(d.uvarint())}
		b.Step.Answer, b.Step.Headers = d.string(), d.string()
		b.Step.Undo, b.Step.Pivot, b.Step.GaveUp = d.byte() == 1, d.byte() == 1, d.byte() == 1
		b.Step.Until = Millis(d.varint())
		if b.Call != nil {
			b.Call.Method, b.Call.UndoMethod = d.shared(), d.shared()
			b.Call.Tag, b.Call.Key, b.Call.Reply = d.shared(), d.string(), d.shared()
		}
	}
	if version >= encodingVersion5 && b.Call != nil {
		b.Call.Jitter = d.byte()
	}
	if version >= encodingVersion6 {
		b.Step.Undoes = d.varint()
	}
	if version >= encodingVersion7 {
		b.Step.Lost = uint32(d.uvarint())
	}
	if version >= encodingVersion8 {
		b.Step.Reached = d.byte() == 1
	}
	if d.bad {
		return nil, nil, ErrEncoding
	}
	return b, d.src, nil
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
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

// call reads what appendCall wrote. URLs and headers are those of many branches, so they are shared.
func (d *decoder) call() *Call {
	if d.byte() == 0 {
		return nil
	}
	c := &Call{CommitURL: d.shared(), RollbackURL: d.shared()}
	n := d.uvarint()
	if n > uint64(len(d.src)) {
		d.bad = true
		return nil
	}
	for range n {
		c.Headers = append(c.Headers, CallHeader{Name: d.shared(), Value: d.shared()})
	}
	c.Timeout, c.First, c.Max = time.Duration(d.varint()), time.Duration(d.varint()), time.Duration(d.varint())
	c.Attempts = uint32(d.uvarint())
	return c
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) shared() string {
	b := d.bytes()
	if d.intern == nil {
		return string(b)
	}
	return d.intern(b)
}
