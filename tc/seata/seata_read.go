package seata

import "encoding/binary"

// shareBytesMax is the largest body whose strings share one copy of it. Larger bodies have each string copied, so
// that a short XID that somebody keeps does not keep a long body alive.
const shareBytesMax = 1 << 10

// undoLogSaveDaysDefault is what Java's decoder leaves when it stops early. Seata UndoLogDeleteRequest.java:
// DEFAULT_SAVE_DAYS.
const undoLogSaveDaysDefault = 7

// reader walks over one SEATA body. After the first error all reads return zero values.
type reader struct {
	buf     []byte
	pos     int
	text    string // copy of buf, made when the first string of a small body is read
	field   string
	version ClientVersion
	err     error
}

// decodeSeata decodes an uncompressed body of the SEATA codec.
func decodeSeata(body []byte, version ClientVersion) (Message, error) {
	r := reader{buf: body, version: version}
	code := TypeCode(r.i16("typeCode"))
	var m Message
	switch {
	case r.err != nil:
	case code.Merged():
		m = r.merged(code)
	default:
		m = r.message(code)
	}
	if r.err != nil {
		return nil, &BodyError{Codec: CodecSeata, Type: code, Field: r.field, Offset: r.pos, Err: r.err}
	}
	return m, nil
}

// message reads the fields of one message that is not merged. Seata 1.4 to 2.6 serializer/seata/protocol/*Codec.java.
func (r *reader) message(code TypeCode) Message {
	switch code {
	case TypeGlobalBegin:
		return &GlobalBeginRequest{TimeoutMillis: r.i32("timeout"), TransactionName: r.s16("transactionName")}
	case TypeGlobalBeginResult:
		return &GlobalBeginResponse{Result: r.result(), XID: r.s16("xid"), ExtraData: r.s16("extraData")}
	case TypeBranchCommit:
		m := new(BranchCommitRequest)
		r.branchEnd((*branchEnd)(m))
		return m
	case TypeBranchRollback:
		m := new(BranchRollbackRequest)
		r.branchEnd((*branchEnd)(m))
		return m
	case TypeBranchCommitResult:
		return &BranchCommitResponse{Result: r.result(), XID: r.s16("xid"), BranchID: r.i64("branchId"),
			Status: r.branchStatus("branchStatus")}
	case TypeBranchRollbackResult:
		return &BranchRollbackResponse{Result: r.result(), XID: r.s16("xid"), BranchID: r.i64("branchId"),
			Status: r.branchStatus("branchStatus")}
	case TypeGlobalCommit:
		return &GlobalCommitRequest{XID: r.s16("xid"), ExtraData: r.s16("extraData")}
	case TypeGlobalRollback:
		return &GlobalRollbackRequest{XID: r.s16("xid"), ExtraData: r.s16("extraData")}
	case TypeGlobalStatus:
		return &GlobalStatusRequest{XID: r.s16("xid"), ExtraData: r.s16("extraData")}
	case TypeGlobalReport:
		return &GlobalReportRequest{XID: r.s16("xid"), ExtraData: r.s16("extraData"), Status: r.globalStatus(true)}
	case TypeGlobalCommitResult:
		return &GlobalCommitResponse{Result: r.result(), Status: r.globalStatus(false)}
	case TypeGlobalRollbackResult:
		return &GlobalRollbackResponse{Result: r.result(), Status: r.globalStatus(false)}
	case TypeGlobalStatusResult:
		return &GlobalStatusResponse{Result: r.result(), Status: r.globalStatus(false)}
	case TypeGlobalReportResult:
		return &GlobalReportResponse{Result: r.result(), Status: r.globalStatus(false)}
	case TypeBranchRegister:
		return &BranchRegisterRequest{XID: r.s16("xid"), BranchType: r.branchType(), ResourceID: r.s16("resourceId"),
			LockKey: r.s32("lockKey"), ApplicationData: r.s32("applicationData")}
	case TypeGlobalLockQuery:
		return &GlobalLockQueryRequest{XID: r.s16("xid"), BranchType: r.branchType(), ResourceID: r.s16("resourceId"),
			LockKey: r.s32("lockKey"), ApplicationData: r.s32("applicationData")}
	case TypeBranchRegisterResult:
		return &BranchRegisterResponse{Result: r.result(), BranchID: r.i64("branchId")}
	case TypeBranchReport:
		return &BranchReportRequest{XID: r.s16("xid"), BranchID: r.i64("branchId"), Status: r.branchStatus("status"),
			ResourceID: r.s16("resourceId"), ApplicationData: r.s32("applicationData"), BranchType: r.branchType()}
	case TypeBranchReportResult:
		return &BranchReportResponse{Result: r.result()}
	case TypeGlobalLockQueryResult:
		return &GlobalLockQueryResponse{Result: r.result(), Lockable: r.i16("lockable") == 1}
	case TypeRegisterTM:
		return r.registerTM()
	case TypeRegisterRM:
		return r.registerRM()
	case TypeRegisterTMResult:
		return &RegisterTMResponse{Identified: r.u8("identified") == 1, Version: r.s16("version")}
	case TypeRegisterRMResult:
		return &RegisterRMResponse{Identified: r.u8("identified") == 1, Version: r.s16("version")}
	case TypeUndoLogDelete:
		return r.undoLogDelete()
	}
	r.fail("typeCode", ErrTypeCode)
	return nil
}

