package seata

import "strconv"

// MessageType is byte 9 of a frame. It tells heartbeats from other frames; whether an answer is due is told by the type
// code only, because Java sends merged requests and late resource registrations as one-way.
type MessageType uint8

// Seata ProtocolConstants.java: MSGTYPE_*.
const (
	RequestSync       MessageType = 0 // MSGTYPE_RESQUEST_SYNC
	Response          MessageType = 1 // MSGTYPE_RESPONSE
	RequestOneway     MessageType = 2 // MSGTYPE_RESQUEST_ONEWAY
	HeartbeatRequest  MessageType = 3 // MSGTYPE_HEARTBEAT_REQUEST, PING
	HeartbeatResponse MessageType = 4 // MSGTYPE_HEARTBEAT_RESPONSE, PONG
)

// String names the type as in the protocol documents.
func (t MessageType) String() string {
	switch t {
	case RequestSync:
		return "REQUEST_SYNC"
	case Response:
		return "RESPONSE"
	case RequestOneway:
		return "REQUEST_ONEWAY"
	case HeartbeatRequest:
		return "HEARTBEAT_REQUEST"
	case HeartbeatResponse:
		return "HEARTBEAT_RESPONSE"
	}
	return "MessageType(" + strconv.Itoa(int(t)) + ")"
}

// heartbeat reports whether frames of this type carry no body.
func (t MessageType) heartbeat() bool { return t == HeartbeatRequest || t == HeartbeatResponse }

// TypeCode tells which message a body holds.
type TypeCode int16

// Seata MessageType.java. Zero (TYPE_NOT_EXIST) is never sent.
const (
	TypeGlobalBegin           TypeCode = 1   // TYPE_GLOBAL_BEGIN
	TypeGlobalBeginResult     TypeCode = 2   // TYPE_GLOBAL_BEGIN_RESULT
	TypeBranchCommit          TypeCode = 3   // TYPE_BRANCH_COMMIT
	TypeBranchCommitResult    TypeCode = 4   // TYPE_BRANCH_COMMIT_RESULT
	TypeBranchRollback        TypeCode = 5   // TYPE_BRANCH_ROLLBACK
	TypeBranchRollbackResult  TypeCode = 6   // TYPE_BRANCH_ROLLBACK_RESULT
	TypeGlobalCommit          TypeCode = 7   // TYPE_GLOBAL_COMMIT
	TypeGlobalCommitResult    TypeCode = 8   // TYPE_GLOBAL_COMMIT_RESULT
	TypeGlobalRollback        TypeCode = 9   // TYPE_GLOBAL_ROLLBACK
	TypeGlobalRollbackResult  TypeCode = 10  // TYPE_GLOBAL_ROLLBACK_RESULT
	TypeBranchRegister        TypeCode = 11  // TYPE_BRANCH_REGISTER
	TypeBranchRegisterResult  TypeCode = 12  // TYPE_BRANCH_REGISTER_RESULT
	TypeBranchReport          TypeCode = 13  // TYPE_BRANCH_STATUS_REPORT
	TypeBranchReportResult    TypeCode = 14  // TYPE_BRANCH_STATUS_REPORT_RESULT
	TypeGlobalStatus          TypeCode = 15  // TYPE_GLOBAL_STATUS
	TypeGlobalStatusResult    TypeCode = 16  // TYPE_GLOBAL_STATUS_RESULT
	TypeGlobalReport          TypeCode = 17  // TYPE_GLOBAL_REPORT
	TypeGlobalReportResult    TypeCode = 18  // TYPE_GLOBAL_REPORT_RESULT
	TypeGlobalLockQuery       TypeCode = 21  // TYPE_GLOBAL_LOCK_QUERY
	TypeGlobalLockQueryResult TypeCode = 22  // TYPE_GLOBAL_LOCK_QUERY_RESULT
	TypeMergedRequest         TypeCode = 59  // TYPE_SEATA_MERGE
	TypeMergeResult           TypeCode = 60  // TYPE_SEATA_MERGE_RESULT
	TypeRegisterTM            TypeCode = 101 // TYPE_REG_CLT
	TypeRegisterTMResult      TypeCode = 102 // TYPE_REG_CLT_RESULT
	TypeRegisterRM            TypeCode = 103 // TYPE_REG_RM
	TypeRegisterRMResult      TypeCode = 104 // TYPE_REG_RM_RESULT
	TypeUndoLogDelete         TypeCode = 111 // TYPE_RM_DELETE_UNDOLOG
	TypeHeartbeat             TypeCode = 120 // TYPE_HEARTBEAT_MSG, frame level only
	TypeBatchResult           TypeCode = 121 // TYPE_BATCH_RESULT_MSG
)

