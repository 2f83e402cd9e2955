package seata

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// text draws a string: mostly short, sometimes longer than what shares its memory, always UTF-8.
func text(t *rapid.T, label string) string {
	s := rapid.String().Draw(t, label)
	if rapid.IntRange(0, 15).Draw(t, label+" long") == 0 {
		s += "é"
		s = strings.Repeat(s, min(400, math.MaxInt16/len(s))) // no field is longer
	}
	return s
}

func drawResult(t *rapid.T) Result {
	return Result{
		Code:      ResultCode(rapid.IntRange(0, 1).Draw(t, "code")),
		Exception: ExceptionCode(rapid.IntRange(0, int(ExceptionBroken)).Draw(t, "exception")),
		Msg:       text(t, "msg"),
	}
}

func drawGlobalStatus(t *rapid.T) GlobalStatus {
	return GlobalStatus(rapid.IntRange(0, 20).Draw(t, "global status"))
}

func drawBranchStatus(t *rapid.T) BranchStatus {
	return BranchStatus(rapid.IntRange(0, 14).Draw(t, "branch status"))
}

func drawBranchType(t *rapid.T) BranchType {
	return BranchType(rapid.IntRange(0, 4).Draw(t, "branch type"))
}

func drawRegister(t *rapid.T) BranchRegisterRequest {
	return BranchRegisterRequest{text(t, "xid"), drawBranchType(t), text(t, "resource"), text(t, "lock"), text(t, "data")}
}

func drawBranchEnd(t *rapid.T) branchEnd {
	return branchEnd{text(t, "xid"), rapid.Int64().Draw(t, "branch"), drawBranchType(t), text(t, "resource"),
		text(t, "data")}
}

func drawIdentify(t *rapid.T) RegisterRMRequest {
	return RegisterRMRequest{text(t, "version"), text(t, "app"), text(t, "group"), text(t, "extra"), text(t, "resources")}
}

// drawMessage draws a message of the given type with any content.
func drawMessage(t *rapid.T, code TypeCode) Message {
	switch code {
	case TypeHeartbeat:
		return &Heartbeat{rapid.Bool().Draw(t, "ping")}
	case TypeGlobalBegin:
		return &GlobalBeginRequest{rapid.Int32().Draw(t, "timeout"), text(t, "name")}
	case TypeGlobalBeginResult:
		return &GlobalBeginResponse{drawResult(t), text(t, "xid"), text(t, "extra")}
	case TypeGlobalCommit:
		return &GlobalCommitRequest{text(t, "xid"), text(t, "extra")}
	case TypeGlobalRollback:
		return &GlobalRollbackRequest{text(t, "xid"), text(t, "extra")}
	case TypeGlobalStatus:
		return &GlobalStatusRequest{text(t, "xid"), text(t, "extra")}
	case TypeGlobalReport:
		return &GlobalReportRequest{text(t, "xid"), text(t, "extra"),
			GlobalStatus(rapid.IntRange(-1, 20).Draw(t, "status"))}
	case TypeGlobalCommitResult:
		return &GlobalCommitResponse{drawResult(t), drawGlobalStatus(t)}
	case TypeGlobalRollbackResult:
		return &GlobalRollbackResponse{drawResult(t), drawGlobalStatus(t)}
	case TypeGlobalStatusResult:
		return &GlobalStatusResponse{drawResult(t), drawGlobalStatus(t)}
	case TypeGlobalReportResult:
		return &GlobalReportResponse{drawResult(t), drawGlobalStatus(t)}
	case TypeRegisterTM:
		m := drawIdentify(t)
		return &RegisterTMRequest{m.Version, m.ApplicationID, m.TransactionServiceGroup, m.ExtraData}
	case TypeRegisterRM:
		m := drawIdentify(t)
		return &m
	case TypeRegisterTMResult:
		return &RegisterTMResponse{rapid.Bool().Draw(t, "identified"), text(t, "version"), text(t, "msg"), text(t, "extra")}
	case TypeRegisterRMResult:
		return &RegisterRMResponse{rapid.Bool().Draw(t, "identified"), text(t, "version"), text(t, "msg"), text(t, "extra")}
	case TypeUndoLogDelete:
		return &UndoLogDeleteRequest{drawBranchType(t), text(t, "resource"), rapid.Int16().Draw(t, "days")}
	case TypeMergedRequest:
		messages, ids := drawChildren(t)
		if rapid.Bool().Draw(t, "no ids") {
			ids = nil
		}
		return &MergedRequest{messages, ids}
	case TypeMergeResult:
		messages, _ := drawChildren(t)
		return &MergeResult{messages}
	case TypeBatchResult:
		messages, ids := drawChildren(t)
		return &BatchResult{messages, ids}
	}
	return drawBranchMessage(t, code)
}

