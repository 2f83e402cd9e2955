package seata

import "bytes"

// PROTOBUF bodies begin with int32 n and n bytes of full message name; Any values name their type by URL.
const (
	protoSuffix    = "Proto"
	protoURLPrefix = "type.googleapis.com/"
	protoPrefixIO  = "io.seata.protocol.protobuf."
	protoPrefixASF = "org.apache.seata.protocol.protobuf."
)

// protoBaseName returns the PROTOBUF message name of a type without package and suffix, or "" if there is none.
func protoBaseName(t TypeCode) string {
	switch t {
	case TypeGlobalBegin:
		return "GlobalBeginRequest"
	case TypeGlobalBeginResult:
		return "GlobalBeginResponse"
	case TypeBranchCommit:
		return "BranchCommitRequest"
	case TypeBranchCommitResult:
		return "BranchCommitResponse"
	case TypeBranchRollback:
		return "BranchRollbackRequest"
	case TypeBranchRollbackResult:
		return "BranchRollbackResponse"
	case TypeGlobalCommit:
		return "GlobalCommitRequest"
	case TypeGlobalCommitResult:
		return "GlobalCommitResponse"
	case TypeGlobalRollback:
		return "GlobalRollbackRequest"
	case TypeGlobalRollbackResult:
		return "GlobalRollbackResponse"
	case TypeBranchRegister:
		return "BranchRegisterRequest"
	case TypeBranchRegisterResult:
		return "BranchRegisterResponse"
	case TypeBranchReport:
		return "BranchReportRequest"
	case TypeBranchReportResult:
		return "BranchReportResponse"
	case TypeGlobalStatus:
		return "GlobalStatusRequest"
	case TypeGlobalStatusResult:
		return "GlobalStatusResponse"
	case TypeGlobalReport:
		return "GlobalReportRequest"
	case TypeGlobalReportResult:
		return "GlobalReportResponse"
	case TypeGlobalLockQuery:
		return "GlobalLockQueryRequest"
	case TypeGlobalLockQueryResult:
		return "GlobalLockQueryResponse"
	case TypeMergedRequest:
		return "MergedWarpMessage"
	case TypeMergeResult:
		return "MergedResultMessage" // sic: the Java class is MergeResultMessage
	case TypeRegisterTM:
		return "RegisterTMRequest"
	case TypeRegisterTMResult:
		return "RegisterTMResponse"
	case TypeRegisterRM:
		return "RegisterRMRequest"
	case TypeRegisterRMResult:
		return "RegisterRMResponse"
	case TypeUndoLogDelete:
		return "UndoLogDeleteRequest"
	case TypeBatchResult:
		return "BatchResultMessage"
	}
	return ""
}

// typeOfProtoBase is the reverse of protoBaseName, or 0.
func typeOfProtoBase(name []byte) TypeCode {
	switch string(name) { // does not allocate
	case "GlobalBeginRequest":
		return TypeGlobalBegin
	case "GlobalBeginResponse":
		return TypeGlobalBeginResult
	case "BranchCommitRequest":
		return TypeBranchCommit
	case "BranchCommitResponse":
		return TypeBranchCommitResult
	case "BranchRollbackRequest":
		return TypeBranchRollback
	case "BranchRollbackResponse":
		return TypeBranchRollbackResult
	case "GlobalCommitRequest":
		return TypeGlobalCommit
	case "GlobalCommitResponse":
		return TypeGlobalCommitResult
	case "GlobalRollbackRequest":
		return TypeGlobalRollback
	case "GlobalRollbackResponse":
		return TypeGlobalRollbackResult
	case "BranchRegisterRequest":
		return TypeBranchRegister
	case "BranchRegisterResponse":
		return TypeBranchRegisterResult
	case "BranchReportRequest":
		return TypeBranchReport
	case "BranchReportResponse":
		return TypeBranchReportResult
	case "GlobalStatusRequest":
		return TypeGlobalStatus
	case "GlobalStatusResponse":
		return TypeGlobalStatusResult
	case "GlobalReportRequest":
		return TypeGlobalReport
	case "GlobalReportResponse":
		return TypeGlobalReportResult
	case "GlobalLockQueryRequest":
		return TypeGlobalLockQuery
	case "GlobalLockQueryResponse":
		return TypeGlobalLockQueryResult
	case "MergedWarpMessage":
		return TypeMergedRequest
	case "MergedResultMessage":
		return TypeMergeResult
	case "RegisterTMRequest":
		return TypeRegisterTM
	case "RegisterTMResponse":
		return TypeRegisterTMResult
	case "RegisterRMRequest":
		return TypeRegisterRM
	case "RegisterRMResponse":
		return TypeRegisterRMResult
	case "UndoLogDeleteRequest":
		return TypeUndoLogDelete
	case "BatchResultMessage":
		return TypeBatchResult
	}
	return 0
}

// parseProtoName takes a full message name apart; ok is false if it is not one of ours.
func parseProtoName(name []byte) (code TypeCode, pkg ProtoPackage, ok bool) {
	base, found := bytes.CutPrefix(name, []byte(protoPrefixASF))
	if found {
		pkg = ProtoPackageApache
	} else if base, found = bytes.CutPrefix(name, []byte(protoPrefixIO)); found {
		pkg = ProtoPackageIO
	} else {
		return 0, ProtoPackageNone, false
	}
	if base, found = bytes.CutSuffix(base, []byte(protoSuffix)); !found {
		return 0, ProtoPackageNone, false
	}
	code = typeOfProtoBase(base)
	return code, pkg, code != 0
}

// prefix returns the package with its dot, or "" for none.
func (p ProtoPackage) prefix() string {
	switch p {
	case ProtoPackageIO:
		return protoPrefixIO
	case ProtoPackageApache:
		return protoPrefixASF
	}
	return ""
}

// packageFor returns the package that a client of version v speaks, or none if it is unknown.
func packageFor(v ClientVersion) ProtoPackage {
	switch {
	case v.AtLeast(2, 1):
		return ProtoPackageApache
	case v.Known():
		return ProtoPackageIO
	}
	return ProtoPackageNone
}
