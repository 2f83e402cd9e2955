package seata

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// writer appends one body. After the first error it appends nothing more.
type writer struct {
	dst         []byte
	start       int
	codec       Codec
	version     ClientVersion
	pkg         ProtoPackage
	msgBytesMax int
	code        TypeCode
	field       string
	err         error
}

// makeWriter returns the writer for a body at the end of dst.
func makeWriter(dst []byte, env Envelope, msg Message) writer {
	w := writer{dst: dst, start: len(dst), codec: env.Codec, version: env.Version, pkg: env.Package,
		msgBytesMax: env.MsgBytesMax, code: msg.TypeCode()}
	if w.msgBytesMax <= 0 {
		w.msgBytesMax = MsgBytesMax
	}
	return w
}

// finish returns the bytes, or the error with its place.
func (w *writer) finish() ([]byte, error) {
	if w.err != nil {
		return w.dst, &BodyError{Codec: w.codec, Type: w.code, Field: w.field, Offset: len(w.dst) - w.start, Err: w.err}
	}
	return w.dst, nil
}

// appendSeata appends the body of msg in the SEATA codec.
func appendSeata(dst []byte, env Envelope, msg Message) ([]byte, error) {
	w := makeWriter(dst, env, msg)
	switch m := msg.(type) {
	case *MergedRequest:
		ids := m.IDs
		if w.version.Known() && !w.version.AtLeast(1, 5) {
			ids = nil // Seata 1.4 MergedWarpMessageCodec.java writes none
		}
		w.merged(m.Messages, ids, len(ids) > 0)
	case *MergeResult:
		w.merged(m.Messages, nil, false)
	case *BatchResult:
		if !w.version.AtLeast(1, 5) {
			w.fail("", ErrNotEncodable)
		}
		w.merged(m.Messages, m.IDs, true)
	default:
		w.message(msg)
	}
	return w.finish()
}

// message appends the type code and the fields of one message that is not merged.
// Seata 1.4 to 2.6 serializer/seata/protocol/*Codec.java.
func (w *writer) message(msg Message) {
	w.i16(int16(msg.TypeCode()))
	switch m := msg.(type) {
	case *GlobalBeginRequest:
		w.i32(m.TimeoutMillis)
		w.s16("transactionName", m.TransactionName)
	case *GlobalBeginResponse:
		w.result(&m.Result)
		w.s16("xid", m.XID)
		w.s16("extraData", m.ExtraData)
	case *GlobalCommitRequest:
		w.globalEnd(m.XID, m.ExtraData)
	case *GlobalRollbackRequest:
		w.globalEnd(m.XID, m.ExtraData)
	case *GlobalStatusRequest:
		w.globalEnd(m.XID, m.ExtraData)
	case *GlobalReportRequest:
		w.globalEnd(m.XID, m.ExtraData)
		if m.Status == GlobalStatusNull {
			w.u8(0xFF)
		} else {
			w.globalStatus(m.Status)
		}
	case *GlobalCommitResponse:
		w.result(&m.Result)
		w.globalStatus(m.Status)
	case *GlobalRollbackResponse:
		w.result(&m.Result)
		w.globalStatus(m.Status)
	case *GlobalStatusResponse:
		w.result(&m.Result)
		w.globalStatus(m.Status)
	case *GlobalReportResponse:
		w.result(&m.Result)
		w.globalStatus(m.Status)
	case *BranchRegisterRequest:
		w.branchRegister(m)
	case *GlobalLockQueryRequest:
		w.branchRegister((*BranchRegisterRequest)(m))
	case *BranchRegisterResponse:
		w.result(&m.Result)
		w.i64(m.BranchID)
	case *BranchReportRequest:
		w.s16("xid", m.XID)
		w.i64(m.BranchID)
		w.branchStatus(m.Status)
		w.s16("resourceId", m.ResourceID)
		w.s32("applicationData", m.ApplicationData)
		w.branchType(m.BranchType)
	case *BranchReportResponse:
		w.result(&m.Result)
	case *BranchCommitRequest:
		w.branchEnd((*branchEnd)(m))
	case *BranchRollbackRequest:
		w.branchEnd((*branchEnd)(m))
	case *BranchCommitResponse:
		w.branchEndResult(m)
	case *BranchRollbackResponse:
		w.branchEndResult((*BranchCommitResponse)(m))
	case *GlobalLockQueryResponse:
		w.result(&m.Result)
		w.i16(int16(oneIf(m.Lockable)))
	case *RegisterTMRequest:
		w.identify(m)
	case *RegisterRMRequest:
		w.identify(&RegisterTMRequest{m.Version, m.ApplicationID, m.TransactionServiceGroup, m.ExtraData})
		w.s32("resourceIds", m.ResourceIDs)
	case *RegisterTMResponse:
		w.u8(oneIf(m.Identified))
		w.s16("version", m.Version)
	case *RegisterRMResponse:
		w.u8(oneIf(m.Identified))
		w.s16("version", m.Version)
	case *UndoLogDeleteRequest:
		w.branchType(m.BranchType)
		w.s16("resourceId", m.ResourceID)
		w.i16(m.SaveDays)
	default:
		w.fail("", ErrTypeCode)
	}
}