// String returns the simple name of the Java class that carries the code.
func (t TypeCode) String() string {
	if t == TypeHeartbeat {
		return "HeartbeatMessage"
	}
	if t == TypeMergeResult {
		return "MergeResultMessage"
	}
	if name := protoBaseName(t); name != "" {
		return name
	}
	return "TypeCode(" + strconv.Itoa(int(t)) + ")"
}

// Merged reports whether the code belongs to a message that wraps others.
func (t TypeCode) Merged() bool {
	return t == TypeMergedRequest || t == TypeMergeResult || t == TypeBatchResult
}

// Codec is byte 10 of a frame: how the body is serialized.
type Codec uint8

// Seata SerializerType.java. Only SEATA and PROTOBUF bodies are read or written by this package. The Java source writes
// some values in hexadecimal (0x16, 0x32, ...); these are their decimal values.
const (
	CodecSeata     Codec = 1
	CodecProtobuf  Codec = 2
	CodecKryo      Codec = 4
	CodecFST       Codec = 8
	CodecHessian   Codec = 22
	CodecGRPC      Codec = 40
	CodecJackson   Codec = 50
	CodecFury      Codec = 86
	CodecFory      Codec = 87
	CodecFastjson2 Codec = 100
)

// String names the codec as in SerializerType.java.
func (c Codec) String() string {
	switch c {
	case CodecSeata:
		return "SEATA"
	case CodecProtobuf:
		return "PROTOBUF"
	case CodecKryo:
		return "KRYO"
	case CodecFST:
		return "FST"
	case CodecHessian:
		return "HESSIAN"
	case CodecGRPC:
		return "GRPC"
	case CodecJackson:
		return "JACKSON"
	case CodecFury:
		return "FURY"
	case CodecFory:
		return "FORY"
	case CodecFastjson2:
		return "FASTJSON2"
	}
	return "Codec(" + strconv.Itoa(int(c)) + ")"
}

// Supported reports whether this package reads and writes bodies of the codec.
func (c Codec) Supported() bool { return c == CodecSeata || c == CodecProtobuf }

// Compressor is byte 11 of a frame: how the serialized body is compressed.
type Compressor uint8

// Seata CompressorType.java.
const (
	CompressorNone     Compressor = 0
	CompressorGzip     Compressor = 1
	CompressorZip      Compressor = 2 // a zip archive with one entry
	CompressorSevenZ   Compressor = 3 // not supported
	CompressorBzip2    Compressor = 4
	CompressorLZ4      Compressor = 5 // lz4-java's LZ4Block stream, not the LZ4 frame format
	CompressorDeflater Compressor = 6 // a zlib stream
	CompressorZstd     Compressor = 7 // since 1.5
)

// String names the compressor as in CompressorType.java.
func (c Compressor) String() string {
	switch c {
	case CompressorNone:
		return "NONE"
	case CompressorGzip:
		return "GZIP"
	case CompressorZip:
		return "ZIP"
	case CompressorSevenZ:
		return "SEVENZ"
	case CompressorBzip2:
		return "BZIP2"
	case CompressorLZ4:
		return "LZ4"
	case CompressorDeflater:
		return "DEFLATER"
	case CompressorZstd:
		return "ZSTD"
	}
	return "Compressor(" + strconv.Itoa(int(c)) + ")"
}

// Supported reports whether this package compresses and decompresses with c.
func (c Compressor) Supported() bool { return c <= CompressorZstd && c != CompressorSevenZ }

// ResultCode tells whether a response reports success. Zero is Failed, as in Java's enum.
type ResultCode uint8

// Seata ResultCode.java.
const (
	Failed  ResultCode = 0
	Success ResultCode = 1
)

// String names the code as in ResultCode.java.
func (c ResultCode) String() string {
	switch c {
	case Failed:
		return "Failed"
	case Success:
		return "Success"
	}
	return "ResultCode(" + strconv.Itoa(int(c)) + ")"
}
