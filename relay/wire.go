package relay

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// wireVersion is the first byte of every body.
const wireVersion = 1

// A body is the version byte, a header record, the number of records, and these. A record is its length and its fields;
// what follows the known fields was added by a newer version and is skipped.

// Why a body was refused.
var (
	errVersion   = errors.New("body of another version")
	errMalformed = errors.New("malformed body")
)

// handover is a command on its way to another node.
type handover struct {
	seq uint64 // in the pending table of the origin
	cmd txn.Command
}

func (h handover) size() int {
	c := &h.cmd
	return recordBytes + len(c.XID.Prefix) + len(c.Resource) + len(c.Client) + len(c.Data) + len(c.Application) +
		len(c.Group) + len(c.Trace) + len(c.Step) + len(c.Identity().Step)
}

// ending is the end of an attempt on its way back to the origin.
type ending struct {
	instance, seq uint64 // of the origin
	id            int64
	reply         txn.Reply
}

func (e ending) size() int { return recordBytes + len(e.reply.Text) }

const (
	recordBytes = 96      // at least what the numbers and lengths of a record take
	recordsMax  = 1 << 16 // in a body
)

// origin is the header of a batch of commands: who wants to know how they end.
type origin struct {
	node     string
	instance uint64
}

// appendCommands appends the body of a call that hands over commands.
func appendCommands(dst []byte, from origin, batch []handover) []byte {
	dst = append(dst, wireVersion)
	dst = appendRecord(dst, func(dst []byte) []byte {
		return binary.LittleEndian.AppendUint64(appendString(dst, from.node), from.instance)
	})
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	for i := range batch {
		dst = appendRecord(dst, batch[i].append)
	}
	return dst
}

func (h *handover) append(dst []byte) []byte {
	c := &h.cmd
	dst = binary.AppendUvarint(dst, h.seq)
	dst = binary.AppendVarint(dst, c.XID.ID)
	dst = appendString(dst, c.XID.Prefix)
	dst = binary.AppendVarint(dst, c.BranchID)
	dst = append(dst, byte(c.Kind), byte(c.Op), byte(c.Cause))
	dst = binary.AppendUvarint(dst, uint64(c.Attempt))
	for _, s := range [...]string{c.Resource, c.Client, c.Data, c.Application, c.Group, c.Trace} {
		dst = appendString(dst, s)
	}
	if c.Kind == txn.StepWorker {
		dst = appendTask(dst, c)
	}
	return dst
}

// appendTask appends what a task has beyond other commands: nodes that do not know tasks publish none.
func appendTask(dst []byte, c *txn.Command) []byte {
	timeout := time.Duration(0)
	if c.Call != nil {
		timeout = c.Call.Timeout
	}
	dst = binary.AppendVarint(appendString(dst, c.Step), int64(c.Until))
	dst = binary.AppendVarint(dst, timeout.Milliseconds())
	if as := c.As; as != nil {
		dst = append(binary.AppendVarint(dst, as.BranchID), byte(as.Op))
		dst = binary.AppendUvarint(appendString(dst, as.Step), uint64(as.Attempt))
	}
	return dst
}

// task reads what appendTask wrote.
func (d *decoder) task(c *txn.Command) {
	c.Step, c.Until = d.string(), txn.Millis(d.varint())
	timeout := d.varint()
	if d.bad = d.bad || timeout < 0 || timeout > math.MaxInt64/int64(time.Millisecond); timeout > 0 && !d.bad {
		c.Call = &txn.Call{Timeout: time.Duration(timeout) * time.Millisecond}
	}
	if len(d.src) > 0 { // an older node does not tell
		c.As = &txn.Identity{BranchID: d.varint(), Op: txn.Outcome(d.byte()), Step: d.string(), Attempt: d.uint32()}
	}
}

// decodeCommands reads what appendCommands wrote. Nothing of the result aliases src.
func decodeCommands(src []byte) (from origin, batch []handover, err error) {
	d := decoder{src: src}
	d.version()
	header := d.record()
	from = origin{node: header.string(), instance: header.fixed()}
	d.bad = d.bad || header.bad || from.node == ""
	for n := d.count(); n > 0 && !d.bad; n-- {
		r := d.record()
		h := handover{seq: r.uvarint()}
		c := &h.cmd
		c.XID.ID, c.XID.Prefix = r.varint(), r.string()
		c.BranchID = r.varint()
		c.Kind, c.Op, c.Cause = txn.Kind(r.byte()), txn.Outcome(r.byte()), txn.Cause(r.byte())
		c.Attempt = r.uint32()
		c.Resource, c.Client, c.Data = r.string(), r.string(), r.string()
		c.Application, c.Group, c.Trace = r.string(), r.string(), r.string()
		if c.Kind == txn.StepWorker {
			r.task(c)
		}
		d.bad = d.bad || r.bad || !known(c.Op) && !(c.Op == txn.Forward && c.Kind == txn.StepWorker) || c.XID.ID <= 0
		batch = append(batch, h)
	}
	return from, batch, d.end()
}