// merged appends a message that wraps others.
func (w *writer) merged(children []Message, ids []int32, withIDs bool) {
	if len(children) > math.MaxInt16 {
		w.fail("count", ErrNotEncodable)
	}
	if withIDs && len(ids) != len(children) {
		w.fail("msgIds", ErrMergedIDs)
	}
	w.i16(int16(w.code))
	w.i32(0) // length, set below
	lengthEnd := len(w.dst)
	w.i16(int16(len(children)))
	for i, child := range children {
		if !w.child(child) {
			w.field = fmt.Sprintf("msgs[%d].%s", i, w.field)
			return
		}
	}
	if withIDs {
		for _, id := range ids {
			w.i32(id)
		}
	}
	if w.err == nil {
		binary.BigEndian.PutUint32(w.dst[lengthEnd-4:], uint32(len(w.dst)-lengthEnd))
	}
}

// child appends one wrapped message and reports success. Oversized frames are noticed here, before they grow further.
func (w *writer) child(child Message) bool {
	if w.err == nil {
		switch {
		case child == nil:
			w.fail("", ErrTypeCode)
		case child.TypeCode().Merged():
			w.fail("", ErrNested)
		case len(w.dst)-w.start > FrameBytesMax:
			w.fail("", &FrameTooLargeError{Length: len(w.dst) - w.start, BytesMax: FrameBytesMax})
		default:
			w.message(child)
		}
	}
	return w.err == nil
}

func (w *writer) globalEnd(xid, extraData string) {
	w.s16("xid", xid)
	w.s16("extraData", extraData)
}

func (w *writer) branchRegister(m *BranchRegisterRequest) {
	w.s16("xid", m.XID)
	w.branchType(m.BranchType)
	w.s16("resourceId", m.ResourceID)
	w.s32("lockKey", m.LockKey)
	w.s32("applicationData", m.ApplicationData)
}

func (w *writer) branchEnd(m *branchEnd) {
	w.s16("xid", m.XID)
	w.i64(m.BranchID)
	w.branchType(m.BranchType)
	w.s16("resourceId", m.ResourceID)
	w.s32("applicationData", m.ApplicationData)
}

func (w *writer) branchEndResult(m *BranchCommitResponse) {
	w.result(&m.Result)
	w.s16("xid", m.XID)
	w.i64(m.BranchID)
	w.branchStatus(m.Status)
}

func (w *writer) identify(m *RegisterTMRequest) {
	w.s16("version", m.Version)
	w.s16("applicationId", m.ApplicationID)
	w.s16("transactionServiceGroup", m.TransactionServiceGroup)
	w.s16("extraData", m.ExtraData)
}

// result appends the prefix of all transaction responses. Seata AbstractTransactionResponseCodec.java.
func (w *writer) result(r *Result) {
	if r.Code > Success {
		w.fail("resultCode", ErrEnum)
	}
	if !r.Exception.Valid() {
		w.fail("transactionExceptionCode", ErrEnum)
	}
	w.u8(byte(r.Code))
	if r.Code == Failed {
		w.s16("msg", truncate(r.Msg, min(w.msgBytesMax, math.MaxInt16)))
	}
	w.u8(r.Exception.SeataOrdinal(w.version))
}

func (w *writer) globalStatus(s GlobalStatus) {
	if !s.Valid() {
		w.fail("globalStatus", ErrEnum)
	}
	w.u8(byte(s.For(w.version, CodecSeata)))
}

func (w *writer) branchStatus(s BranchStatus) {
	if !s.Valid() {
		w.fail("branchStatus", ErrEnum)
	}
	w.u8(byte(s))
}

func (w *writer) branchType(t BranchType) {
	if !t.Valid() {
		w.fail("branchType", ErrEnum)
	}
	w.u8(byte(t))
}

// fail keeps the first error.
func (w *writer) fail(field string, err error) {
	if w.err == nil {
		w.field, w.err = field, err
	}
}

func (w *writer) u8(v byte)   { w.dst = append(w.dst, v) }
func (w *writer) i16(v int16) { w.dst = binary.BigEndian.AppendUint16(w.dst, uint16(v)) }
func (w *writer) i32(v int32) { w.dst = binary.BigEndian.AppendUint32(w.dst, uint32(v)) }
func (w *writer) i64(v int64) { w.dst = binary.BigEndian.AppendUint64(w.dst, uint64(v)) }

// s16 appends a text with 16-bit length. Java writes a wrong length for texts above 32767 bytes; we refuse them.
func (w *writer) s16(field, v string) {
	if len(v) > math.MaxInt16 {
		w.fail(field, ErrStringTooLong)
		return
	}
	w.i16(int16(len(v)))
	w.dst = append(w.dst, v...)
}

// s32 appends a text with 32-bit length.
func (w *writer) s32(field, v string) {
	if len(v) > FrameBytesMax {
		w.fail(field, ErrStringTooLong)
		return
	}
	w.i32(int32(len(v)))
	w.dst = append(w.dst, v...)
}

// truncate returns the longest prefix of text of at most bytesMax bytes that ends on a rune boundary, with bytes that
// are not UTF-8 replaced.
func truncate(text string, bytesMax int) string {
	if len(text) > bytesMax {
		for bytesMax > 0 && !utf8.RuneStart(text[bytesMax]) {
			bytesMax--
		}
		text = text[:bytesMax]
	}
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "?")
}

func oneIf(condition bool) byte {
	if condition {
		return 1
	}
	return 0
}
