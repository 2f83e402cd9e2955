package seata

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeaderOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, wire string
		want       error
	}{
		{"no byte", "", ErrShort},
		{"half a magic", "da", ErrShort},
		{"magic only", "dada", ErrShort},
		{"lengths not complete", "dada01 000000", ErrShort},
		{"header not complete", "dada01 00000010 0010 03 01 00 000000", ErrShort},
		{"wrong first byte", "47", ErrMagic},
		{"wrong second byte", "da47", ErrMagic},
		{"HTTP", hex.EncodeToString([]byte("GET / HTTP/1.1")), ErrMagic},
		{"version 0", "dada00", ErrVersion0},
		{"version 2", "dada02", ErrVersion},
		{"negative length", "dada01 80000000", ErrLengths},
		{"length 15", "dada01 0000000f 000f 00 01 00 00000001", ErrLengths},
		{"length of 8 MiB + 1", "dada01 00800001", ErrFrameTooLarge},
		{"length of text", "dada01 20485454", ErrFrameTooLarge},
		{"head length 15", "dada01 00000010 000f 00 01 00 00000001", ErrLengths},
		{"head length 0", "dada01 00000010 0000 00 01 00 00000001", ErrLengths},
		{"head length negative", "dada01 00000010 ffff 00 01 00 00000001", ErrLengths},
		{"head beyond frame", "dada01 00000010 0011 00 01 00 00000001", ErrLengths},
		{"full length 0 only", "dada01 00000000 0010 00 01 00 00000001", ErrLengths},
	}
	for _, tt := range tests {
		wire := unhex(t, tt.wire)
		if _, err := ParseHeader(wire, 0); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
		frame, err := DecodeFrame(wire, DecodeOptions{})
		if !errors.Is(err, tt.want) || frame.Header.Len() != 0 {
			t.Errorf("%s: DecodeFrame %+v, error %v", tt.name, frame, err)
		}
	}
}

func TestFrameLimitIsInclusiveAndConfigurable(t *testing.T) {
	t.Parallel()
	if n, err := FrameLen(unhex(t, "dada01 00800000"), 0); n != FrameBytesMax || err != nil {
		t.Errorf("8 MiB: %d, %v", n, err)
	}
	if n, err := FrameLen(unhex(t, "dada01 00000100"), 256); n != 256 || err != nil {
		t.Errorf("256 of 256: %d, %v", n, err)
	}
	var large *FrameTooLargeError
	if _, err := FrameLen(unhex(t, "dada01 00000101"), 256); !errors.As(err, &large) || large.Length != 257 {
		t.Errorf("257 of 256: %v", err)
	}
}