// branchEnd has the fields of both phase-two requests.
type branchEnd struct {
	XID             string
	BranchID        int64
	BranchType      BranchType
	ResourceID      string
	ApplicationData string
}

// branchEnd stops at an empty xid or resource id, as Java does: then the rest is lost for a Java client too.
// Seata AbstractBranchEndRequestCodec.java.
func (r *reader) branchEnd(m *branchEnd) {
	if m.XID = r.s16("xid"); m.XID == "" {
		return
	}
	m.BranchID = r.i64("branchId")
	m.BranchType = r.branchType()
	if m.ResourceID = r.s16("resourceId"); m.ResourceID == "" {
		return
	}
	m.ApplicationData = r.s32("applicationData")
}

// registerTM stops without an error where the bytes run out. Seata RegisterTMRequestCodec.java.
func (r *reader) registerTM() *RegisterTMRequest {
	m := new(RegisterTMRequest)
	_ = r.optional16(&m.Version) && r.optional16(&m.ApplicationID) &&
		r.optional16(&m.TransactionServiceGroup) && r.optional16(&m.ExtraData)
	return m
}

// registerRM stops without an error where the bytes run out, and at an empty version. Seata
// RegisterRMRequestCodec.java.
func (r *reader) registerRM() *RegisterRMRequest {
	m := new(RegisterRMRequest)
	if !r.optional16(&m.Version) || m.Version == "" {
		return m
	}
	if r.optional16(&m.ApplicationID) && r.optional16(&m.TransactionServiceGroup) && r.optional16(&m.ExtraData) &&
		r.left() >= 4 {
		if n := int(int32(binary.BigEndian.Uint32(r.buf[r.pos:]))); n <= r.left()-4 {
			r.pos += 4
			m.ResourceIDs = r.string("resourceIds", n)
		}
	}
	return m
}

// optional16 reads an s16 into target; it leaves everything as it is and returns false if the bytes do not suffice.
func (r *reader) optional16(target *string) bool {
	if r.left() < 2 {
		return false
	}
	n := int(int16(binary.BigEndian.Uint16(r.buf[r.pos:])))
	if n > r.left()-2 {
		return false
	}
	r.pos += 2
	if n > 0 {
		*target = r.take(n)
	}
	return true
}

// undoLogDelete does not read the days after an empty resource id. Seata UndoLogDeleteRequestCodec.java.
func (r *reader) undoLogDelete() *UndoLogDeleteRequest {
	m := &UndoLogDeleteRequest{SaveDays: undoLogSaveDaysDefault}
	m.BranchType = r.branchType()
	if m.ResourceID = r.s16("resourceId"); m.ResourceID != "" {
		m.SaveDays = r.i16("saveDays")
	}
	return m
}

// merged reads one of the three messages that wrap others. Seata MergedWarpMessageCodec.java,
// MergeResultMessageCodec.java, BatchResultMessageCodec.java.
func (r *reader) merged(code TypeCode) Message {
	length := int(r.i32("length"))
	if r.err == nil && (length < 0 || length > r.left()) {
		r.fail("length", ErrShortBody)
	}
	if r.err != nil {
		return nil
	}
	r.buf = r.buf[:r.pos+length]
	children := r.children()
	switch {
	case r.err != nil:
		return nil
	case code == TypeMergeResult:
		return &MergeResult{Messages: children}
	case code == TypeMergedRequest:
		m := &MergedRequest{Messages: children}
		if r.left() >= 4*len(children) && len(children) > 0 { // absent before 1.5
			m.IDs = r.ids(len(children))
		}
		return m
	}
	return &BatchResult{Messages: children, IDs: r.ids(len(children))}
}

