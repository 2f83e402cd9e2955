package seata

import (
	"encoding/binary"
	"math"
)

// protoReader walks over one PROTOBUF body. Each method that reads a message takes the place where it ends; pos then
// stands there. After the first error pos jumps to the end, so that all loops stop.
type protoReader struct {
	buf  []byte
	pos  int
	text string // copy of buf, made when the first string of a small body is read
	name string
	pkg  ProtoPackage
	err  error
}

// decodeProto decodes an uncompressed body of the PROTOBUF codec.
func decodeProto(body []byte) (Message, ProtoPackage, error) {
	r := protoReader{buf: body}
	code := r.typeName()
	var m Message
	if r.err == nil {
		if code.Merged() {
			m = r.merged(code)
		} else {
			m = r.message(code, len(body))
		}
	}
	if r.err != nil {
		return nil, r.pkg, &BodyError{Codec: CodecProtobuf, Type: code, Field: r.name, Offset: r.pos, Err: r.err}
	}
	return m, r.pkg, nil
}

// typeName reads the length-prefixed name in front of the message. Seata ProtobufSerializer.java.
func (r *protoReader) typeName() TypeCode {
	if len(r.buf) < 4 {
		r.fail("name", ErrShortBody)
		return 0
	}
	n := int(int32(binary.BigEndian.Uint32(r.buf)))
	if n < 0 || n > len(r.buf)-4 {
		r.fail("name", ErrShortBody)
		return 0
	}
	code, pkg, ok := parseProtoName(r.buf[4 : 4+n])
	if !ok {
		r.fail("name", ErrTypeCode)
		return 0
	}
	r.pos, r.pkg = 4+n, pkg
	return code
}

// message reads one message that is not merged and ends at end.
func (r *protoReader) message(code TypeCode, end int) Message {
	switch code {
	case TypeGlobalBegin:
		return r.globalBegin(end)
	case TypeGlobalBeginResult:
		return r.globalBeginResult(end)
	case TypeGlobalCommit:
		m := new(GlobalCommitRequest)
		r.globalEnd(end, (*globalEnd)(m), nil)
		return m
	case TypeGlobalRollback:
		m := new(GlobalRollbackRequest)
		r.globalEnd(end, (*globalEnd)(m), nil)
		return m
	case TypeGlobalStatus:
		m := new(GlobalStatusRequest)
		r.globalEnd(end, (*globalEnd)(m), nil)
		return m
	case TypeGlobalReport:
		return r.globalReport(end)
	case TypeGlobalCommitResult:
		m := new(GlobalCommitResponse)
		r.globalEndResult(end, m)
		return m
	case TypeGlobalRollbackResult:
		m := new(GlobalRollbackResponse)
		r.globalEndResult(end, (*GlobalCommitResponse)(m))
		return m
	case TypeGlobalStatusResult:
		m := new(GlobalStatusResponse)
		r.globalEndResult(end, (*GlobalCommitResponse)(m))
		return m
	case TypeGlobalReportResult:
		m := new(GlobalReportResponse)
		r.globalEndResult(end, (*GlobalCommitResponse)(m))
		return m
	case TypeBranchRegister:
		m := new(BranchRegisterRequest)
		r.branchRegister(end, m)
		return m
	case TypeGlobalLockQuery:
		return r.globalLockQuery(end)
	case TypeBranchRegisterResult, TypeBranchReportResult, TypeGlobalLockQueryResult:
		return r.smallResult(code, end)
	case TypeBranchReport:
		return r.branchReport(end)
	case TypeBranchCommit:
		m := new(BranchCommitRequest)
		r.branchEnd(end, (*branchEnd)(m))
		return m
	case TypeBranchRollback:
		m := new(BranchRollbackRequest)
		r.branchEnd(end, (*branchEnd)(m))
		return m
	case TypeBranchCommitResult:
		m := new(BranchCommitResponse)
		r.branchEndResult(end, m)
		return m
	case TypeBranchRollbackResult:
		m := new(BranchRollbackResponse)
		r.branchEndResult(end, (*BranchCommitResponse)(m))
		return m
	case TypeRegisterTM:
		m := new(RegisterTMRequest)
		r.register(end, m, nil)
		return m
	case TypeRegisterRM:
		return r.registerRM(end)
	case TypeRegisterTMResult:
		m := new(RegisterTMResponse)
		r.registerResult(end, m)
		return m
	case TypeRegisterRMResult:
		m := new(RegisterRMResponse)
		r.registerResult(end, (*RegisterTMResponse)(m))
		return m
	case TypeUndoLogDelete:
		return r.undoLogDelete(end)
	}
	r.fail("", ErrTypeCode)
	return nil
}

// globalEnd has the fields of commit, rollback and status requests.
type globalEnd struct {
	XID       string
	ExtraData string
}

