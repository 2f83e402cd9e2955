package seata

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	bzip2writer "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Compressors compresses and decompresses bodies and keeps the costly working memory for reuse. One value serves any
// number of goroutines and must not be copied. A nil *Compressors works too, without reuse.
type Compressors struct {
	readers, writers [CompressorZstd + 1]sync.Pool
}

// zstdWindowMax bounds the window that a zstd frame may ask for; Java's encoder at its default level uses 2 MiB. The
// decoder wants its output limit to be no less, so that a smaller cap is checked only afterwards.
const zstdWindowMax = 8 << 20

// Compress returns the compressed form of body in new memory.
func (c *Compressors) Compress(kind Compressor, body []byte) ([]byte, error) {
	var out []byte
	var err error
	switch kind {
	case CompressorNone:
		return bytes.Clone(body), nil
	case CompressorGzip, CompressorDeflater:
		out, err = c.writeStream(kind, body)
	case CompressorBzip2:
		out, err = c.writeBzip2(body)
	case CompressorZip:
		out, err = c.writeZip(body)
	case CompressorLZ4:
		out, err = writeLZ4(body)
	case CompressorZstd:
		out, err = c.writeZstd(body)
	default:
		return nil, &CompressorError{Compressor: kind}
	}
	if err != nil {
		return nil, fmt.Errorf("compress body with %s: %w", kind, err)
	}
	return out, nil
}

// Decompress returns the decompressed form of packed in new memory. A result above bytesMax is ErrBodyTooLarge, bytes
// that are no such stream are ErrCompressed. Memory is bounded by bytesMax and a constant of a few MiB.
func (c *Compressors) Decompress(kind Compressor, packed []byte, bytesMax int) ([]byte, error) {
	var out []byte
	var err error
	switch kind {
	case CompressorNone:
		out = bytes.Clone(packed)
	case CompressorGzip, CompressorDeflater:
		out, err = c.readStream(kind, bytes.NewReader(packed), bytesMax)
	case CompressorBzip2:
		out, err = readBzip2(packed, bytesMax)
	case CompressorZip:
		out, err = c.readZip(packed, bytesMax)
	case CompressorLZ4:
		out, err = readLZ4(packed, bytesMax)
	case CompressorZstd:
		out, err = c.readZstd(packed, bytesMax)
	default:
		return nil, &CompressorError{Compressor: kind}
	}
	if err == nil && len(out) > bytesMax {
		err = ErrBodyTooLarge
	}
	if err != nil {
		if !errors.Is(err, ErrBodyTooLarge) {
			err = fmt.Errorf("%w: %w", ErrCompressed, err)
		}
		return nil, fmt.Errorf("decompress %s body: %w", kind, err)
	}
	return out, nil
}

// reader takes a used reader of a kind out of its pool, or nil.
func (c *Compressors) reader(kind Compressor) any {
	if c == nil {
		return nil
	}
	return c.readers[kind].Get()
}

// writer takes a used writer of a kind out of its pool, or nil.
func (c *Compressors) writer(kind Compressor) any {
	if c == nil {
		return nil
	}
	return c.writers[kind].Get()
}

// keepReader gives a reader back. What is in a pool is reset before each use, whatever state it is in.
func (c *Compressors) keepReader(kind Compressor, v any) {
	if c != nil {
		c.readers[kind].Put(v)
	}
}

// keepWriter gives a writer back, as keepReader does.
func (c *Compressors) keepWriter(kind Compressor, v any) {
	if c != nil {
		c.writers[kind].Put(v)
	}
}

// streamWriter is what the encoders of gzip, zlib and raw deflate have in common.
type streamWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// writeStream compresses with gzip, zlib (DEFLATER) or raw deflate (ZIP).
func (c *Compressors) writeStream(kind Compressor, body []byte) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(body)/2+64))
	w, _ := c.writer(kind).(streamWriter)
	if w == nil {
		switch kind {
		case CompressorGzip:
			w = gzip.NewWriter(nil)
		case CompressorDeflater:
			w = zlib.NewWriter(nil)
		default:
			raw, err := flate.NewWriter(nil, flate.DefaultCompression)
			if err != nil {
				return nil, err
			}
			w = raw
		}
	}
	defer c.keepWriter(kind, w)
	w.Reset(out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// bzip2Magic begins every bzip2 file, but not the bodies of Seata: its BZip2Util.java uses Ant's CBZip2OutputStream,
// which leaves the two letters to its caller, and CBZip2InputStream refuses them.
const bzip2Magic = "BZ"

// writeBzip2 uses the smallest block size: bodies are small and the working memory grows with the blocks.
func (c *Compressors) writeBzip2(body []byte) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(body)/2+64))
	w, _ := c.writer(CompressorBzip2).(*bzip2writer.Writer)
	if w == nil {
		var err error
		if w, err = bzip2writer.NewWriter(nil, &bzip2writer.WriterConfig{Level: bzip2writer.BestSpeed}); err != nil {
			return nil, err
		}
	}
	defer c.keepWriter(CompressorBzip2, w)
	if err := w.Reset(out); err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.TrimPrefix(out.Bytes(), []byte(bzip2Magic)), nil
}

// readBzip2 reads streams with and without the magic.
func readBzip2(packed []byte, bytesMax int) ([]byte, error) {
	source := io.Reader(bytes.NewReader(packed))
	if !bytes.HasPrefix(packed, []byte(bzip2Magic)) {
		source = io.MultiReader(strings.NewReader(bzip2Magic), source)
	}
	return readCapped(bzip2.NewReader(source), bytesMax, len(packed))
}

// readStream decompresses gzip, zlib (DEFLATER) or raw deflate (ZIP). It reads no byte of packed beyond the end of
// a raw deflate stream.
func (c *Compressors) readStream(kind Compressor, packed *bytes.Reader, bytesMax int) ([]byte, error) {
	r, err := c.openStream(kind, packed)
	if r != nil {
		defer c.keepReader(kind, r)
	}
	if err != nil {
		return nil, err
	}
	return readCapped(r, bytesMax, packed.Len())
}

// openStream may return a reader along with an error: it is still good for another Reset.
func (c *Compressors) openStream(kind Compressor, packed *bytes.Reader) (io.Reader, error) {
	used := c.reader(kind)
	switch kind {
	case CompressorGzip:
		r, _ := used.(*gzip.Reader)
		if r == nil {
			r = new(gzip.Reader)
		}
		return r, r.Reset(packed)
	case CompressorDeflater:
		if r, ok := used.(zlib.Resetter); ok {
			return used.(io.Reader), r.Reset(packed, nil)
		}
		r, err := zlib.NewReader(packed)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	if r, ok := used.(flate.Resetter); ok {
		return used.(io.Reader), r.Reset(packed, nil)
	}
	return flate.NewReader(packed), nil
}

// readCapped reads r to its end, or to the first byte above bytesMax.
func readCapped(r io.Reader, bytesMax, packedLen int) ([]byte, error) {
	out := make([]byte, 0, min(4*packedLen, bytesMax)+bytes.MinRead)
	for {
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out) > bytesMax:
			return nil, ErrBodyTooLarge
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		case len(out) == cap(out):
			out = append(out, 0)[:len(out)]
		}
	}
}

// writeZstd compresses with zstd on the calling goroutine.
func (c *Compressors) writeZstd(body []byte) ([]byte, error) {
	w, _ := c.writer(CompressorZstd).(*zstd.Encoder)
	if w == nil {
		var err error
		if w, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)); err != nil {
			return nil, err
		}
	}
	defer c.keepWriter(CompressorZstd, w)
	return w.EncodeAll(body, make([]byte, 0, len(body)/2+64)), nil
}

// cappedZstd is a decoder with the output limit that it was made for.
type cappedZstd struct {
	*zstd.Decoder
	limit int
}

// readZstd decompresses zstd on the calling goroutine.
func (c *Compressors) readZstd(packed []byte, bytesMax int) ([]byte, error) {
	limit := max(bytesMax, zstdWindowMax)
	r, _ := c.reader(CompressorZstd).(*cappedZstd)
	if r == nil || r.limit != limit {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(zstdWindowMax))
		if err != nil {
			return nil, err
		}
		r = &cappedZstd{Decoder: decoder, limit: limit}
	}
	defer c.keepReader(CompressorZstd, r)
	out, err := r.DecodeAll(packed, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, fmt.Errorf("%w: %w", ErrBodyTooLarge, err)
	}
	return out, err
}
