package seata

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every golden entry falls into exactly one category; the counts are those of the golden file.
const (
	goldenPlain       = "v1, uncompressed"
	goldenCompressed  = "v1, compressed"
	goldenVersion0    = "v0"
	goldenUnencodable = "encode error"
)

func (e *goldenEntry) category() string {
	switch {
	case e.EncodeError != "":
		return goldenUnencodable
	case e.FrameVersion == 0:
		return goldenVersion0
	case e.CompressorID != CompressorNone:
		return goldenCompressed
	}
	return goldenPlain
}

// TestGoldenFramesAllChecked checks every entry according to its category and that none was left out.
func TestGoldenFramesAllChecked(t *testing.T) {
	t.Parallel()
	checked := map[string]int{}
	for _, e := range loadGolden(t) {
		category := e.category()
		switch category {
		case goldenPlain:
			checkGoldenDecode(t, &e)
			checkGoldenEncode(t, &e)
		case goldenCompressed:
			checkGoldenDecode(t, &e)
			checkGoldenRecompress(t, &e)
		case goldenVersion0:
			checkGoldenVersion0(t, &e)
		case goldenUnencodable:
			checkGoldenUnencodable(t, &e)
		}
		checked[category]++
	}
	want := map[string]int{goldenPlain: 406, goldenCompressed: 12, goldenVersion0: 76, goldenUnencodable: 28}
	if diff := cmp.Diff(want, checked); diff != "" {
		t.Errorf("entries checked by category (-want +got):\n%s", diff)
	}
}

// goldenDecoded is what our decoder must return for an entry.
func goldenDecoded(e *goldenEntry) Message {
	fields := e.Fields
	if e.DecodedFields != nil {
		fields = e.DecodedFields
	}
	want := fields.message(e.Message)
	if e.CodecID != CodecSeata || !strings.HasSuffix(e.Name, "Response/null-version") {
		return want
	}
	// Nothing is on the wire. Java's decoder leaves its own version, which the constructor has set; ours leaves "".
	switch m := want.(type) {
	case *RegisterTMResponse:
		m.Version = ""
	case *RegisterRMResponse:
		m.Version = ""
	}
	return want
}

func checkGoldenDecode(t *testing.T, e *goldenEntry) {
	t.Helper()
	wire := e.bytes(t, e.HexFrame)
	frame, err := DecodeFrame(wire, DecodeOptions{Version: e.version(t)})
	if err != nil {
		t.Errorf("%s: decode: %v", e.Name, err)
		return
	}
	if diff := cmp.Diff(goldenDecoded(e), frame.Message); diff != "" {
		t.Errorf("%s: decoded (-want +got):\n%s", e.Name, diff)
	}
	h := frame.Header
	if h.Len() != len(wire) || h.MsgType != e.MsgType || h.Codec != e.CodecID || h.Compressor != e.CompressorID ||
		h.ID != e.RequestID || frame.Message.TypeCode() != e.TypeCode || h.BodyLen() != len(e.HexBody)/2 {
		t.Errorf("%s: header %+v", e.Name, h)
	}
	if want := packageFor(e.version(t)); e.CodecID == CodecProtobuf && e.MsgType < 3 && frame.Package != want {
		t.Errorf("%s: package %s, want %s", e.Name, frame.Package, want)
	}
	entries, err := ParseHeadMap(wire, h)
	if err != nil || len(entries) != len(e.HeadMap) {
		t.Errorf("%s: head map %v, error %v", e.Name, entries, err)
	}
	for _, entry := range entries {
		want, ok := e.HeadMap[entry.Key]
		if !ok || (want == nil) != entry.Null || want != nil && *want != entry.Value {
			t.Errorf("%s: head map entry %+v", e.Name, entry)
		}
	}
	// The buffer may be reused: nothing decoded may refer to it.
	for i := range wire {
		wire[i] = 0xEE
	}
	if diff := cmp.Diff(goldenDecoded(e), frame.Message); diff != "" {
		t.Errorf("%s: message refers to the input:\n%s", e.Name, diff)
	}
}