func (r *protoReader) globalBegin(end int) *GlobalBeginRequest {
	m := new(GlobalBeginRequest)
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 2<<3 | varint:
			m.TimeoutMillis = int32(f.value)
		case 3<<3 | lengthed:
			m.TransactionName = r.string(f, "transactionName")
		}
	}
	return m
}

func (r *protoReader) globalBeginResult(end int) *GlobalBeginResponse {
	m := new(GlobalBeginResponse)
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 1<<3 | lengthed:
			r.response(f, &m.Result)
		case 2<<3 | lengthed:
			m.XID = r.string(f, "xid")
		case 3<<3 | lengthed:
			m.ExtraData = r.string(f, "extraData")
		}
	}
	return m
}

// globalEnd reads { AbstractGlobalEndRequestProto = 1, globalStatus = 2 (report only) }.
func (r *protoReader) globalEnd(end int, m *globalEnd, status *GlobalStatus) {
	for r.pos < end {
		f := r.next(end)
		switch {
		case f.key == 1<<3|lengthed:
			for r.pos = f.start; r.pos < f.end; {
				switch g := r.next(f.end); g.key {
				case 2<<3 | lengthed:
					m.XID = r.string(g, "xid")
				case 3<<3 | lengthed:
					m.ExtraData = r.string(g, "extraData")
				}
			}
		case f.key == 2<<3|varint && status != nil:
			*status = r.globalStatus(f)
		}
	}
}

func (r *protoReader) globalReport(end int) *GlobalReportRequest {
	m := new(GlobalReportRequest)
	var head globalEnd
	r.globalEnd(end, &head, &m.Status)
	m.XID, m.ExtraData = head.XID, head.ExtraData
	return m
}

// globalEndResult reads { AbstractGlobalEndResponseProto = 1 }.
func (r *protoReader) globalEndResult(end int, m *GlobalCommitResponse) {
	for r.pos < end {
		f := r.next(end)
		if f.key != 1<<3|lengthed {
			continue
		}
		for r.pos = f.start; r.pos < f.end; {
			switch g := r.next(f.end); g.key {
			case 1<<3 | lengthed:
				r.response(g, &m.Result)
			case 2<<3 | varint:
				m.Status = r.globalStatus(g)
			}
		}
	}
}

func (r *protoReader) branchRegister(end int, m *BranchRegisterRequest) {
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 2<<3 | lengthed:
			m.XID = r.string(f, "xid")
		case 3<<3 | varint:
			m.BranchType = r.branchType(f)
		case 4<<3 | lengthed:
			m.ResourceID = r.string(f, "resourceId")
		case 5<<3 | lengthed:
			m.LockKey = r.string(f, "lockKey")
		case 6<<3 | lengthed:
			m.ApplicationData = r.string(f, "applicationData")
		}
	}
}

// globalLockQuery reads { BranchRegisterRequestProto = 1 }.
func (r *protoReader) globalLockQuery(end int) *GlobalLockQueryRequest {
	m := new(GlobalLockQueryRequest)
	for r.pos < end {
		if f := r.next(end); f.key == 1<<3|lengthed {
			r.pos = f.start
			r.branchRegister(f.end, (*BranchRegisterRequest)(m))
		}
	}
	return m
}

// smallResult reads the responses that have at most one number after the result.
func (r *protoReader) smallResult(code TypeCode, end int) Message {
	var result Result
	var number uint64
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 1<<3 | lengthed:
			r.response(f, &result)
		case 2<<3 | varint:
			number = f.value
		}
	}
	switch code {
	case TypeBranchRegisterResult:
		return &BranchRegisterResponse{Result: result, BranchID: int64(number)}
	case TypeGlobalLockQueryResult:
		return &GlobalLockQueryResponse{Result: result, Lockable: number != 0}
	}
	return &BranchReportResponse{Result: result}
}

func (r *protoReader) branchReport(end int) *BranchReportRequest {
	m := new(BranchReportRequest)
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 2<<3 | lengthed:
			m.XID = r.string(f, "xid")
		case 3<<3 | varint:
			m.BranchID = int64(f.value)
		case 4<<3 | lengthed:
			m.ResourceID = r.string(f, "resourceId")
		case 5<<3 | varint:
			m.Status = r.branchStatus(f)
		case 6<<3 | lengthed:
			m.ApplicationData = r.string(f, "applicationData")
		case 7<<3 | varint:
			m.BranchType = r.branchType(f)
		}
	}
	return m
}

// branchEnd reads { AbstractBranchEndRequestProto = 1 }.
func (r *protoReader) branchEnd(end int, m *branchEnd) {
	for r.pos < end {
		f := r.next(end)
		if f.key != 1<<3|lengthed {
			continue
		}
		for r.pos = f.start; r.pos < f.end; {
			switch g := r.next(f.end); g.key {
			case 2<<3 | lengthed:
				m.XID = r.string(g, "xid")
			case 3<<3 | varint:
				m.BranchID = int64(g.value)
			case 4<<3 | varint:
				m.BranchType = r.branchType(g)
			case 5<<3 | lengthed:
				m.ResourceID = r.string(g, "resourceId")
			case 6<<3 | lengthed:
				m.ApplicationData = r.string(g, "applicationData")
			}
		}
	}
}

