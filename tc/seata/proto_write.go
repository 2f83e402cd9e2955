package seata

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoWriter appends one PROTOBUF body in the field order of Java's generated code (by field number), so that the
// bytes are the same. Seata serializer-protobuf/src/main/resources/protobuf/*.proto.
type protoWriter struct{ writer }

// appendProto appends the body of msg in the PROTOBUF codec.
func appendProto(dst []byte, env Envelope, msg Message) ([]byte, error) {
	if env.Package == ProtoPackageNone {
		env.Package = packageFor(env.Version)
	}
	w := protoWriter{makeWriter(dst, env, msg)}
	base := protoBaseName(w.code)
	switch {
	case env.Package.prefix() == "":
		w.fail("", ErrProtoPackage)
	case base == "":
		w.fail("", ErrTypeCode)
	default:
		w.i32(int32(len(w.pkg.prefix()) + len(base) + len(protoSuffix)))
		w.name(base)
		w.body(msg)
	}
	return w.finish()
}

func (w *protoWriter) name(base string) {
	w.dst = append(w.dst, w.pkg.prefix()...)
	w.dst = append(w.dst, base...)
	w.dst = append(w.dst, protoSuffix...)
}

// body appends any message.
func (w *protoWriter) body(msg Message) {
	switch m := msg.(type) {
	case *MergedRequest:
		w.merged(w.code, m.Messages, m.IDs)
		if len(m.IDs) != 0 && len(m.IDs) != len(m.Messages) {
			w.fail("msgIds", ErrMergedIDs)
		}
	case *MergeResult:
		w.merged(w.code, m.Messages, nil)
	case *BatchResult:
		w.merged(w.code, m.Messages, m.IDs)
		if !w.version.AtLeast(1, 5) {
			w.fail("", ErrNotEncodable)
		}
		if len(m.IDs) != len(m.Messages) {
			w.fail("msgIds", ErrMergedIDs)
		}
	default:
		w.message(msg)
	}
}

// message appends the fields of one message that is not merged. The numbers are those of the .proto files.
func (w *protoWriter) message(msg Message) {
	code := msg.TypeCode()
	switch m := msg.(type) {
	case *GlobalBeginRequest:
		w.request(1, code)
		w.int(2, int64(m.TimeoutMillis))
		w.text(3, "transactionName", m.TransactionName)
	case *GlobalBeginResponse:
		w.response(1, code, &m.Result)
		w.text(2, "xid", m.XID)
		w.text(3, "extraData", m.ExtraData)
	case *GlobalCommitRequest:
		w.globalEnd(code, m.XID, m.ExtraData)
	case *GlobalRollbackRequest:
		w.globalEnd(code, m.XID, m.ExtraData)
	case *GlobalStatusRequest:
		w.globalEnd(code, m.XID, m.ExtraData)
	case *GlobalReportRequest:
		w.globalEnd(code, m.XID, m.ExtraData)
		w.globalStatus(2, m.Status)
	case *GlobalCommitResponse:
		w.globalEndResult(code, &m.Result, m.Status)
	case *GlobalRollbackResponse:
		w.globalEndResult(code, &m.Result, m.Status)
	case *GlobalStatusResponse:
		w.globalEndResult(code, &m.Result, m.Status)
	case *GlobalReportResponse:
		w.globalEndResult(code, &m.Result, m.Status)
	case *BranchRegisterRequest:
		w.branchRegister(code, m)
	case *GlobalLockQueryRequest:
		mark := w.open(1) // GlobalLockQueryRequestProto.branchRegisterRequest
		w.branchRegister(code, (*BranchRegisterRequest)(m))
		w.close(mark)
	case *BranchRegisterResponse:
		w.response(1, code, &m.Result)
		w.int(2, m.BranchID)
	case *BranchReportRequest:
		w.branchReport(code, m)
	case *BranchReportResponse:
		w.response(1, code, &m.Result)
	case *BranchCommitRequest:
		w.branchEnd(code, (*branchEnd)(m))
	case *BranchRollbackRequest:
		w.branchEnd(code, (*branchEnd)(m))
	case *BranchCommitResponse:
		w.branchEndResult(code, m)
	case *BranchRollbackResponse:
		w.branchEndResult(code, (*BranchCommitResponse)(m))
	case *GlobalLockQueryResponse:
		w.response(1, code, &m.Result)
		w.int(2, int64(oneIf(m.Lockable)))
	case *RegisterTMRequest:
		w.identify(code, m)
	case *RegisterRMRequest:
		w.identify(code, &RegisterTMRequest{m.Version, m.ApplicationID, m.TransactionServiceGroup, m.ExtraData})
		w.text(2, "resourceIds", m.ResourceIDs)
	case *RegisterTMResponse:
		w.identifyResult(code, m)
	case *RegisterRMResponse:
		w.identifyResult(code, (*RegisterTMResponse)(m))
	case *UndoLogDeleteRequest:
		w.request(1, code)
		w.text(2, "resourceId", m.ResourceID)
		w.int(3, int64(m.SaveDays))
		w.branchType(4, m.BranchType)
	default:
		w.fail("", ErrTypeCode)
	}
}