func checkGoldenEncode(t *testing.T, e *goldenEntry) {
	t.Helper()
	want := e.bytes(t, e.HexFrame)
	env := e.envelope(t)
	if len(e.HeadMap) > 0 {
		h, err := ParseHeader(want, 0)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if env.HeadMap, err = ParseHeadMap(want, h); err != nil { // the order is that of Java's hash map
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	msg := e.Fields.message(e.Message)
	prefix := []byte("kept")
	got, err := AppendFrame(prefix, env, msg)
	if err != nil {
		t.Errorf("%s: encode: %v", e.Name, err)
		return
	}
	if !bytes.Equal(got[:4], prefix) || !bytes.Equal(got[4:], want) {
		t.Errorf("%s: encoded\n got %x\nwant %x", e.Name, got[4:], want)
	}
}

func checkGoldenRecompress(t *testing.T, e *goldenEntry) {
	t.Helper()
	wire, err := AppendFrame(nil, e.envelope(t), e.Fields.message(e.Message))
	if err != nil {
		t.Errorf("%s: encode: %v", e.Name, err)
		return
	}
	frame, err := DecodeFrame(wire, DecodeOptions{})
	if err != nil {
		t.Errorf("%s: decode own frame: %v", e.Name, err)
	}
	if diff := cmp.Diff(goldenDecoded(e), frame.Message); diff != "" {
		t.Errorf("%s: decoded from own frame (-want +got):\n%s", e.Name, diff)
	}
}

// checkGoldenVersion0 expects the frame to be recognised, and as an extra reads its body, which lacks only the type
// code.
func checkGoldenVersion0(t *testing.T, e *goldenEntry) {
	t.Helper()
	wire := e.bytes(t, e.HexFrame)
	for n := 3; n <= len(wire); n++ {
		if _, err := ParseHeader(wire[:n], 0); !errors.Is(err, ErrVersion0) {
			t.Fatalf("%s: %d bytes: %v", e.Name, n, err)
		}
	}
	if _, err := DecodeFrame(wire, DecodeOptions{}); !errors.Is(err, ErrVersion0) {
		t.Errorf("%s: %v", e.Name, err)
	}
	if e.TypeCode == TypeHeartbeat {
		return
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(e.TypeCode))
	body = append(body, e.bytes(t, e.HexBody)...)
	got, err := decodeSeata(body, e.version(t))
	if err != nil {
		t.Errorf("%s: decode body: %v", e.Name, err)
	}
	if diff := cmp.Diff(goldenDecoded(e), got); diff != "" {
		t.Errorf("%s: decoded body (-want +got):\n%s", e.Name, diff)
	}
}

// checkGoldenUnencodable expects an error where no honest form exists, else the documented nearest form. The partial
// bytes that the library wrote nevertheless must never decode to a message.
func checkGoldenUnencodable(t *testing.T, e *goldenEntry) {
	t.Helper()
	partial := e.bytes(t, e.HexPartial)
	if frame, err := DecodeFrame(partial, DecodeOptions{}); err == nil || frame.Message != nil {
		t.Errorf("%s: partial frame decoded to %v", e.Name, frame.Message)
	}
	msg := e.Fields.message(e.Message)
	before := []byte("kept")
	got, err := AppendFrame(before, e.envelope(t), msg)
	wantErr, wantMsg := goldenNearest(e, msg)
	if wantErr != nil {
		if !errors.Is(err, wantErr) || !bytes.Equal(got, before) {
			t.Errorf("%s: error %v, want %v; bytes %x", e.Name, err, wantErr, got)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", e.Name, err)
		return
	}
	frame, err := DecodeFrame(got[len(before):], DecodeOptions{Version: e.version(t)})
	if err != nil {
		t.Errorf("%s: decode own frame: %v", e.Name, err)
	}
	if diff := cmp.Diff(wantMsg, frame.Message); diff != "" {
		t.Errorf("%s: nearest form (-want +got):\n%s", e.Name, diff)
	}
}

// goldenNearest tells what encoding an impossible message gives: an error, or the message that the peer then reads.
func goldenNearest(e *goldenEntry, msg Message) (error, Message) {
	switch {
	case strings.Contains(e.Name, "/Compressor-3/"):
		return ErrCompressor, nil
	case strings.Contains(e.Name, "/XA"):
		return ErrNotEncodable, nil
	}
	switch m := msg.(type) {
	case *GlobalBeginResponse: // BeginFailed
		m.Exception = ExceptionUnknown
	case *GlobalStatusResponse:
		if m.Status == GlobalCommitRetryTimeout {
			m.Status = GlobalCommitFailed
		} else {
			m.Status = GlobalRollbackFailed
		}
	case *BranchRegisterResponse:
		if m.Exception == ExceptionLockKeyConflictFailFast {
			m.Exception = ExceptionLockKeyConflict
		} else {
			m.Exception = ExceptionUnknown
		}
	case *BranchCommitResponse:
		m.Status = BranchCommitFailedRetryable
	case *BranchRollbackResponse:
		m.Status = BranchRollbackFailedRetryable
	}
	// The rest is null strings, which are empty ones for us, and BranchStatus Unknown, which is BUnknown with the same
	// number, and ZSTD for 1.4.
	return nil, msg
}

// TestWorkedFrames checks the frames that the protocol notes spell out.
func TestWorkedFrames(t *testing.T) {
	t.Parallel()
	v18 := MakeClientVersion(1, 8, 0)
	v22 := MakeClientVersion(2, 2, 0)
	conflict := &BranchRegisterResponse{Result: FailedWith(ExceptionLockKeyConflictFailFast, "e")}
	response := Envelope{MsgType: Response, Codec: CodecSeata, ID: 0x69, Version: v18}
	tests := []struct {
		name string
		env  Envelope
		msg  Message
		want string
	}{
		{"B", response, &RegisterTMResponse{Identified: true, Version: "1.8.0"},
			"dada010000001a001001010000000069" + "0066010005312e382e30"},
		{"D failed", response, &GlobalBeginResponse{},
			"dada010000001a001001010000000069" + "0002" + "00" + "0000" + "00" + "0000" + "0000"},
		{"F 1.8", response, conflict, "dada010000001f001001010000000069" + "000c00000165130000000000000000"},
		{"F 2.2", Envelope{MsgType: Response, Codec: CodecSeata, ID: 0x69, Version: v22}, conflict,
			"dada010000001f001001010000000069" + "000c00000165140000000000000000"},
		{"F unknown version", Envelope{MsgType: Response, Codec: CodecSeata, ID: 0x69}, conflict,
			"dada010000001f001001010000000069" + "000c00000165020000000000000000"},
		{"PONG", Envelope{Codec: CodecSeata, ID: 0xc8}, &Heartbeat{}, "dada0100000010001004" + "0100000000c8"},
	}
	for _, tt := range tests {
		got, err := AppendFrame(nil, tt.env, tt.msg)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if hex.EncodeToString(got) != tt.want {
			t.Errorf("%s:\n got %x\nwant %s", tt.name, got, tt.want)
		}
	}
}
