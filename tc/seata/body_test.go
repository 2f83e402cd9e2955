package seata

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// decodeHex decodes a SEATA body given in hex.
func decodeHex(t *testing.T, body string) (Message, error) {
	t.Helper()
	m, _, err := DecodeBody(Header{Codec: CodecSeata}, unhex(t, body), DecodeOptions{})
	return m, err
}

func TestSeataBodyErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       error
	}{
		{"half a type code", "00", ErrShortBody},
		{"type code 0", "0000", ErrTypeCode},
		{"type code -1", "ffff", ErrTypeCode},
		{"gap in the type codes", "0013 0000", ErrTypeCode},
		{"heartbeat code", "0078 01", ErrTypeCode},
		{"string longer than the body", "0007 0005 6162", ErrShortBody},
		{"no second string", "0007 0001 61", ErrShortBody},
		{"32-bit string longer than the body", "000b 0000 00 0000 7fffffff", ErrShortBody},
		{"unknown branch type", "000b 0000 05 0000 00000000 00000000", ErrEnum},
		{"unknown branch status", "0004 01 00 0000 0000000000000000 0f", ErrEnum},
		{"unknown global status", "0008 01 00 15", ErrEnum},
		{"null status in an answer", "0008 01 00 ff", ErrEnum},
		{"unknown reported status", "0011 0000 0000 fe", ErrEnum},
		{"unknown result code", "000e 02 00", ErrEnum},
		{"failed tail missing", "000c 00 0000 00", ErrShortBody},
		{"merged longer than the body", "003b 00000003 0000", ErrShortBody},
		{"merged length negative", "003b ffffffff 0000", ErrShortBody},
		{"merged without count", "003b 00000000", ErrShortBody},
		{"merged count not backed", "003b 00000006 7fff 00010000", ErrShortBody},
		{"merged count negative", "003b 00000006 ffff 00010000", ErrShortBody},
		{"merged in merged", "003b 0000000a 0001 003b 00000002 0000", ErrNested},
		{"merge result in merged", "003c 0000000a 0001 003c 00000002 0000", ErrNested},
		{"unknown child", "003b 00000006 0001 00000000", ErrTypeCode},
		{"child cut by the length", "003b 00000006 0001 00010000 ea600000", ErrShortBody},
		{"batch without ids", "0079 00000006 0001 000e0100", ErrShortBody},
	}
	for _, tt := range tests {
		m, err := decodeHex(t, tt.body)
		var body *BodyError
		if !errors.Is(err, tt.want) || m != nil || !errors.As(err, &body) || body.Error() == "" {
			t.Errorf("%s: %v, %v", tt.name, m, err)
		}
	}
	var body *BodyError
	if _, err := decodeHex(t, "000b 0000 05"); !errors.As(err, &body) || body.Type != TypeBranchRegister ||
		NewFailure(body.Type, FailedWith(ExceptionUnknown, "x")) == nil || body.Field != "branchType" {
		t.Errorf("the type of a broken request is told: %+v", body)
	}
}

func TestSeataDecoderPeculiarities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       Message
	}{
		{"trailing bytes", "000e 01 00 ffffff", &BranchReportResponse{Succeeded()}},
		{"negative string length is empty", "0007 ffff 8000", &GlobalCommitRequest{}},
		{"negative 32-bit length is empty", "000b 0000 00 0000 ffffffff 00000000", &BranchRegisterRequest{}},
		{"null status in a report", "0011 0001 78 0000 ff", &GlobalReportRequest{XID: "x", Status: GlobalStatusNull}},
		{"TM: nothing", "0065", &RegisterTMRequest{}},
		{"TM: half a length", "0065 00", &RegisterTMRequest{}},
		{"TM: version only", "0065 0001 31", &RegisterTMRequest{Version: "1"}},
		{"TM: string runs out", "0065 0001 31 0005 61", &RegisterTMRequest{Version: "1"}},
		{"TM: empty version goes on", "0065 0000 0001 61", &RegisterTMRequest{ApplicationID: "a"}},
		{"RM: empty version stops", "0067 0000 0001 61", &RegisterRMRequest{}},
		{"RM: resources run out", "0067 0001 31 0001 61 0000 0000 00000009 61",
			&RegisterRMRequest{Version: "1", ApplicationID: "a"}},
		{"RM: negative resources", "0067 0001 31 0000 0000 0000 ffffffff", &RegisterRMRequest{Version: "1"}},
		{"commit: empty xid stops", "0003 0000", &BranchCommitRequest{}},
		{"rollback: empty resource stops", "0005 0001 78 0000000000000007 01 0000",
			&BranchRollbackRequest{XID: "x", BranchID: 7, BranchType: BranchTCC}},
		{"undo log: empty resource stops", "006f 00 0000", &UndoLogDeleteRequest{SaveDays: 7}},
		{"lockable is 1 only", "0016 01 00 0002", &GlobalLockQueryResponse{Result: Succeeded()}},
		{"merged, none", "003b 00000002 0000", &MergedRequest{Messages: []Message{}}},
		{"merged, part of an id list", "003b 0000000a 0001 0007 0000 0000 0000",
			&MergedRequest{Messages: []Message{&GlobalCommitRequest{}}}},
		{"merge result, trailing bytes", "003c 00000007 0001 000e0100 00 ffff",
			&MergeResult{Messages: []Message{&BranchReportResponse{Succeeded()}}}},
	}
	for _, tt := range tests {
		m, err := decodeHex(t, tt.body)
		if diff := cmp.Diff(tt.want, m); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
}

