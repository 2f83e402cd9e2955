package seata

// Message is the body of one frame. All implementations are pointers to structs of this package; absent strings are "",
// because null and empty cannot be told apart on the wire.
type Message interface {
	// TypeCode tells which message it is.
	TypeCode() TypeCode
}

// Result begins every transaction response. Its zero value is a failure for unknown reasons, so that an answer that
// somebody forgot to fill in never reads as success.
type Result struct {
	Code      ResultCode
	Exception ExceptionCode
	// Msg is the text of a failure; AppendFrame shortens it to Envelope.MsgBytesMax. PROTOBUF carries it in any case.
	Msg string
}

// Failed reports whether the request was not done.
func (r Result) Failed() bool { return r.Code == Failed }

// Succeeded returns the result of a request that was done.
func Succeeded() Result { return Result{Code: Success} }

// FailedWith returns the result of a request that was not done.
func FailedWith(code ExceptionCode, msg string) Result { return Result{Exception: code, Msg: msg} }

// Heartbeat is a PING or a PONG. It has no body and is built from the message type of the frame.
type Heartbeat struct{ Ping bool }

// RegisterTMRequest opens a connection in the role of transaction manager.
type RegisterTMRequest struct {
	Version                 string // of the client library, e.g. "1.8.0"; see ParseClientVersion
	ApplicationID           string
	TransactionServiceGroup string
	ExtraData               string // lines key=value, see ParseExtraData
}

// RegisterRMRequest opens a connection in the role of resource manager, or adds resources to one.
type RegisterRMRequest struct {
	Version                 string
	ApplicationID           string
	TransactionServiceGroup string
	ExtraData               string
	ResourceIDs             string // separated by commas; may be empty
}

// RegisterTMResponse answers RegisterTMRequest. The SEATA codec carries only Identified and Version.
type RegisterTMResponse struct {
	Identified bool
	Version    string // of the server
	Msg        string // PROTOBUF only
	ExtraData  string // PROTOBUF only
}

// RegisterRMResponse answers RegisterRMRequest. The SEATA codec carries only Identified and Version.
type RegisterRMResponse struct {
	Identified bool
	Version    string // of the server
	Msg        string // PROTOBUF only
	ExtraData  string // PROTOBUF only
}

// GlobalBeginRequest starts a global transaction.
type GlobalBeginRequest struct {
	TimeoutMillis   int32 // may be zero or negative: already expired
	TransactionName string
}

// GlobalBeginResponse answers GlobalBeginRequest.
type GlobalBeginResponse struct {
	Result
	XID       string
	ExtraData string
}

// GlobalCommitRequest asks to commit a global transaction.
type GlobalCommitRequest struct {
	XID       string
	ExtraData string
}

// GlobalRollbackRequest asks to roll back a global transaction.
type GlobalRollbackRequest struct {
	XID       string
	ExtraData string
}

// GlobalStatusRequest asks for the status of a global transaction. It may come on a connection of either role.
type GlobalStatusRequest struct {
	XID       string
	ExtraData string
}

// GlobalReportRequest tells the status of a saga that the client itself drives.
type GlobalReportRequest struct {
	XID       string
	ExtraData string
	Status    GlobalStatus // GlobalStatusNull if the client sent none
}

// GlobalCommitResponse answers GlobalCommitRequest. Java looks only at Status: it must be true even in a failure.
type GlobalCommitResponse struct {
	Result
	Status GlobalStatus
}

// GlobalRollbackResponse answers GlobalRollbackRequest. Java looks only at Status: it must be true even in a failure.
type GlobalRollbackResponse struct {
	Result
	Status GlobalStatus
}

// GlobalStatusResponse answers GlobalStatusRequest. Java looks only at Status.
type GlobalStatusResponse struct {
	Result
	Status GlobalStatus
}

// GlobalReportResponse answers GlobalReportRequest. Java looks only at Status.
type GlobalReportResponse struct {
	Result
	Status GlobalStatus
}