// merged appends AbstractMessage, the children as google.protobuf.Any, and packed ids.
func (w *protoWriter) merged(code TypeCode, children []Message, ids []int32) {
	if len(children) > math.MaxInt16 {
		w.fail("msgs", ErrNotEncodable) // the SEATA codec's limit, so that both codecs carry the same messages
	}
	w.abstractMessage(1, code)
	for _, child := range children {
		if w.err != nil {
			return
		}
		w.any(2, child)
	}
	if len(ids) == 0 {
		return
	}
	mark := w.open(3)
	for _, id := range ids {
		w.dst = protowire.AppendVarint(w.dst, uint64(int64(id)))
	}
	w.close(mark)
}

// any appends one child as google.protobuf.Any { type_url = 1, value = 2 }.
func (w *protoWriter) any(field protowire.Number, child Message) {
	switch {
	case child == nil:
		w.fail("msgs", ErrTypeCode)
		return
	case child.TypeCode().Merged():
		w.fail("msgs", ErrNested)
		return
	case len(w.dst)-w.start > FrameBytesMax:
		w.fail("msgs", &FrameTooLargeError{Length: len(w.dst) - w.start, BytesMax: FrameBytesMax})
		return
	}
	base := protoBaseName(child.TypeCode())
	if base == "" {
		w.fail("msgs", ErrTypeCode)
		return
	}
	mark := w.open(field)
	name := w.open(1)
	w.dst = append(w.dst, protoURLPrefix...)
	w.name(base)
	w.close(name)
	value := w.open(2)
	w.message(child)
	w.closeOptional(value)
	w.close(mark)
}

// abstractMessage appends AbstractMessageProto { messageType = 1 }.
func (w *protoWriter) abstractMessage(field protowire.Number, code TypeCode) {
	mark := w.open(field)
	w.int(1, int64(code))
	w.close(mark)
}

// request appends AbstractTransactionRequestProto { abstractMessage = 1 }.
func (w *protoWriter) request(field protowire.Number, code TypeCode) {
	mark := w.open(field)
	w.abstractMessage(1, code)
	w.close(mark)
}

// response appends AbstractTransactionResponseProto { abstractResultMessage = 1, transactionExceptionCode = 2 }.
func (w *protoWriter) response(field protowire.Number, code TypeCode, r *Result) {
	if r.Code > Success {
		w.fail("resultCode", ErrEnum)
	}
	if !r.Exception.Valid() {
		w.fail("transactionExceptionCode", ErrEnum)
	}
	mark := w.open(field)
	w.resultMessage(code, r.Code, r.Msg)
	w.int(2, int64(r.Exception.ProtoNumber()))
	w.close(mark)
}

// resultMessage appends, as field 1, AbstractResultMessageProto { AbstractMessage = 1, resultCode = 2, msg = 3 }.
func (w *protoWriter) resultMessage(code TypeCode, result ResultCode, msg string) {
	mark := w.open(1)
	w.abstractMessage(1, code)
	w.int(2, int64(result))
	w.text(3, "msg", truncate(msg, w.msgBytesMax))
	w.close(mark)
}

// identify appends, as field 1, AbstractIdentifyRequestProto.
func (w *protoWriter) identify(code TypeCode, m *RegisterTMRequest) {
	mark := w.open(1)
	w.abstractMessage(1, code)
	w.text(2, "version", m.Version)
	w.text(3, "applicationId", m.ApplicationID)
	w.text(4, "transactionServiceGroup", m.TransactionServiceGroup)
	w.text(5, "extraData", m.ExtraData)
	w.close(mark)
}

// identifyResult appends, as field 1, AbstractIdentifyResponseProto. Its result code says the same as identified.
func (w *protoWriter) identifyResult(code TypeCode, m *RegisterTMResponse) {
	mark := w.open(1)
	w.resultMessage(code, ResultCode(oneIf(m.Identified)), m.Msg)
	w.text(2, "version", m.Version)
	w.text(3, "extraData", m.ExtraData)
	w.int(4, int64(oneIf(m.Identified)))
	w.close(mark)
}

// globalEnd appends, as field 1, AbstractGlobalEndRequestProto.
func (w *protoWriter) globalEnd(code TypeCode, xid, extraData string) {
	mark := w.open(1)
	w.request(1, code)
	w.text(2, "xid", xid)
	w.text(3, "extraData", extraData)
	w.close(mark)
}