// TestEveryCutOfABodyIsAnErrorOrARegistration cuts all golden bodies at every byte.
func TestEveryCutOfABodyIsAnErrorOrARegistration(t *testing.T) {
	t.Parallel()
	for _, e := range loadGolden(t) {
		if e.category() != goldenPlain || e.TypeCode == TypeHeartbeat || len(e.HexBody) > 2000 {
			continue
		}
		body := e.bytes(t, e.HexBody)
		for n := 1; n < len(body); n++ {
			m, _, err := DecodeBody(Header{Codec: e.CodecID}, body[:n:n], DecodeOptions{})
			if (m == nil) == (err == nil) {
				t.Fatalf("%s, %d bytes: %v, %v", e.Name, n, m, err)
			}
			optional := e.CodecID == CodecProtobuf || e.TypeCode == TypeRegisterTM || e.TypeCode == TypeRegisterRM ||
				e.TypeCode == TypeUndoLogDelete
			if err == nil && !optional {
				t.Fatalf("%s, %d of %d bytes: decoded", e.Name, n, len(body))
			}
		}
	}
}

// TestCountsDoNotAllocate decodes bodies that announce far more than they hold.
func TestCountsDoNotAllocate(t *testing.T) { // not parallel: it measures memory
	bodies := map[string]string{
		"merged count": "003b 00000004 7fff 0001", "ids": "0079 00000002 7fff", "text": "0007 7fff",
		"long text": "000b 0001 61 00 0000 7fffffff",
	}
	for name, body := range bodies {
		b := unhex(t, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 100 {
			if _, _, err := DecodeBody(Header{Codec: CodecSeata}, b, DecodeOptions{}); err == nil {
				t.Fatal(name)
			}
		}
		runtime.ReadMemStats(&after)
		if perDecode := (after.TotalAlloc - before.TotalAlloc) / 100; perDecode > 4096 {
			t.Errorf("%s: %d bytes allocated", name, perDecode)
		}
	}
}

func TestMergedIDsMustMatch(t *testing.T) {
	t.Parallel()
	children := []Message{&GlobalCommitRequest{XID: "x"}, &GlobalCommitRequest{XID: "y"}}
	v := MakeClientVersion(2, 0, 0)
	for _, codec := range []Codec{CodecSeata, CodecProtobuf} {
		env := Envelope{Codec: codec, Version: v}
		for _, msg := range []Message{&MergedRequest{children, []int32{1}}, &BatchResult{children, []int32{1, 2, 3}},
			&BatchResult{children, nil}} {
			if _, err := AppendFrame(nil, env, msg); !errors.Is(err, ErrMergedIDs) {
				t.Errorf("%s %s: %v", codec, msg.TypeCode(), err)
			}
		}
		env.Version = MakeClientVersion(1, 4, 2)
		if _, err := AppendFrame(nil, env, &BatchResult{children, []int32{1, 2}}); !errors.Is(err, ErrNotEncodable) {
			t.Errorf("%s: batch for 1.4: %v", codec, err)
		}
		env.Version = v
		for _, child := range []Message{&MergeResult{}, &MergedRequest{}, &BatchResult{}} {
			if _, err := AppendFrame(nil, env, &MergeResult{[]Message{child}}); !errors.Is(err, ErrNested) {
				t.Errorf("%s: nested: %v", codec, err)
			}
		}
		for _, child := range []Message{nil, &Heartbeat{}} {
			if _, err := AppendFrame(nil, env, &MergeResult{[]Message{child}}); !errors.Is(err, ErrTypeCode) {
				t.Errorf("%s: %v: %v", codec, child, err)
			}
		}
		many := &MergeResult{make([]Message, math.MaxInt16+1)}
		for i := range many.Messages {
			many.Messages[i] = &BranchReportResponse{}
		}
		if _, err := AppendFrame(nil, env, many); !errors.Is(err, ErrNotEncodable) {
			t.Errorf("%s: too many: %v", codec, err)
		}
	}
}

func TestInvalidEnumsAreNotWritten(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{CodecSeata, CodecProtobuf} {
		env := Envelope{Codec: codec, Version: MakeClientVersion(2, 6, 0)}
		for _, msg := range []Message{
			&GlobalCommitResponse{Status: GlobalStatusNull}, &GlobalCommitResponse{Status: 21},
			&GlobalReportRequest{Status: 21}, &BranchCommitResponse{Status: 15}, &BranchCommitRequest{BranchType: 5},
			&BranchReportResponse{Result{Code: 2}}, &BranchReportResponse{Result{Exception: 24}},
		} {
			out, err := AppendFrame([]byte("kept"), env, msg)
			if !errors.Is(err, ErrEnum) && !errors.Is(err, ErrNotEncodable) || string(out) != "kept" {
				t.Errorf("%s %+v: %v", codec, msg, err)
			}
		}
	}
}

// protoBody returns a PROTOBUF body.
func protoBody(name string, message []byte) []byte {
	body := binary.BigEndian.AppendUint32(nil, uint32(len(name)))
	return append(append(body, name...), message...)
}

func TestProtoBodyErrors(t *testing.T) {
	t.Parallel()
	const prefix = "io.seata.protocol.protobuf."
	begin := prefix + "GlobalBeginRequestProto"
	anyOf := func(url string) []byte {
		inner := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), url)
		return protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), inner)
	}
	enum := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
	}
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"no length", []byte{0, 0}, ErrShortBody},
		{"name longer than the body", []byte{0, 0, 0, 9, 'a'}, ErrShortBody},
		{"negative name length", []byte{0xFF, 0, 0, 0}, ErrShortBody},
		{"unknown name", protoBody(prefix+"NopeProto", nil), ErrTypeCode},
		{"foreign package", protoBody("a.b.GlobalBeginRequestProto", nil), ErrTypeCode},
		{"heartbeat", protoBody(prefix+"HeartbeatMessageProto", nil), ErrTypeCode},
		{"cut tag", protoBody(begin, []byte{0x80}), ErrProto},
		{"field number 0", protoBody(begin, []byte{0x00, 0x00}), ErrProto},
		{"cut varint", protoBody(begin, []byte{0x10, 0x80}), ErrProto},
		{"string longer than the body", protoBody(begin, []byte{0x1a, 9, 'a'}), ErrShortBody},
		{"huge string", protoBody(begin, protowire.AppendVarint([]byte{0x1a}, math.MaxUint64)), ErrShortBody},
		{"not UTF-8", protoBody(begin, []byte{0x1a, 1, 0xFF}), ErrUTF8},
		{"end of a group that never began", protoBody(begin, []byte{0x24}), ErrProto},
		{"branch type XA", protoBody(prefix+"BranchRegisterRequestProto", enum(3, 3)), ErrEnum},
		{"branch status 15", protoBody(prefix+"BranchReportRequestProto", enum(5, 15)), ErrEnum},
		{"global status 21", protoBody(prefix+"GlobalReportRequestProto", enum(2, 21)), ErrEnum},
		{"result code 2", protoBody(prefix+"BranchReportResponseProto", []byte{0x0a, 4, 0x0a, 2, 0x10, 2}), ErrEnum},
		{"days out of range", protoBody(prefix+"UndoLogDeleteRequestProto", enum(3, 40000)), ErrEnum},
		{"child of another package", protoBody(prefix+"MergedWarpMessageProto",
			anyOf("type.googleapis.com/org.apache.seata.protocol.protobuf.GlobalBeginRequestProto")), ErrTypeCode},
		{"child without name", protoBody(prefix+"MergedWarpMessageProto", anyOf("")), ErrTypeCode},
		{"merged in merged", protoBody(prefix+"MergedWarpMessageProto",
			anyOf("x/"+prefix+"MergedWarpMessageProto")), ErrNested},
		{"one id, no child", protoBody(prefix+"MergedWarpMessageProto", enum(3, 1)), ErrMergedIDs},
		{"batch without ids", protoBody(prefix+"BatchResultMessageProto", anyOf("x/"+begin)), ErrMergedIDs},
	}
	for _, tt := range tests {
		m, _, err := DecodeBody(Header{Codec: CodecProtobuf}, tt.body, DecodeOptions{})
		var body *BodyError
		if !errors.Is(err, tt.want) || m != nil || !errors.As(err, &body) {
			t.Errorf("%s: %v, %v", tt.name, m, err)
		}
	}
}

