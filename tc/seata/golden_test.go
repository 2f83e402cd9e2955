package seata

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// goldenCount is the number of entries of testdata/golden-frames.json.gz, which real Seata libraries wrote.
const goldenCount = 522

// goldenEntry is one message with the bytes that a Seata library made of it.
type goldenEntry struct {
	Name          string             `json:"name"`
	SeataVersion  string             `json:"seata_version"`
	CodecID       Codec              `json:"codec_id"`
	CompressorID  Compressor         `json:"compressor_id"`
	FrameVersion  int                `json:"frame_version"`
	MsgType       MessageType        `json:"msg_type"`
	RequestID     int32              `json:"request_id"`
	Message       string             `json:"message"`
	TypeCode      TypeCode           `json:"type_code"`
	HeadMap       map[string]*string `json:"head_map"`
	Fields        goldenFields       `json:"fields"`
	DecodedFields goldenFields       `json:"decoded_fields"` // where the library's decoder returns something else
	HexFrame      string             `json:"hex_frame"`
	HexBody       string             `json:"hex_body"`
	EncodeError   string             `json:"encode_error"`
	HexPartial    string             `json:"hex_partial"`
}

// loadGolden reads all entries.
func loadGolden(t testing.TB) []goldenEntry {
	t.Helper()
	file, err := os.Open("testdata/golden-frames.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries []goldenEntry
	if err := json.NewDecoder(plain).Decode(&entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != goldenCount {
		t.Fatalf("golden file has %d entries, want %d", len(entries), goldenCount)
	}
	return entries
}

// version returns the version of the library that wrote the entry.
func (e *goldenEntry) version(t testing.TB) ClientVersion {
	t.Helper()
	v, err := ParseClientVersion(e.SeataVersion)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// bytes decodes a hex text.
func (e *goldenEntry) bytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return b
}

// envelope returns the envelope with which the entry was written.
func (e *goldenEntry) envelope(t testing.TB) Envelope {
	t.Helper()
	return Envelope{MsgType: e.MsgType, Codec: e.CodecID, Compressor: e.CompressorID, ID: e.RequestID,
		Version: e.version(t), MsgBytesMax: 1 << 20}
}

// goldenFields has Java field names; int64 values are decimal strings, enums {name, code}.
type goldenFields map[string]any

func (f goldenFields) text(key string) string {
	s, _ := f[key].(string)
	return s
}

func (f goldenFields) int64(key string) int64 {
	switch v := f[key].(type) {
	case float64:
		return int64(v)
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	return 0
}

func (f goldenFields) enum(key string) (name string, code int, ok bool) {
	pair, ok := f[key].(map[string]any)
	if !ok {
		return "", 0, false
	}
	return pair["name"].(string), int(pair["code"].(float64)), true
}

func (f goldenFields) branchType() BranchType {
	name, code, _ := f.enum("branchType")
	if t := BranchType(code); name == "" || t.String() == name {
		return t
	}
	panic("branch type " + name)
}

func (f goldenFields) branchStatus(key string) BranchStatus {
	name, code, _ := f.enum(key)
	if s := BranchStatus(code); name == "" || s.String() == name {
		return s
	}
	panic("branch status " + name)
}

func (f goldenFields) globalStatus() GlobalStatus {
	name, code, ok := f.enum("globalStatus")
	if !ok {
		return GlobalStatusNull
	}
	if s := GlobalStatus(code); s.String() == name {
		return s
	}
	panic("global status " + name)
}

func (f goldenFields) result() Result {
	_, code, _ := f.enum("resultCode")
	r := Result{Code: ResultCode(code), Msg: f.text("msg")}
	name, _, ok := f.enum("transactionExceptionCode")
	if !ok {
		return r
	}
	name = strings.Replace(name, "Transcation", "Transaction", 1) // older spelling
	for c := ExceptionUnknown; c <= ExceptionBroken; c++ {
		if c.String() == name {
			r.Exception = c
			return r
		}
	}
	panic("exception code " + name)
}

func (f goldenFields) messages(key string) []Message {
	list, _ := f[key].([]any)
	messages := make([]Message, len(list))
	for i := range list {
		child := goldenFields(list[i].(map[string]any))
		messages[i] = child.message(child.text("_message"))
	}
	return messages
}

func (f goldenFields) ids() []int32 {
	list, _ := f["msgIds"].([]any)
	var ids []int32
	for _, id := range list {
		ids = append(ids, int32(id.(float64)))
	}
	return ids
}

// message builds the message that the fields describe.
func (f goldenFields) message(name string) Message {
	switch name {
	case "RegisterTMRequest":
		return &RegisterTMRequest{f.text("version"), f.text("applicationId"), f.text("transactionServiceGroup"),
			f.text("extraData")}
	case "RegisterRMRequest":
		return &RegisterRMRequest{f.text("version"), f.text("applicationId"), f.text("transactionServiceGroup"),
			f.text("extraData"), f.text("resourceIds")}
	case "RegisterTMResponse":
		return &RegisterTMResponse{f["identified"].(bool), f.text("version"), f.text("msg"), f.text("extraData")}
	case "RegisterRMResponse":
		return &RegisterRMResponse{f["identified"].(bool), f.text("version"), f.text("msg"), f.text("extraData")}
	case "GlobalBeginRequest":
		return &GlobalBeginRequest{int32(f.int64("timeout")), f.text("transactionName")}
	case "GlobalBeginResponse":
		return &GlobalBeginResponse{f.result(), f.text("xid"), f.text("extraData")}
	case "GlobalCommitRequest":
		return &GlobalCommitRequest{f.text("xid"), f.text("extraData")}
	case "GlobalRollbackRequest":
		return &GlobalRollbackRequest{f.text("xid"), f.text("extraData")}
	case "GlobalStatusRequest":
		return &GlobalStatusRequest{f.text("xid"), f.text("extraData")}
	case "GlobalReportRequest":
		return &GlobalReportRequest{f.text("xid"), f.text("extraData"), f.globalStatus()}
	case "GlobalCommitResponse":
		return &GlobalCommitResponse{f.result(), f.globalStatus()}
	case "GlobalRollbackResponse":
		return &GlobalRollbackResponse{f.result(), f.globalStatus()}
	case "GlobalStatusResponse":
		return &GlobalStatusResponse{f.result(), f.globalStatus()}
	case "GlobalReportResponse":
		return &GlobalReportResponse{f.result(), f.globalStatus()}
	case "HeartbeatMessage":
		return &Heartbeat{Ping: f["ping"].(bool)}
	case "UndoLogDeleteRequest":
		return &UndoLogDeleteRequest{f.branchType(), f.text("resourceId"), int16(f.int64("saveDays"))}
	case "MergedWarpMessage":
		return &MergedRequest{Messages: f.messages("msgs"), IDs: f.ids()}
	case "MergeResultMessage":
		return &MergeResult{Messages: f.messages("msgs")}
	case "BatchResultMessage":
		return &BatchResult{Messages: f.messages("resultMessages"), IDs: f.ids()}
	}
	return f.branchMessage(name)
}

// branchMessage is the second half of message.
func (f goldenFields) branchMessage(name string) Message {
	register := BranchRegisterRequest{f.text("xid"), f.branchType(), f.text("resourceId"), f.text("lockKey"),
		f.text("applicationData")}
	switch name {
	case "BranchRegisterRequest":
		return &register
	case "GlobalLockQueryRequest":
		query := GlobalLockQueryRequest(register)
		return &query
	case "BranchRegisterResponse":
		return &BranchRegisterResponse{f.result(), f.int64("branchId")}
	case "BranchReportRequest":
		return &BranchReportRequest{f.text("xid"), f.int64("branchId"), f.branchStatus("status"),
			f.text("resourceId"), f.text("applicationData"), f.branchType()}
	case "BranchReportResponse":
		return &BranchReportResponse{f.result()}
	case "GlobalLockQueryResponse":
		return &GlobalLockQueryResponse{f.result(), f["lockable"].(bool)}
	case "BranchCommitRequest":
		return &BranchCommitRequest{f.text("xid"), f.int64("branchId"), f.branchType(), f.text("resourceId"),
			f.text("applicationData")}
	case "BranchRollbackRequest":
		return &BranchRollbackRequest{f.text("xid"), f.int64("branchId"), f.branchType(), f.text("resourceId"),
			f.text("applicationData")}
	case "BranchCommitResponse":
		return &BranchCommitResponse{f.result(), f.text("xid"), f.int64("branchId"), f.branchStatus("branchStatus")}
	case "BranchRollbackResponse":
		return &BranchRollbackResponse{f.result(), f.text("xid"), f.int64("branchId"), f.branchStatus("branchStatus")}
	}
	panic(fmt.Sprintf("no message %q", name))
}