// drawBranchMessage is the second half of drawMessage.
func drawBranchMessage(t *rapid.T, code TypeCode) Message {
	switch code {
	case TypeBranchRegister:
		m := drawRegister(t)
		return &m
	case TypeGlobalLockQuery:
		m := GlobalLockQueryRequest(drawRegister(t))
		return &m
	case TypeBranchRegisterResult:
		return &BranchRegisterResponse{drawResult(t), rapid.Int64().Draw(t, "branch")}
	case TypeBranchReport:
		m := drawBranchEnd(t)
		return &BranchReportRequest{m.XID, m.BranchID, drawBranchStatus(t), m.ResourceID, m.ApplicationData, m.BranchType}
	case TypeBranchReportResult:
		return &BranchReportResponse{drawResult(t)}
	case TypeBranchCommit:
		m := BranchCommitRequest(drawBranchEnd(t))
		return &m
	case TypeBranchRollback:
		m := BranchRollbackRequest(drawBranchEnd(t))
		return &m
	case TypeBranchCommitResult:
		m := drawBranchEnd(t)
		return &BranchCommitResponse{drawResult(t), m.XID, m.BranchID, drawBranchStatus(t)}
	case TypeBranchRollbackResult:
		m := drawBranchEnd(t)
		return &BranchRollbackResponse{drawResult(t), m.XID, m.BranchID, drawBranchStatus(t)}
	case TypeGlobalLockQueryResult:
		return &GlobalLockQueryResponse{drawResult(t), rapid.Bool().Draw(t, "lockable")}
	}
	panic(code)
}

func drawChildren(t *rapid.T) ([]Message, []int32) {
	var codes []TypeCode
	for _, code := range allTypeCodes() {
		if !code.Merged() && code != TypeHeartbeat {
			codes = append(codes, code)
		}
	}
	children := make([]Message, rapid.IntRange(1, 4).Draw(t, "children"))
	ids := make([]int32, len(children))
	for i := range children {
		children[i] = drawMessage(t, rapid.SampledFrom(codes).Draw(t, "child"))
		ids[i] = rapid.Int32().Draw(t, "id")
	}
	return children, ids
}

// readAs changes msg into what a peer reads after it was sent in the given envelope. It returns false if the envelope
// cannot carry it.
func readAs(env Envelope, msg Message) bool {
	proto := env.Codec == CodecProtobuf
	switch m := msg.(type) {
	case *GlobalBeginResponse:
		env.readResult(&m.Result)
	case *GlobalReportRequest:
		m.Status = m.Status.For(env.Version, env.Codec)
		return !proto || m.Status != GlobalStatusNull
	case *GlobalCommitResponse:
		env.readGlobalEnd(m)
	case *GlobalRollbackResponse:
		env.readGlobalEnd((*GlobalCommitResponse)(m))
	case *GlobalStatusResponse:
		env.readGlobalEnd((*GlobalCommitResponse)(m))
	case *GlobalReportResponse:
		env.readGlobalEnd((*GlobalCommitResponse)(m))
	case *BranchRegisterRequest:
		return env.readBranchType(m.BranchType)
	case *GlobalLockQueryRequest:
		return env.readBranchType(m.BranchType)
	case *BranchRegisterResponse:
		env.readResult(&m.Result)
	case *BranchReportResponse:
		env.readResult(&m.Result)
	case *GlobalLockQueryResponse:
		env.readResult(&m.Result)
	case *BranchReportRequest:
		return env.readBranchType(m.BranchType) && env.readBranchStatus(&m.Status)
	case *BranchCommitResponse:
		env.readResult(&m.Result)
		return env.readBranchStatus(&m.Status)
	case *BranchRollbackResponse:
		env.readResult(&m.Result)
		return env.readBranchStatus(&m.Status)
	case *RegisterRMRequest:
		if !proto && m.Version == "" {
			*m = RegisterRMRequest{}
		}
	case *RegisterTMResponse:
		env.readRegistration(m)
	case *RegisterRMResponse:
		env.readRegistration((*RegisterTMResponse)(m))
	case *MergedRequest:
		if env.Version.Known() && !env.Version.AtLeast(1, 5) && !proto {
			m.IDs = nil
		}
		return readAllAs(env, m.Messages)
	case *MergeResult:
		return readAllAs(env, m.Messages)
	case *BatchResult:
		return readAllAs(env, m.Messages) && env.Version.AtLeast(1, 5)
	default:
		return readRestAs(proto, msg)
	}
	return true
}