// appendEndings appends the body of a call that brings ends back.
func appendEndings(dst []byte, node string, batch []ending) []byte {
	dst = append(dst, wireVersion)
	dst = appendRecord(dst, func(dst []byte) []byte { return appendString(dst, node) })
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	for i := range batch {
		dst = appendRecord(dst, batch[i].append)
	}
	return dst
}

func (e *ending) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, e.instance)
	dst = binary.AppendUvarint(dst, e.seq)
	dst = binary.AppendVarint(dst, e.id)
	dst = binary.AppendVarint(dst, e.reply.BranchID)
	dst = append(dst, byte(e.reply.Op), byte(e.reply.Result))
	dst = binary.AppendUvarint(dst, uint64(e.reply.Attempt))
	return append(appendString(dst, e.reply.Text), byte(e.reply.Engine))
}

// decodeEndings reads what appendEndings wrote. A result that is not known is one of a newer version, and counts as a
// failure that may pass.
func decodeEndings(src []byte) (node string, batch []ending, err error) {
	d := decoder{src: src}
	d.version()
	header := d.record()
	node = header.string()
	d.bad = d.bad || header.bad || node == ""
	for n := d.count(); n > 0 && !d.bad; n-- {
		r := d.record()
		e := ending{instance: r.fixed(), seq: r.uvarint(), id: r.varint()}
		e.reply.BranchID = r.varint()
		e.reply.Op, e.reply.Result = txn.Outcome(r.byte()), txn.Result(r.byte())
		e.reply.Attempt = r.uint32()
		e.reply.Text = r.string()
		if len(r.src) > 0 { // an older node does not tell
			e.reply.Engine = txn.EngineState(r.byte())
		}
		if e.reply.Result < txn.ResultDone || e.reply.Result > txn.ResultXANotFound {
			e.reply.Result = txn.ResultFailed
		}
		d.bad = d.bad || r.bad || !known(e.reply.Op) || e.id <= 0
		batch = append(batch, e)
	}
	return node, batch, d.end()
}

func known(op txn.Outcome) bool { return op == txn.Commit || op == txn.Rollback }

// code is what became of one command at the receiver.
type code byte

// The codes. Others come from newer versions and mean that nobody was asked.
const (
	accepted code = 1 + iota // its end will come back
	nobody                   // no session has the resource
	refused                  // nobody can be asked for another reason
)

// verdict is a code and, unless the command was accepted, a reason for people.
type verdict struct {
	code code
	text string
}

// appendVerdicts appends the answer to a call that hands over commands.
func appendVerdicts(dst []byte, verdicts []verdict) []byte {
	dst = append(dst, wireVersion)
	dst = binary.AppendUvarint(dst, uint64(len(verdicts)))
	for _, v := range verdicts {
		dst = appendRecord(dst, func(dst []byte) []byte { return appendString(append(dst, byte(v.code)), v.text) })
	}
	return dst
}

// decodeVerdicts reads what appendVerdicts wrote for n commands.
func decodeVerdicts(src []byte, n int) (verdicts []verdict, err error) {
	d := decoder{src: src}
	d.version()
	if d.count() != n {
		d.bad = true
	}
	for ; n > 0 && !d.bad; n-- {
		r := d.record()
		verdicts = append(verdicts, verdict{code(r.byte()), r.string()})
		d.bad = d.bad || r.bad
	}
	return verdicts, d.end()
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendRecord appends the length of what fields appends, and that. The length takes four bytes, so that it can be
// filled in afterwards.
func appendRecord(dst []byte, fields func([]byte) []byte) []byte {
	at := len(dst)
	dst = fields(append(dst, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// decoder reads fields. After the first that is not there all are zero, and bad is true.
type decoder struct {
	src   []byte
	other bool // of another version
	bad   bool
}

func (d *decoder) version() {
	if v := d.byte(); !d.bad && v != wireVersion {
		d.other, d.bad = true, true
	}
}

// failure says what was wrong so far.
func (d *decoder) failure() error {
	switch {
	case d.other:
		return errVersion
	case d.bad:
		return errMalformed
	}
	return nil
}

// end says what was wrong; nothing may be left.
func (d *decoder) end() error {
	if err := d.failure(); err != nil || len(d.src) == 0 {
		return err
	}
	return errMalformed
}

// count reads how many records or bytes follow. Each takes at least one byte.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > min(recordsMax, uint64(len(d.src))) {
		d.bad = true
	}
	if d.bad {
		return 0
	}
	return int(n)
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.src)) {
		d.bad = true
		return nil
	}
	taken := d.src[:n]
	d.src = d.src[n:]
	return taken
}

func (d *decoder) record() decoder {
	var n uint64
	if b := d.take(4); b != nil {
		n = uint64(binary.LittleEndian.Uint32(b))
	}
	src := d.take(n)
	return decoder{src: src, bad: d.bad}
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) fixed() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.src)
	return v * d.skip(n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.src)
	return v * int64(d.skip(n))
}

// skip goes past a number of n bytes and returns 1, or 0 if there is none.
func (d *decoder) skip(n int) uint64 {
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.src = d.src[n:]
	return 1
}

func (d *decoder) uint32() uint32 {
	v := d.uvarint()
	d.bad = d.bad || v > math.MaxUint32
	return uint32(v)
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }
