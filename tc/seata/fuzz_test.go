package seata

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzVersion is the version for which fuzzed messages are written again: one that can carry the most.
func fuzzVersion() ClientVersion { return MakeClientVersion(2, 6, 0) }

// addGoldenBodies seeds f with all golden bodies of one codec.
func addGoldenBodies(f *testing.F, codec Codec) {
	f.Helper()
	for _, e := range loadGolden(f) {
		if e.category() == goldenPlain && e.CodecID == codec && len(e.HexBody) > 0 && len(e.HexBody) < 4000 {
			f.Add(e.bytes(f, e.HexBody))
		}
	}
}

// checkStable asserts that what was decoded can be written, and that reading that gives the same message.
func checkStable(t *testing.T, codec Codec, pkg ProtoPackage, first Message) {
	t.Helper()
	env := Envelope{Codec: codec, Version: fuzzVersion(), Package: pkg, MsgBytesMax: 1 << 20}
	wire, err := AppendFrame(nil, env, first)
	if err != nil {
		if codec == CodecSeata {
			t.Fatalf("write what was read, %+v: %v", first, err)
		}
		return // PROTOBUF: for example too many children, or a branch status that is read but not written
	}
	frame, err := DecodeFrame(wire, DecodeOptions{Version: fuzzVersion()})
	if err != nil {
		t.Fatalf("read what was written of %+v: %v", first, err)
	}
	again, err := AppendFrame(nil, env, frame.Message)
	if err != nil {
		t.Fatalf("write again: %v", err)
	}
	if !bytes.Equal(again, wire) {
		t.Fatalf("written %x\nagain   %x\n%s", wire, again, cmp.Diff(first, frame.Message))
	}
}

func FuzzSeataBody(f *testing.F) {
	addGoldenBodies(f, CodecSeata)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, _, err := DecodeBody(Header{Codec: CodecSeata}, body, DecodeOptions{Version: fuzzVersion()})
		if (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
		if err == nil && !earlyStop(m) {
			checkStable(t, CodecSeata, ProtoPackageNone, m)
		}
	})
}

// earlyStop tells messages at whose empty fields a SEATA decoder stops: inside a merged message what follows is lost.
func earlyStop(m Message) bool {
	return m.TypeCode().Merged() && complete(m)
}

func FuzzProtobufBody(f *testing.F) {
	addGoldenBodies(f, CodecProtobuf)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, pkg, err := DecodeBody(Header{Codec: CodecProtobuf}, body, DecodeOptions{Version: fuzzVersion()})
		if (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
		if err == nil {
			checkStable(t, CodecProtobuf, pkg, m)
		}
	})
}

// FuzzFraming feeds a stream, whole and byte by byte.
func FuzzFraming(f *testing.F) {
	for _, e := range loadGolden(f) {
		if len(e.HexFrame) < 1000 {
			f.Add(e.bytes(f, e.HexFrame+e.HexPartial))
		}
	}
	f.Add(AppendEmptyAnswer(nil, CodecSeata, 1))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		options := DecodeOptions{FrameBytesMax: 1 << 16, BodyBytesMax: 1 << 16}
		_, wholeErr := ParseHeader(stream, options.FrameBytesMax)
		for n := range min(len(stream), HeaderBytes) {
			h, err := ParseHeader(stream[:n], options.FrameBytesMax)
			if err == nil || h != (Header{}) || err != ErrShort && wholeErr == nil {
				t.Fatalf("%d bytes: %+v, %v; whole: %v", n, h, err, wholeErr)
			}
		}
		for len(stream) > 0 {
			frame, err := DecodeFrame(stream, options)
			length := frame.Header.Len()
			if err == nil && (frame.Message == nil) != frame.Header.Empty {
				t.Fatalf("%+v", frame)
			}
			if length == 0 {
				return // short or refused
			}
			if length < HeaderBytes || length > len(stream) || length > options.FrameBytesMax {
				t.Fatalf("length %d of %d", length, len(stream))
			}
			if frame.Header.HeadLen > HeaderBytes {
				if _, headErr := ParseHeadMap(stream, frame.Header); headErr != nil && err == nil {
					t.Fatal(headErr)
				}
			}
			stream = stream[length:]
		}
	})
}

// fuzzDecompress checks that the cap holds, that errors are typed and that reused decompressors give the same.
func fuzzDecompress(f *testing.F, kind Compressor) {
	f.Helper()
	for _, e := range loadGolden(f) {
		if e.CompressorID == kind && e.EncodeError == "" {
			f.Add(e.bytes(f, e.HexBody))
		}
	}
	pools := new(Compressors)
	for _, body := range samples() {
		if len(body) > 2000 {
			continue
		}
		packed, err := pools.Compress(kind, body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const bytesMax = 1 << 18
		out, err := pools.Decompress(kind, packed, bytesMax)
		if len(out) > bytesMax || err != nil && out != nil {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		fresh, freshErr := (*Compressors)(nil).Decompress(kind, packed, bytesMax)
		if !bytes.Equal(out, fresh) || (err == nil) != (freshErr == nil) {
			t.Fatalf("reused %d bytes, %v; fresh %d bytes, %v", len(out), err, len(fresh), freshErr)
		}
		if err != nil {
			return
		}
		again, err := pools.Compress(kind, out)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := pools.Decompress(kind, again, bytesMax); err != nil || !bytes.Equal(back, out) {
			t.Fatalf("%d bytes, back %d: %v", len(out), len(back), err)
		}
	})
}

func FuzzGzip(f *testing.F)    { fuzzDecompress(f, CompressorGzip) }
func FuzzZstd(f *testing.F)    { fuzzDecompress(f, CompressorZstd) }
func FuzzLz4(f *testing.F)     { fuzzDecompress(f, CompressorLZ4) }
func FuzzDeflate(f *testing.F) { fuzzDecompress(f, CompressorDeflater) }
func FuzzBzip2(f *testing.F)   { fuzzDecompress(f, CompressorBzip2) }
func FuzzZip(f *testing.F)     { fuzzDecompress(f, CompressorZip) }