func (e Envelope) readResult(r *Result) {
	r.Msg = truncate(r.Msg, MsgBytesMax)
	if e.Codec == CodecProtobuf {
		r.Exception = exceptionCodeOfProto(r.Exception.ProtoNumber())
		return
	}
	r.Exception = ExceptionCodeOf(r.Exception.SeataOrdinal(e.Version), e.Version)
	if r.Code == Success {
		r.Msg = ""
	}
}

func (e Envelope) readGlobalEnd(m *GlobalCommitResponse) {
	e.readResult(&m.Result)
	m.Status = m.Status.For(e.Version, e.Codec)
}

func (e Envelope) readRegistration(m *RegisterTMResponse) {
	m.Msg = truncate(m.Msg, MsgBytesMax)
	if e.Codec == CodecSeata {
		m.Msg, m.ExtraData = "", ""
	}
}

func (e Envelope) readBranchType(b BranchType) bool { return e.Codec == CodecSeata || b <= BranchSaga }

func (e Envelope) readBranchStatus(s *BranchStatus) bool {
	if e.Codec == CodecSeata {
		return true
	}
	number, ok := s.protoNumber(e.Version)
	*s = BranchStatus(number)
	return ok
}

// readRestAs covers the messages at whose empty fields the SEATA decoders stop.
func readRestAs(proto bool, msg Message) bool {
	var end *branchEnd
	switch m := msg.(type) {
	case *BranchCommitRequest:
		end = (*branchEnd)(m)
	case *BranchRollbackRequest:
		end = (*branchEnd)(m)
	case *UndoLogDeleteRequest:
		if !proto && m.ResourceID == "" {
			m.SaveDays = undoLogSaveDaysDefault
		}
		return !proto || m.BranchType <= BranchSaga
	default:
		return true
	}
	switch {
	case proto:
		return end.BranchType <= BranchSaga
	case end.XID == "":
		*end = branchEnd{}
	case end.ResourceID == "":
		end.ApplicationData = ""
	}
	return true
}

// readAllAs applies readAs to children. Where a SEATA decoder stops early inside a merged message it loses its place,
// for Java as well as here, so such children must have been completed before.
func readAllAs(env Envelope, children []Message) bool {
	ok := true
	for _, child := range children {
		ok = readAs(env, child) && ok
	}
	return ok
}

// complete fills the fields at whose emptiness SEATA decoders stop, so that messages behind it can be found. It reports
// whether there were any.
func complete(msg Message) (changed bool) {
	fill := func(texts ...*string) {
		for _, s := range texts {
			if *s == "" {
				*s, changed = "x", true
			}
		}
	}
	var children []Message
	switch m := msg.(type) {
	case *BranchCommitRequest:
		fill(&m.XID, &m.ResourceID)
	case *BranchRollbackRequest:
		fill(&m.XID, &m.ResourceID)
	case *UndoLogDeleteRequest:
		fill(&m.ResourceID)
	case *RegisterRMRequest:
		fill(&m.Version)
	case *MergedRequest:
		children = m.Messages
	case *MergeResult:
		children = m.Messages
	case *BatchResult:
		children = m.Messages
	}
	for _, child := range children {
		changed = complete(child) || changed
	}
	return changed
}

