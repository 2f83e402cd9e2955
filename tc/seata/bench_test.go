package seata

import "testing"

const benchXID = "192.168.0.10:8091:2612341069705662465"

func benchRegister() *BranchRegisterRequest {
	return &BranchRegisterRequest{XID: benchXID, ResourceID: "jdbc:mysql://127.0.0.1:3306/seata_order",
		LockKey: "t_order:1,2"}
}

func benchDecode(b *testing.B, env Envelope, msg Message) {
	b.Helper()
	env.ID, env.Version = 7, MakeClientVersion(2, 2, 0)
	wire, err := AppendFrame(nil, env, msg)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeFrame(wire, DecodeOptions{Version: env.Version}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchEncode(b *testing.B, env Envelope, msg Message) {
	b.Helper()
	env.ID, env.Version = 7, MakeClientVersion(2, 2, 0)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendFrame(buf[:0], env, msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBranchRegisterRequest(b *testing.B) {
	benchDecode(b, Envelope{Codec: CodecSeata}, benchRegister())
}

func BenchmarkDecodeBranchRegisterRequestProto(b *testing.B) {
	benchDecode(b, Envelope{Codec: CodecProtobuf}, benchRegister())
}

func BenchmarkDecodeMergedOneBranchRegister(b *testing.B) {
	benchDecode(b, Envelope{Codec: CodecSeata}, &MergedRequest{Messages: []Message{benchRegister()}, IDs: []int32{9}})
}

func BenchmarkDecodeGlobalBeginRequest(b *testing.B) {
	benchDecode(b, Envelope{Codec: CodecSeata},
		&GlobalBeginRequest{TimeoutMillis: 60000, TransactionName: "createOrder(java.lang.String,int)"})
}

func BenchmarkEncodeGlobalBeginResponse(b *testing.B) {
	benchEncode(b, Envelope{MsgType: Response, Codec: CodecSeata},
		&GlobalBeginResponse{Result: Succeeded(), XID: benchXID})
}

func BenchmarkEncodeGlobalBeginResponseProto(b *testing.B) {
	benchEncode(b, Envelope{MsgType: Response, Codec: CodecProtobuf},
		&GlobalBeginResponse{Result: Succeeded(), XID: benchXID})
}

func BenchmarkEncodeBranchRegisterResponse(b *testing.B) {
	benchEncode(b, Envelope{MsgType: Response, Codec: CodecSeata},
		&BranchRegisterResponse{Result: Succeeded(), BranchID: 2612341069705662466})
}

func BenchmarkEncodeBranchCommitRequest(b *testing.B) {
	benchEncode(b, Envelope{Codec: CodecSeata}, &BranchCommitRequest{XID: benchXID, BranchID: 2612341069705662466,
		ResourceID: "jdbc:mysql://127.0.0.1:3306/seata_order"})
}