// children reads the count and as many messages with their type codes.
func (r *reader) children() []Message {
	const childBytesMin = 4 // type code and at least one short field: what the count must be backed by
	count := int(r.i16("count"))
	if r.err == nil && (count < 0 || count*childBytesMin > r.left()) {
		r.fail("count", ErrShortBody)
	}
	if r.err != nil {
		return nil
	}
	children := make([]Message, 0, count)
	for range count {
		code := TypeCode(r.i16("typeCode"))
		if code.Merged() {
			r.fail("typeCode", ErrNested)
		}
		if r.err != nil {
			return nil
		}
		children = append(children, r.message(code))
		if r.err != nil {
			return nil
		}
	}
	return children
}

// ids reads count request ids.
func (r *reader) ids(count int) []int32 {
	if r.left() < 4*count {
		r.fail("msgIds", ErrShortBody)
		return nil
	}
	ids := make([]int32, count)
	for i := range ids {
		ids[i] = r.i32("msgIds")
	}
	return ids
}

// result reads the prefix of all transaction responses. Seata AbstractTransactionResponseCodec.java.
func (r *reader) result() (result Result) {
	result.Code = ResultCode(r.u8("resultCode"))
	if result.Code > Success {
		r.fail("resultCode", ErrEnum)
	}
	if result.Code == Failed {
		result.Msg = r.s16("msg")
	}
	result.Exception = ExceptionCodeOf(r.u8("transactionExceptionCode"), r.version)
	return result
}

func (r *reader) branchType() BranchType {
	t := BranchType(r.u8("branchType"))
	if !t.Valid() {
		r.fail("branchType", ErrEnum)
	}
	return t
}

func (r *reader) branchStatus(field string) BranchStatus {
	s := BranchStatus(r.u8(field))
	if !s.Valid() {
		r.fail(field, ErrEnum)
	}
	return s
}

func (r *reader) globalStatus(nullable bool) GlobalStatus {
	s := GlobalStatus(r.u8("globalStatus"))
	if !s.Valid() && (!nullable || s != GlobalStatusNull) {
		r.fail("globalStatus", ErrEnum)
	}
	return s
}

func (r *reader) left() int { return len(r.buf) - r.pos }

// fail keeps the first error.
func (r *reader) fail(field string, err error) {
	if r.err == nil {
		r.field, r.err = field, err
	}
}

// need reports whether n more bytes may be read.
func (r *reader) need(field string, n int) bool {
	if r.err != nil {
		return false
	}
	if n > len(r.buf)-r.pos {
		r.fail(field, ErrShortBody)
		return false
	}
	return true
}

func (r *reader) u8(field string) byte {
	if !r.need(field, 1) {
		return 0
	}
	r.pos++
	return r.buf[r.pos-1]
}

func (r *reader) i16(field string) int16 {
	if !r.need(field, 2) {
		return 0
	}
	r.pos += 2
	return int16(binary.BigEndian.Uint16(r.buf[r.pos-2:]))
}

func (r *reader) i32(field string) int32 {
	if !r.need(field, 4) {
		return 0
	}
	r.pos += 4
	return int32(binary.BigEndian.Uint32(r.buf[r.pos-4:]))
}

func (r *reader) i64(field string) int64 {
	if !r.need(field, 8) {
		return 0
	}
	r.pos += 8
	return int64(binary.BigEndian.Uint64(r.buf[r.pos-8:]))
}

// s16 reads a text with 16-bit length; zero and negative lengths are empty, as in Java.
func (r *reader) s16(field string) string { return r.string(field, int(r.i16(field))) }

// s32 reads a text with 32-bit length; zero and negative lengths are empty, as in Java.
func (r *reader) s32(field string) string { return r.string(field, int(r.i32(field))) }

func (r *reader) string(field string, n int) string {
	if n <= 0 || !r.need(field, n) {
		return ""
	}
	return r.take(n)
}

// take copies the next n bytes, which must be there.
func (r *reader) take(n int) string {
	start := r.pos
	r.pos += n
	if len(r.buf) > shareBytesMax {
		return string(r.buf[start:r.pos])
	}
	if r.text == "" {
		r.text = string(r.buf)
	}
	return r.text[start:r.pos]
}