// branchEndResult reads { AbstractBranchEndResponseProto = 1 }.
func (r *protoReader) branchEndResult(end int, m *BranchCommitResponse) {
	for r.pos < end {
		f := r.next(end)
		if f.key != 1<<3|lengthed {
			continue
		}
		for r.pos = f.start; r.pos < f.end; {
			switch g := r.next(f.end); g.key {
			case 1<<3 | lengthed:
				r.response(g, &m.Result)
			case 2<<3 | lengthed:
				m.XID = r.string(g, "xid")
			case 3<<3 | varint:
				m.BranchID = int64(g.value)
			case 4<<3 | varint:
				m.Status = r.branchStatus(g)
			}
		}
	}
}

// register reads { AbstractIdentifyRequestProto = 1, resourceIds = 2 (resource managers only) }.
func (r *protoReader) register(end int, m *RegisterTMRequest, resourceIDs *string) {
	for r.pos < end {
		f := r.next(end)
		switch {
		case f.key == 1<<3|lengthed:
			r.identify(f, m)
		case f.key == 2<<3|lengthed && resourceIDs != nil:
			*resourceIDs = r.string(f, "resourceIds")
		}
	}
}

func (r *protoReader) identify(f protoField, m *RegisterTMRequest) {
	for r.pos = f.start; r.pos < f.end; {
		switch g := r.next(f.end); g.key {
		case 2<<3 | lengthed:
			m.Version = r.string(g, "version")
		case 3<<3 | lengthed:
			m.ApplicationID = r.string(g, "applicationId")
		case 4<<3 | lengthed:
			m.TransactionServiceGroup = r.string(g, "transactionServiceGroup")
		case 5<<3 | lengthed:
			m.ExtraData = r.string(g, "extraData")
		}
	}
}

func (r *protoReader) registerRM(end int) *RegisterRMRequest {
	m := new(RegisterRMRequest)
	var head RegisterTMRequest
	r.register(end, &head, &m.ResourceIDs)
	m.Version, m.ApplicationID = head.Version, head.ApplicationID
	m.TransactionServiceGroup, m.ExtraData = head.TransactionServiceGroup, head.ExtraData
	return m
}

// registerResult reads { AbstractIdentifyResponseProto = 1 }.
func (r *protoReader) registerResult(end int, m *RegisterTMResponse) {
	for r.pos < end {
		f := r.next(end)
		if f.key != 1<<3|lengthed {
			continue
		}
		for r.pos = f.start; r.pos < f.end; {
			switch g := r.next(f.end); g.key {
			case 1<<3 | lengthed:
				var result Result
				r.resultMessage(g, &result)
				m.Msg = result.Msg
			case 2<<3 | lengthed:
				m.Version = r.string(g, "version")
			case 3<<3 | lengthed:
				m.ExtraData = r.string(g, "extraData")
			case 4<<3 | varint:
				m.Identified = g.value != 0
			}
		}
	}
}

func (r *protoReader) undoLogDelete(end int) *UndoLogDeleteRequest {
	m := new(UndoLogDeleteRequest)
	for r.pos < end {
		switch f := r.next(end); f.key {
		case 2<<3 | lengthed:
			m.ResourceID = r.string(f, "resourceId")
		case 3<<3 | varint:
			days := int32(f.value)
			if days < math.MinInt16 || days > math.MaxInt16 {
				r.fail("saveDays", ErrEnum)
			}
			m.SaveDays = int16(days)
		case 4<<3 | varint:
			m.BranchType = r.branchType(f)
		}
	}
	return m
}

// response reads AbstractTransactionResponseProto.
func (r *protoReader) response(f protoField, result *Result) {
	for r.pos = f.start; r.pos < f.end; {
		switch g := r.next(f.end); g.key {
		case 1<<3 | lengthed:
			r.resultMessage(g, result)
		case 2<<3 | varint:
			result.Exception = exceptionCodeOfProto(g.value)
		}
	}
}

// resultMessage reads AbstractResultMessageProto.
func (r *protoReader) resultMessage(f protoField, result *Result) {
	for r.pos = f.start; r.pos < f.end; {
		switch g := r.next(f.end); g.key {
		case 2<<3 | varint:
			if g.value > uint64(Success) {
				r.fail("resultCode", ErrEnum)
				return
			}
			result.Code = ResultCode(g.value)
		case 3<<3 | lengthed:
			result.Msg = r.string(g, "msg")
		}
	}
}