func TestEmptyAnswerIsConsumedAsSixteenBytes(t *testing.T) {
	t.Parallel()
	wire := unhex(t, "dada01 00000000 0000 01 01 00 00001234")
	if got := AppendEmptyAnswer(nil, CodecSeata, 0x1234); !bytes.Equal(got, wire) {
		t.Errorf("append: %x", got)
	}
	if n, err := FrameLen(wire[:7], 0); n != HeaderBytes || err != nil {
		t.Errorf("length %d, %v", n, err)
	}
	next, err := AppendFrame(wire, Envelope{Codec: CodecSeata, ID: 5}, &Heartbeat{Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := DecodeFrame(next, DecodeOptions{})
	if err != nil || !frame.Header.Empty || frame.Header.ID != 0x1234 || frame.Header.Len() != 16 || frame.Message != nil {
		t.Errorf("frame %+v, %v", frame, err)
	}
	if _, err := ParseHeadMap(next, frame.Header); !errors.Is(err, ErrHeadMap) {
		t.Errorf("head map: %v", err)
	}
	frame, err = DecodeFrame(next[frame.Header.Len():], DecodeOptions{})
	if diff := cmp.Diff(&Heartbeat{Ping: true}, frame.Message); err != nil || diff != "" {
		t.Errorf("next frame: %v %s", err, diff)
	}
}

func TestFrameBehindEveryCutIsShort(t *testing.T) {
	t.Parallel()
	wire, err := AppendFrame(nil, Envelope{Codec: CodecSeata, ID: 5, HeadMap: []HeadEntry{{Key: "k", Null: true}}},
		&GlobalBeginRequest{TimeoutMillis: 1, TransactionName: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range wire {
		if _, err := DecodeFrame(wire[:n], DecodeOptions{}); !errors.Is(err, ErrShort) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if frame, err := DecodeFrame(append(wire, 1, 2, 3), DecodeOptions{}); err != nil || frame.Header.Len() != len(wire) {
		t.Errorf("whole frame and more: %+v, %v", frame.Header, err)
	}
}

func TestHeadMapBoundsAreChecked(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"00", "0001", "000161", "00016100", "00016100ff61", "7fff61", "ffff"} {
		b := unhex(t, head)
		wire := append(unhex(t, "dada01 00000000 0000 03 01 00 00000001"), b...)
		wire[6], wire[8] = byte(len(wire)), byte(len(wire))
		frame, err := DecodeFrame(wire, DecodeOptions{})
		if !errors.Is(err, ErrHeadMap) || frame.Header.ID != 1 {
			t.Errorf("%s: %+v, %v", head, frame, err)
		}
		if _, err := ParseHeadMap(wire, frame.Header); !errors.Is(err, ErrHeadMap) {
			t.Errorf("%s: parse: %v", head, err)
		}
	}
	long := HeadEntry{Key: "k", Value: strings.Repeat("v", 32740)}
	if _, err := AppendFrame(nil, Envelope{HeadMap: []HeadEntry{long}}, &Heartbeat{}); err != nil {
		t.Errorf("head map that just fits: %v", err)
	}
	for _, entries := range [][]HeadEntry{{long, long}, {{Key: strings.Repeat("k", 1<<16)}}} {
		if _, err := AppendFrame(nil, Envelope{HeadMap: entries}, &Heartbeat{}); !errors.Is(err, ErrStringTooLong) {
			t.Errorf("too long head map: %v", err)
		}
	}
}

func TestForeignCodecsAreNeverDecoded(t *testing.T) {
	t.Parallel()
	for codec := range 256 {
		c := Codec(codec)
		if c.Supported() {
			continue
		}
		wire := unhex(t, "dada01 00000012 0010 00 01 00 00000001 0001")
		wire[10] = byte(c)
		var unsupported *CodecError
		if _, err := DecodeFrame(wire, DecodeOptions{}); !errors.Is(err, ErrCodec) || !errors.As(err, &unsupported) ||
			unsupported.Codec != c {
			t.Errorf("%s: %v", c, err)
		}
		if out, err := AppendFrame(nil, Envelope{Codec: c}, &GlobalBeginRequest{}); !errors.Is(err, ErrCodec) || out != nil {
			t.Errorf("%s: append %x, %v", c, out, err)
		}
		wire = unhex(t, "dada01 00000010 0010 03 01 00 00000001")
		wire[10] = byte(c)
		if frame, err := DecodeFrame(wire, DecodeOptions{}); err != nil || frame.Message == nil {
			t.Errorf("%s: a PING does not depend on the codec: %v", c, err)
		}
	}
}

func TestBodyAndHeartbeatMustAgree(t *testing.T) {
	t.Parallel()
	wire := unhex(t, "dada01 00000010 0010 00 01 00 00000001")
	if _, err := DecodeFrame(wire, DecodeOptions{}); !errors.Is(err, ErrEmptyBody) {
		t.Errorf("request without body: %v", err)
	}
	for _, msg := range []Message{nil, &GlobalBeginRequest{}} {
		if out, err := AppendFrame(nil, Envelope{MsgType: HeartbeatRequest, Codec: CodecSeata}, msg); err == nil {
			t.Errorf("heartbeat frame with %v: %x", msg, out)
		}
	}
	if out, err := AppendFrame(nil, Envelope{Codec: CodecSeata}, nil); err == nil {
		t.Errorf("no message: %x", out)
	}
}

func TestFrameTooLargeIsNotWritten(t *testing.T) {
	t.Parallel()
	large := &BranchRegisterRequest{LockKey: strings.Repeat("k", FrameBytesMax-30)}
	merged := &MergedRequest{Messages: []Message{large, large, large}}
	dst := []byte("kept")
	for _, codec := range []Codec{CodecSeata, CodecProtobuf} {
		env := Envelope{Codec: codec, Version: MakeClientVersion(2, 2, 0)}
		for _, msg := range []Message{large, merged} {
			if out, err := AppendFrame(dst, env, msg); !errors.Is(err, ErrFrameTooLarge) || string(out) != "kept" {
				t.Errorf("%s %s: %d bytes, %v", codec, msg.TypeCode(), len(out), err)
			}
		}
		env.Compressor = CompressorZstd // what counts is the frame, not the body
		if out, err := AppendFrame(dst, env, large); err != nil || len(out) > 1<<16 {
			t.Errorf("%s compressed: %d bytes, %v", codec, len(out), err)
		}
	}
	large.LockKey = large.LockKey[1:]
	if out, err := AppendFrame(nil, Envelope{Codec: CodecSeata}, large); err != nil || len(out) != FrameBytesMax {
		t.Errorf("largest frame: %d bytes, %v", len(out), err)
	}
}

func TestReplyEchoesTheRequest(t *testing.T) {
	t.Parallel()
	request := Frame{Header: Header{Codec: CodecProtobuf, Compressor: CompressorGzip, ID: 77}, Package: ProtoPackageIO}
	got := request.Reply(MakeClientVersion(1, 8, 0))
	want := Envelope{MsgType: Response, Codec: CodecProtobuf, Compressor: CompressorGzip, ID: 77,
		Version: MakeClientVersion(1, 8, 0), Package: ProtoPackageIO}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