func TestProtoUnknownFieldsAreSkipped(t *testing.T) {
	t.Parallel()
	var b []byte
	b = protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), 5) // known number, other type
	b = protowire.AppendFixed32(protowire.AppendTag(b, 90, protowire.Fixed32Type), 5)
	b = protowire.AppendString(protowire.AppendTag(b, 91, protowire.BytesType), "later")
	b = protowire.AppendGroup(protowire.AppendTag(b, 92, protowire.StartGroupType), 92, b)
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), "first")
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), "last one counts")
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), math.MaxUint64)
	body := protoBody("org.apache.seata.protocol.protobuf.GlobalBeginRequestProto", b)
	m, pkg, err := DecodeBody(Header{Codec: CodecProtobuf}, body, DecodeOptions{})
	want := &GlobalBeginRequest{TimeoutMillis: -1, TransactionName: "last one counts"}
	if diff := cmp.Diff(want, m); diff != "" || err != nil || pkg != ProtoPackageApache {
		t.Errorf("%s, %v\n%s", pkg, err, diff)
	}
	ids := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 7)          // not packed
	child := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), string(b)) // value first
	child = protowire.AppendString(protowire.AppendTag(child, 1, protowire.BytesType),
		"io.seata.protocol.protobuf.GlobalBeginRequestProto") // no slash
	ids = protowire.AppendBytes(protowire.AppendTag(ids, 2, protowire.BytesType), child)
	body = protoBody("io.seata.protocol.protobuf.MergedWarpMessageProto", ids)
	m, _, err = DecodeBody(Header{Codec: CodecProtobuf}, body, DecodeOptions{})
	if diff := cmp.Diff(&MergedRequest{[]Message{want}, []int32{7}}, m); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestFailuresAreTruthful(t *testing.T) {
	t.Parallel()
	result := Result{Code: Success, Exception: ExceptionFailedStore, Msg: strings.Repeat("m", 999)}
	answers := map[TypeCode]TypeCode{TypeGlobalBegin: TypeGlobalBeginResult, TypeGlobalStatus: TypeGlobalStatusResult,
		TypeGlobalReport: TypeGlobalReportResult, TypeBranchRegister: TypeBranchRegisterResult,
		TypeBranchReport: TypeBranchReportResult, TypeGlobalLockQuery: TypeGlobalLockQueryResult,
		TypeRegisterTM: TypeRegisterTMResult, TypeRegisterRM: TypeRegisterRMResult}
	for _, code := range allTypeCodes() {
		m := NewFailure(code, result)
		want, ok := answers[code]
		if !ok {
			if m != nil {
				t.Errorf("%s has no default failure, got %s", code, m.TypeCode())
			}
			continue
		}
		if m == nil || m.TypeCode() != want {
			t.Errorf("%s: %v", code, m)
			continue
		}
		wire, err := AppendFrame(nil, Envelope{MsgType: Response, Codec: CodecSeata}, m)
		if err != nil || len(wire) > 500 {
			t.Errorf("%s: %d bytes, %v", code, len(wire), err)
		}
		frame, err := DecodeFrame(wire, DecodeOptions{})
		if err != nil {
			t.Errorf("%s: %v", code, err)
		}
		switch m := frame.Message.(type) {
		case *RegisterTMResponse:
			if m.Identified {
				t.Error("identified")
			}
		case *GlobalBeginResponse:
			if m.Code != Failed || m.Exception != ExceptionFailedStore || m.Msg != result.Msg[:MsgBytesMax] {
				t.Errorf("%+v", m)
			}
		}
	}
}