// BranchRegisterRequest adds a branch to a global transaction and locks its rows.
type BranchRegisterRequest struct {
	XID             string
	BranchType      BranchType
	ResourceID      string
	LockKey         string
	ApplicationData string
}

// BranchRegisterResponse answers BranchRegisterRequest.
type BranchRegisterResponse struct {
	Result
	BranchID int64
}

// BranchReportRequest tells the phase-one state of a branch. Its BranchType and ResourceID are not to be trusted.
type BranchReportRequest struct {
	XID             string
	BranchID        int64
	Status          BranchStatus
	ResourceID      string
	ApplicationData string
	BranchType      BranchType
}

// BranchReportResponse answers BranchReportRequest.
type BranchReportResponse struct{ Result }

// BranchCommitRequest asks a resource manager to commit a branch. Java stops reading at an empty XID or ResourceID.
type BranchCommitRequest struct {
	XID             string
	BranchID        int64
	BranchType      BranchType
	ResourceID      string
	ApplicationData string
}

// BranchRollbackRequest asks a resource manager to roll back a branch. Java stops reading at an empty XID or
// ResourceID.
type BranchRollbackRequest struct {
	XID             string
	BranchID        int64
	BranchType      BranchType
	ResourceID      string
	ApplicationData string
}

// BranchCommitResponse answers BranchCommitRequest. The status alone tells the outcome.
type BranchCommitResponse struct {
	Result
	XID      string
	BranchID int64
	Status   BranchStatus
}

// BranchRollbackResponse answers BranchRollbackRequest. The status alone tells the outcome.
type BranchRollbackResponse struct {
	Result
	XID      string
	BranchID int64
	Status   BranchStatus
}

// GlobalLockQueryRequest asks whether rows are free of locks of other transactions. XID may be empty.
type GlobalLockQueryRequest struct {
	XID             string
	BranchType      BranchType
	ResourceID      string
	LockKey         string
	ApplicationData string
}

// GlobalLockQueryResponse answers GlobalLockQueryRequest.
type GlobalLockQueryResponse struct {
	Result
	Lockable bool
}

// UndoLogDeleteRequest asks resource managers to delete old undo logs. It is never answered.
type UndoLogDeleteRequest struct {
	BranchType BranchType
	ResourceID string
	SaveDays   int16 // the SEATA decoder leaves 7 if ResourceID is empty, as Java does
}

// MergedRequest (Java: MergedWarpMessage) carries several requests. IDs are the request ids of the children in order;
// nil from clients before 1.5. Answer it with one MergeResult of the same order, count and frame id.
type MergedRequest struct {
	Messages []Message
	IDs      []int32
}

// MergeResult carries the answers to a MergedRequest, in its order.
type MergeResult struct{ Messages []Message }

// BatchResult (since 1.5) carries answers with the ids of their requests. It confuses clients from 1.5 to 2.2, which
// then forget unrelated requests; use MergeResult.
type BatchResult struct {
	Messages []Message
	IDs      []int32
}

// TypeCode implements Message.
func (*Heartbeat) TypeCode() TypeCode { return TypeHeartbeat }

// TypeCode implements Message.
func (*RegisterTMRequest) TypeCode() TypeCode { return TypeRegisterTM }

// TypeCode implements Message.
func (*RegisterRMRequest) TypeCode() TypeCode { return TypeRegisterRM }

// TypeCode implements Message.
func (*RegisterTMResponse) TypeCode() TypeCode { return TypeRegisterTMResult }

// TypeCode implements Message.
func (*RegisterRMResponse) TypeCode() TypeCode { return TypeRegisterRMResult }

// TypeCode implements Message.
func (*GlobalBeginRequest) TypeCode() TypeCode { return TypeGlobalBegin }

// TypeCode implements Message.
func (*GlobalBeginResponse) TypeCode() TypeCode { return TypeGlobalBeginResult }