// TestRoundTrip sends every type of message with every codec to every generation of clients, with any compressor.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	pools := new(Compressors)
	versions := []ClientVersion{0, MakeClientVersion(1, 4, 2), MakeClientVersion(1, 5, 2), MakeClientVersion(1, 8, 0),
		MakeClientVersion(2, 0, 0), MakeClientVersion(2, 2, 0), MakeClientVersion(2, 6, 0)}
	for _, code := range allTypeCodes() {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				env := Envelope{
					Codec:       rapid.SampledFrom([]Codec{CodecSeata, CodecProtobuf}).Draw(t, "codec"),
					Version:     rapid.SampledFrom(versions).Draw(t, "version"),
					Compressor:  rapid.SampledFrom([]Compressor{0, 0, 0, 0, 1, 2, 4, 5, 6, 7}).Draw(t, "compressor"),
					ID:          rapid.Int32().Draw(t, "id"),
					Package:     ProtoPackage(rapid.IntRange(1, 2).Draw(t, "package")),
					Compressors: pools,
				}
				checkRoundTrip(t, env, code)
			})
		})
	}
}

func checkRoundTrip(t *rapid.T, env Envelope, code TypeCode) {
	msg := drawMessage(t, code)
	if code.Merged() {
		complete(msg)
	}
	prefix := []byte("kept")
	wire, err := AppendFrame(prefix, env, msg)
	if !readAs(env, msg) {
		if !errors.Is(err, ErrNotEncodable) && !errors.Is(err, ErrEnum) || string(wire) != "kept" {
			t.Fatalf("no error for what cannot be carried: %v, %q", err, wire)
		}
		return
	}
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	frame, err := DecodeFrame(wire[len(prefix):], DecodeOptions{Version: env.Version, Compressors: env.Compressors})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if diff := cmp.Diff(msg, frame.Message); diff != "" {
		t.Fatalf("read (-want +got):\n%s", diff)
	}
	if frame.Header.ID != env.ID || frame.Header.Codec != env.Codec || frame.Header.Len() != len(wire)-len(prefix) {
		t.Fatalf("header %+v", frame.Header)
	}
	if env.Codec == CodecProtobuf && code != TypeHeartbeat && frame.Package != env.Package {
		t.Fatalf("package %s", frame.Package)
	}
}

func TestTruncateKeepsRunesWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + text(t, "text")
		n := rapid.IntRange(0, 50).Draw(t, "max")
		got := truncate(s, n)
		if len(got) > n || strings.ToValidUTF8(got, "") != got {
			t.Fatalf("%q", got)
		}
	})
	for s, want := range map[string]string{"aé": "a", "éa": "é", "ab": "ab", "abc": "ab", "\xff\xfe\xfd": "?"} {
		if got := truncate(s, 2); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestStringsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	fits, long := strings.Repeat("n", math.MaxInt16), strings.Repeat("n", math.MaxInt16+1)
	env := Envelope{Codec: CodecSeata}
	if _, err := AppendFrame(nil, env, &GlobalBeginRequest{TransactionName: fits}); err != nil {
		t.Error(err)
	}
	for _, msg := range []Message{
		&GlobalBeginRequest{TransactionName: long}, &GlobalBeginResponse{XID: long}, &GlobalCommitRequest{ExtraData: long},
		&BranchRegisterRequest{ResourceID: long}, &BranchCommitRequest{ResourceID: long}, &RegisterTMRequest{ExtraData: long},
		&UndoLogDeleteRequest{ResourceID: long}, &MergedRequest{Messages: []Message{&GlobalStatusRequest{XID: long}}},
	} {
		out, err := AppendFrame([]byte("kept"), env, msg)
		var body *BodyError
		if !errors.Is(err, ErrStringTooLong) || !errors.As(err, &body) || body.Field == "" || string(out) != "kept" {
			t.Errorf("%s: %q, %v", msg.TypeCode(), out, err)
		}
	}
	for _, msg := range []Message{&BranchRegisterRequest{LockKey: long, ApplicationData: long},
		&RegisterRMRequest{Version: "1", ResourceIDs: long}, &GlobalBeginResponse{Result: FailedWith(0, long)}} {
		if _, err := AppendFrame(nil, env, msg); err != nil {
			t.Errorf("%s: %v", msg.TypeCode(), err)
		}
	}
	env = Envelope{Codec: CodecProtobuf, Package: ProtoPackageIO}
	if _, err := AppendFrame(nil, env, &GlobalCommitRequest{XID: "\xff"}); !errors.Is(err, ErrUTF8) {
		t.Errorf("not UTF-8: %v", err)
	}
	if _, err := AppendFrame(nil, env, &GlobalBeginResponse{Result: FailedWith(0, "\xff")}); err != nil {
		t.Errorf("failure text that is not UTF-8: %v", err)
	}
}