// globalEndResult appends, as field 1, AbstractGlobalEndResponseProto.
func (w *protoWriter) globalEndResult(code TypeCode, r *Result, s GlobalStatus) {
	mark := w.open(1)
	w.response(1, code, r)
	w.globalStatus(2, s)
	w.close(mark)
}

// branchEnd appends, as field 1, AbstractBranchEndRequestProto.
func (w *protoWriter) branchEnd(code TypeCode, m *branchEnd) {
	mark := w.open(1)
	w.request(1, code)
	w.text(2, "xid", m.XID)
	w.int(3, m.BranchID)
	w.branchType(4, m.BranchType)
	w.text(5, "resourceId", m.ResourceID)
	w.text(6, "applicationData", m.ApplicationData)
	w.close(mark)
}

// branchEndResult appends, as field 1, AbstractBranchEndResponseProto.
func (w *protoWriter) branchEndResult(code TypeCode, m *BranchCommitResponse) {
	mark := w.open(1)
	w.response(1, code, &m.Result)
	w.text(2, "xid", m.XID)
	w.int(3, m.BranchID)
	w.branchStatus(4, m.Status)
	w.close(mark)
}

func (w *protoWriter) branchRegister(code TypeCode, m *BranchRegisterRequest) {
	w.request(1, code)
	w.text(2, "xid", m.XID)
	w.branchType(3, m.BranchType)
	w.text(4, "resourceId", m.ResourceID)
	w.text(5, "lockKey", m.LockKey)
	w.text(6, "applicationData", m.ApplicationData)
}

func (w *protoWriter) branchReport(code TypeCode, m *BranchReportRequest) {
	w.request(1, code)
	w.text(2, "xid", m.XID)
	w.int(3, m.BranchID)
	w.text(4, "resourceId", m.ResourceID)
	w.branchStatus(5, m.Status)
	w.text(6, "applicationData", m.ApplicationData)
	w.branchType(7, m.BranchType)
}

// globalStatus appends a GlobalStatusProto; it has no null, and nothing after Finished.
func (w *protoWriter) globalStatus(field protowire.Number, s GlobalStatus) {
	if !s.Valid() {
		w.fail("globalStatus", ErrEnum)
		return
	}
	w.int(field, int64(s.For(w.version, CodecProtobuf)))
}

func (w *protoWriter) branchStatus(field protowire.Number, s BranchStatus) {
	number, ok := s.protoNumber(w.version)
	if !ok {
		w.fail("branchStatus", ErrNotEncodable)
	}
	w.int(field, int64(number))
}

// branchType appends a BranchTypeProto, which has no XA and no SAGA_ANNOTATION.
func (w *protoWriter) branchType(field protowire.Number, t BranchType) {
	if t > BranchSaga {
		w.fail("branchType", ErrNotEncodable)
	}
	w.int(field, int64(t))
}

// int appends any integer, boolean or enum; zero is left out, as proto3 demands.
func (w *protoWriter) int(field protowire.Number, v int64) {
	if v == 0 {
		return
	}
	w.dst = protowire.AppendTag(w.dst, field, protowire.VarintType)
	w.dst = protowire.AppendVarint(w.dst, uint64(v))
}

// text appends a string; an empty one is left out, as proto3 demands.
func (w *protoWriter) text(field protowire.Number, name, v string) {
	if v == "" {
		return
	}
	if len(v) > FrameBytesMax {
		w.fail(name, ErrStringTooLong)
		return
	}
	if !utf8.ValidString(v) {
		w.fail(name, ErrUTF8)
	}
	w.dst = protowire.AppendTag(w.dst, field, protowire.BytesType)
	w.dst = protowire.AppendString(w.dst, v)
}

// open begins a nested message with one byte reserved for its length and returns the place of that byte.
func (w *protoWriter) open(field protowire.Number) int {
	w.dst = protowire.AppendTag(w.dst, field, protowire.BytesType)
	w.dst = append(w.dst, 0)
	return len(w.dst) - 1
}

// close sets the length of the nested message, moving it if the length needs more than the reserved byte.
func (w *protoWriter) close(mark int) {
	length := len(w.dst) - mark - 1
	if length < 1<<7 {
		w.dst[mark] = byte(length)
		return
	}
	extra := protowire.SizeVarint(uint64(length)) - 1
	var room [binary.MaxVarintLen64]byte
	w.dst = append(w.dst, room[:extra]...)
	copy(w.dst[mark+1+extra:], w.dst[mark+1:mark+1+length])
	binary.PutUvarint(w.dst[mark:], uint64(length))
}

// closeOptional is close, but takes an empty bytes field back out, as proto3 demands of scalars.
func (w *protoWriter) closeOptional(mark int) {
	if len(w.dst) == mark+1 {
		w.dst = w.dst[:mark-1] // field numbers below 16 have one-byte tags
		return
	}
	w.close(mark)
}
