package seata

import (
	"archive/zip"
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

// supportedCompressors lists all but NONE and SEVENZ.
func supportedCompressors() []Compressor {
	return []Compressor{CompressorGzip, CompressorZip, CompressorBzip2, CompressorLZ4, CompressorDeflater, CompressorZstd}
}

// samples returns bodies of many sizes, both compressible and not.
func samples() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for _, n := range []int{0, 1, 15, 16, 17, 100, 1 << 10, 1<<16 - 1, 1 << 16, 1<<16 + 1, 150_000} {
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		out = append(out, noise, bytes.Repeat([]byte("compress-me-"), n/12+1)[:n])
	}
	return out
}

func TestCompressorsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, kind := range append(supportedCompressors(), CompressorNone) {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			var none *Compressors
			for _, c := range []*Compressors{none, new(Compressors)} {
				for _, body := range samples() {
					packed, err := c.Compress(kind, body)
					if err != nil {
						t.Fatal(err)
					}
					got, err := c.Decompress(kind, packed, len(body))
					if err != nil || !bytes.Equal(got, body) {
						t.Fatalf("%d bytes: %d, %v", len(body), len(got), err)
					}
					if len(body) == 0 {
						continue
					}
					if _, err := c.Decompress(kind, packed, len(body)-1); !errors.Is(err, ErrBodyTooLarge) {
						t.Fatalf("%d bytes, one less allowed: %v", len(body), err)
					}
				}
			}
		})
	}
}

func TestCompressorsAreReusableAfterErrors(t *testing.T) {
	t.Parallel()
	body := samples()[9]
	for _, kind := range supportedCompressors() {
		c := new(Compressors)
		packed, err := c.Compress(kind, body)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := range 10 {
					n := (i*37 + worker) % len(packed)
					cutMayBeWhole := kind == CompressorZstd || kind == CompressorZip // empty, or without the directory
					if _, err := c.Decompress(kind, packed[:n], 1<<20); err == nil && !cutMayBeWhole {
						t.Errorf("%s: %d of %d bytes are enough", kind, n, len(packed))
					}
					if out, err := c.Decompress(kind, packed, 1<<20); err != nil || !bytes.Equal(out, body) {
						t.Errorf("%s: %d, %v", kind, len(out), err)
					}
				}
			})
		}
		group.Wait()
	}
}

func TestCorruptStreamsAreTyped(t *testing.T) {
	t.Parallel()
	for _, kind := range supportedCompressors() {
		for _, junk := range []string{"x", "no such stream, and long enough for every header there is", "PK\x03\x04"} {
			if _, err := new(Compressors).Decompress(kind, []byte(junk), 100); !errors.Is(err, ErrCompressed) {
				t.Errorf("%s %q: %v", kind, junk, err)
			}
		}
	}
	for _, kind := range []Compressor{CompressorSevenZ, 8, 255} {
		var unsupported *CompressorError
		c := new(Compressors)
		if _, err := c.Decompress(kind, []byte("x"), 100); !errors.Is(err, ErrCompressor) || !errors.As(err, &unsupported) {
			t.Errorf("decompress %s: %v", kind, err)
		}
		if _, err := c.Compress(kind, nil); !errors.Is(err, ErrCompressor) {
			t.Errorf("compress %s: %v", kind, err)
		}
		env := Envelope{Codec: CodecSeata, Compressor: kind}
		if _, err := AppendFrame(nil, env, &GlobalBeginRequest{}); !errors.Is(err, ErrCompressor) {
			t.Errorf("append %s: %v", kind, err)
		}
	}
}

// TestBombsAreCapped decompresses what would be just more than the cap.
func TestBombsAreCapped(t *testing.T) {
	t.Parallel()
	bomb := make([]byte, BodyBytesMax+1)
	for _, kind := range supportedCompressors() {
		packed, err := new(Compressors).Compress(kind, bomb)
		if err != nil {
			t.Fatal(err)
		}
		wire := append(unhex(t, "dada01 00000000 0010 00 01 00 00000001"), packed...)
		wire[3], wire[4], wire[5], wire[6] = 0, byte(len(wire)>>16), byte(len(wire)>>8), byte(len(wire))
		wire[11] = byte(kind)
		if _, err := DecodeFrame(wire, DecodeOptions{}); !errors.Is(err, ErrBodyTooLarge) {
			t.Errorf("%s, %d bytes: %v", kind, len(wire), err)
		}
		if _, err := DecodeFrame(wire, DecodeOptions{BodyBytesMax: 1000}); !errors.Is(err, ErrBodyTooLarge) {
			t.Errorf("%s, small cap: %v", kind, err)
		}
	}
}

func TestBzip2WithAndWithoutMagic(t *testing.T) {
	t.Parallel()
	packed, err := new(Compressors).Compress(CompressorBzip2, []byte("body"))
	if err != nil || packed[0] != 'h' {
		t.Fatalf("%q, %v", packed, err)
	}
	for _, stream := range [][]byte{packed, append([]byte("BZ"), packed...)} {
		if out, err := new(Compressors).Decompress(CompressorBzip2, stream, 100); err != nil || string(out) != "body" {
			t.Errorf("%q: %q, %v", stream, out, err)
		}
	}
}

func TestZipEntriesOfOtherWriters(t *testing.T) {
	t.Parallel()
	body := []byte("body body body body")
	for _, method := range []uint16{zip.Deflate, zip.Store} {
		var archive bytes.Buffer
		w := zip.NewWriter(&archive)
		header := &zip.FileHeader{Name: "anything", Method: method}
		entry, err := w.CreateHeader(header) // with a data descriptor, as Java
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		out, err := new(Compressors).Decompress(CompressorZip, archive.Bytes(), 100)
		if method == zip.Deflate && (err != nil || !bytes.Equal(out, body)) {
			t.Errorf("deflated: %q, %v", out, err)
		}
		// The end of a stored entry cannot be found from the front; Java refuses it too.
		if method == zip.Store && !errors.Is(err, ErrCompressed) {
			t.Errorf("stored with descriptor: %q, %v", out, err)
		}
	}
	archive, err := new(Compressors).Compress(CompressorZip, body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(r.File) != 1 || r.File[0].Name != "zip" {
		t.Errorf("our archive: %v", err)
	}
	archive[14]++ // checksum
	if _, err := new(Compressors).Decompress(CompressorZip, archive, 100); !errors.Is(err, ErrCompressed) {
		t.Errorf("wrong checksum: %v", err)
	}
}

func TestXXH32(t *testing.T) {
	t.Parallel()
	// Vectors of the xxHash specification's reference implementation.
	for text, want := range map[string]uint32{"": 0x02CC5D05, "a": 0x550d7456, "abc": 0x32D153FF,
		"Nobody inspects the spammish repetition": 0xE2293B2F} {
		if got := xxh32([]byte(text), 0); got != want {
			t.Errorf("%q: %08x, want %08x", text, got, want)
		}
	}
}
