package seata

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/pierrec/lz4/v4"
)

// The LZ4 compressor is lz4-java's LZ4BlockOutputStream, not the LZ4 frame format. Each block is
//
//	"LZ4Block"  token  compressed length  plain length  checksum  data
//
// with little-endian 32-bit numbers. The high half of the token is the method, the low half the logarithm of the
// block size less 10; the checksum is XXH32 of the plain data without its 4 highest bits. A block without data ends
// the stream.
const (
	lz4Magic          = "LZ4Block"
	lz4HeaderBytes    = len(lz4Magic) + 1 + 4 + 4 + 4
	lz4MethodRaw      = 0x10
	lz4MethodLZ4      = 0x20
	lz4LevelBase      = 10
	lz4BlockBytes     = 64 << 10
	lz4BlockLevel     = 6 // 1 << (10 + 6) = lz4BlockBytes
	lz4ChecksumSeed   = 0x9747b28c
	lz4ChecksumMask   = 0x0fffffff
	lz4ExpansionMax   = 255 // no LZ4 block expands by more than this
	lz4ExpansionSlack = 64
)

// errLZ4 means a stream that lz4-java does not read either.
var errLZ4 = errors.New("malformed LZ4Block stream")

// writeLZ4 returns the stream that holds body.
func writeLZ4(body []byte) ([]byte, error) {
	out := make([]byte, 0, len(body)/2+2*lz4HeaderBytes)
	room := make([]byte, lz4.CompressBlockBound(min(len(body), lz4BlockBytes)))
	for len(body) > 0 {
		block := body[:min(len(body), lz4BlockBytes)]
		body = body[len(block):]
		n, err := lz4.CompressBlock(block, room, nil)
		if err != nil {
			return nil, err
		}
		data, method := room[:n], byte(lz4MethodLZ4)
		if n == 0 || n >= len(block) {
			data, method = block, lz4MethodRaw
		}
		out = appendLZ4Header(out, method, len(data), len(block), xxh32(block, lz4ChecksumSeed)&lz4ChecksumMask)
		out = append(out, data...)
	}
	return appendLZ4Header(out, lz4MethodRaw, 0, 0, 0), nil
}

func appendLZ4Header(dst []byte, method byte, packedLen, plainLen int, checksum uint32) []byte {
	dst = append(dst, lz4Magic...)
	dst = append(dst, method|lz4BlockLevel)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(packedLen))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(plainLen))
	return binary.LittleEndian.AppendUint32(dst, checksum)
}

// readLZ4 returns the content of the stream up to its end block. lz4-java LZ4BlockInputStream.java: refill.
func readLZ4(stream []byte, bytesMax int) ([]byte, error) {
	var out []byte
	for {
		if len(stream) < lz4HeaderBytes || string(stream[:len(lz4Magic)]) != lz4Magic {
			return nil, errLZ4
		}
		token := stream[8]
		packedLen := int(int32(binary.LittleEndian.Uint32(stream[9:])))
		plainLen := int(int32(binary.LittleEndian.Uint32(stream[13:])))
		checksum := binary.LittleEndian.Uint32(stream[17:])
		stream = stream[lz4HeaderBytes:]
		if packedLen == 0 && plainLen == 0 && checksum == 0 {
			return out, nil
		}
		if packedLen <= 0 || packedLen > len(stream) || plainLen <= 0 || plainLen > 1<<(lz4LevelBase+token&0x0F) {
			return nil, errLZ4
		}
		if plainLen > bytesMax-len(out) {
			return nil, ErrBodyTooLarge
		}
		start := len(out)
		switch method := token & 0xF0; {
		case method == lz4MethodRaw && packedLen == plainLen:
			out = append(out, stream[:packedLen]...)
		case method == lz4MethodLZ4 && plainLen <= lz4ExpansionMax*packedLen+lz4ExpansionSlack:
			out = append(out, make([]byte, plainLen)...)
			n, err := lz4.UncompressBlock(stream[:packedLen], out[start:])
			if err != nil || n != plainLen {
				return nil, errLZ4
			}
		default:
			return nil, errLZ4
		}
		if xxh32(out[start:], lz4ChecksumSeed)&lz4ChecksumMask != checksum {
			return nil, errLZ4
		}
		stream = stream[packedLen:]
	}
}

// Primes of XXH32, see the xxHash specification.
const (
	xxh32Prime1 = 2654435761
	xxh32Prime2 = 2246822519
	xxh32Prime3 = 3266489917
	xxh32Prime4 = 668265263
	xxh32Prime5 = 374761393
)

// xxh32 is the 32-bit xxHash.
func xxh32(b []byte, seed uint32) uint32 {
	length := uint32(len(b))
	var h uint32
	if len(b) >= 16 {
		prime1 := uint32(xxh32Prime1)
		lanes := [4]uint32{seed + prime1 + xxh32Prime2, seed + xxh32Prime2, seed, seed - prime1}
		for ; len(b) >= 16; b = b[16:] {
			for i := range lanes {
				lane := lanes[i] + binary.LittleEndian.Uint32(b[4*i:])*xxh32Prime2
				lanes[i] = bits.RotateLeft32(lane, 13) * xxh32Prime1
			}
		}
		h = bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7) +
			bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18)
	} else {
		h = seed + xxh32Prime5
	}
	h += length
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*xxh32Prime3, 17) * xxh32Prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*xxh32Prime5, 11) * xxh32Prime1
	}
	h = (h ^ h>>15) * xxh32Prime2
	h = (h ^ h>>13) * xxh32Prime3
	return h ^ h>>16
}