// TypeCode implements Message.
func (*GlobalCommitRequest) TypeCode() TypeCode { return TypeGlobalCommit }

// TypeCode implements Message.
func (*GlobalRollbackRequest) TypeCode() TypeCode { return TypeGlobalRollback }

// TypeCode implements Message.
func (*GlobalStatusRequest) TypeCode() TypeCode { return TypeGlobalStatus }

// TypeCode implements Message.
func (*GlobalReportRequest) TypeCode() TypeCode { return TypeGlobalReport }

// TypeCode implements Message.
func (*GlobalCommitResponse) TypeCode() TypeCode { return TypeGlobalCommitResult }

// TypeCode implements Message.
func (*GlobalRollbackResponse) TypeCode() TypeCode { return TypeGlobalRollbackResult }

// TypeCode implements Message.
func (*GlobalStatusResponse) TypeCode() TypeCode { return TypeGlobalStatusResult }

// TypeCode implements Message.
func (*GlobalReportResponse) TypeCode() TypeCode { return TypeGlobalReportResult }

// TypeCode implements Message.
func (*BranchRegisterRequest) TypeCode() TypeCode { return TypeBranchRegister }

// TypeCode implements Message.
func (*BranchRegisterResponse) TypeCode() TypeCode { return TypeBranchRegisterResult }

// TypeCode implements Message.
func (*BranchReportRequest) TypeCode() TypeCode { return TypeBranchReport }

// TypeCode implements Message.
func (*BranchReportResponse) TypeCode() TypeCode { return TypeBranchReportResult }

// TypeCode implements Message.
func (*BranchCommitRequest) TypeCode() TypeCode { return TypeBranchCommit }

// TypeCode implements Message.
func (*BranchRollbackRequest) TypeCode() TypeCode { return TypeBranchRollback }

// TypeCode implements Message.
func (*BranchCommitResponse) TypeCode() TypeCode { return TypeBranchCommitResult }

// TypeCode implements Message.
func (*BranchRollbackResponse) TypeCode() TypeCode { return TypeBranchRollbackResult }

// TypeCode implements Message.
func (*GlobalLockQueryRequest) TypeCode() TypeCode { return TypeGlobalLockQuery }

// TypeCode implements Message.
func (*GlobalLockQueryResponse) TypeCode() TypeCode { return TypeGlobalLockQueryResult }

// TypeCode implements Message.
func (*UndoLogDeleteRequest) TypeCode() TypeCode { return TypeUndoLogDelete }

// TypeCode implements Message.
func (*MergedRequest) TypeCode() TypeCode { return TypeMergedRequest }

// TypeCode implements Message.
func (*MergeResult) TypeCode() TypeCode { return TypeMergeResult }

// TypeCode implements Message.
func (*BatchResult) TypeCode() TypeCode { return TypeBatchResult }

// NewFailure returns the failed answer to a request of the given type, or nil if none is due or none would be truthful.
// Commit and rollback have no default: a Java transaction manager ignores their result code and believes the status, so
// the caller must look it up, or send nothing and close the connection.
func NewFailure(request TypeCode, r Result) Message {
	r.Code = Failed
	switch request {
	case TypeGlobalBegin:
		return &GlobalBeginResponse{Result: r}
	case TypeGlobalStatus:
		return &GlobalStatusResponse{Result: r, Status: GlobalUnknown}
	case TypeGlobalReport:
		return &GlobalReportResponse{Result: r, Status: GlobalUnknown}
	case TypeBranchRegister:
		return &BranchRegisterResponse{Result: r}
	case TypeBranchReport:
		return &BranchReportResponse{Result: r}
	case TypeGlobalLockQuery:
		return &GlobalLockQueryResponse{Result: r}
	case TypeRegisterTM:
		return &RegisterTMResponse{Msg: r.Msg}
	case TypeRegisterRM:
		return &RegisterRMResponse{Msg: r.Msg}
	}
	return nil
}
