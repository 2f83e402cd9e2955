package seata

import (
	"encoding/binary"
	"fmt"
)

const (
	// HeaderBytes is the size of a frame header without head map. Seata ProtocolConstants.java: V1_HEAD_LENGTH.
	HeaderBytes = 16
	// FrameBytesMax is the default and the largest useful limit of a frame, all inclusive: peers refuse larger ones.
	// Seata ProtocolConstants.java: MAX_FRAME_LENGTH.
	FrameBytesMax = 8 << 20

	magic        = 0xDA
	frameVersion = 1
	lengthEnd    = 7 // the full length occupies bytes 3 to 6
	headMapMax   = 1<<15 - 1 - HeaderBytes
)

// Header is the fixed part of a version-1 frame:
//
//	0     2    magic DA DA          10  1  codec
//	2     1    version 1            11  1  compressor
//	3     4    full length          12  4  request id
//	7     2    head length          16  …  head map, up to head length
//	9     1    message type         …   …  body, up to full length
type Header struct {
	FullLen    int // whole frame in bytes
	HeadLen    int // header and head map in bytes
	MsgType    MessageType
	Codec      Codec
	Compressor Compressor
	ID         int32
	// Empty marks the 16 bytes that a Java peer writes when it could not encode its message: both lengths are 0. It is
	// a failed answer to the request with this ID, for example for a resource that the peer does not know.
	Empty bool
}

// Len returns how many bytes the frame occupies on the wire.
func (h Header) Len() int {
	if h.Empty {
		return HeaderBytes
	}
	return h.FullLen
}

// BodyLen returns the size of the (compressed) body in bytes.
func (h Header) BodyLen() int { return h.FullLen - h.HeadLen }

// FrameLen returns how many bytes the frame at the start of buf occupies. It needs the first 7 bytes, and returns
// ErrShort before they are there; bytes that can be no frame are refused as soon as they are seen. A frameBytesMax of 0
// means FrameBytesMax.
func FrameLen(buf []byte, frameBytesMax int) (int, error) {
	for i := range min(len(buf), 2) {
		if buf[i] != magic {
			return 0, ErrMagic
		}
	}
	if len(buf) > 2 && buf[2] != frameVersion {
		if buf[2] == 0 {
			return 0, ErrVersion0
		}
		return 0, fmt.Errorf("%w: %d", ErrVersion, buf[2])
	}
	if len(buf) < lengthEnd {
		return 0, ErrShort
	}
	if frameBytesMax <= 0 {
		frameBytesMax = FrameBytesMax
	}
	length := int(int32(binary.BigEndian.Uint32(buf[3:])))
	switch {
	case length == 0:
		return HeaderBytes, nil // an empty answer, or nonsense that ParseHeader will refuse
	case length < HeaderBytes:
		return 0, fmt.Errorf("%w: full length %d", ErrLengths, length)
	case length > frameBytesMax:
		return 0, &FrameTooLargeError{Length: length, BytesMax: frameBytesMax}
	}
	return length, nil
}

// ParseHeader reads the header at the start of buf, in constant time. ErrShort means that the header itself is not
// complete; whether the body is there is for the caller to compare with Header.Len. Every other error is final: close
// the connection. A frameBytesMax of 0 means FrameBytesMax.
func ParseHeader(buf []byte, frameBytesMax int) (Header, error) {
	if _, err := FrameLen(buf, frameBytesMax); err != nil {
		return Header{}, err
	}
	if len(buf) < HeaderBytes {
		return Header{}, ErrShort
	}
	h := Header{
		FullLen:    int(int32(binary.BigEndian.Uint32(buf[3:]))),
		HeadLen:    int(int16(binary.BigEndian.Uint16(buf[7:]))),
		MsgType:    MessageType(buf[9]),
		Codec:      Codec(buf[10]),
		Compressor: Compressor(buf[11]),
		ID:         int32(binary.BigEndian.Uint32(buf[12:])),
	}
	if h.FullLen == 0 && h.HeadLen == 0 {
		h.Empty = true
		return h, nil
	}
	if h.HeadLen < HeaderBytes || h.HeadLen > h.FullLen {
		return Header{}, fmt.Errorf("%w: full length %d, head length %d", ErrLengths, h.FullLen, h.HeadLen)
	}
	return h, nil
}

// HeadEntry is one pair of a head map. Null marks a value that is null rather than empty.
type HeadEntry struct {
	Key   string
	Value string
	Null  bool
}

// ParseHeadMap reads the head map of a frame, in the order of the wire; frame must hold at least h.HeadLen bytes.
// Entries with a null key are dropped, as Java does not write them. Seata HeadMapSerializer.java.
func ParseHeadMap(frame []byte, h Header) ([]HeadEntry, error) {
	if h.Empty || len(frame) < h.HeadLen || h.HeadLen < HeaderBytes {
		return nil, fmt.Errorf("parse head map: %w", ErrHeadMap)
	}
	var entries []HeadEntry
	err := walkHeadMap(frame[HeaderBytes:h.HeadLen], func(key, value []byte, keyNull, valueNull bool) {
		if !keyNull {
			entries = append(entries, HeadEntry{Key: string(key), Value: string(value), Null: valueNull})
		}
	})
	return entries, err
}

// walkHeadMap checks the bounds of all pairs and hands each to visit.
func walkHeadMap(b []byte, visit func(key, value []byte, keyNull, valueNull bool)) error {
	for len(b) > 0 {
		key, rest, keyNull, ok := headText(b)
		if !ok {
			return fmt.Errorf("parse head map: %w", ErrHeadMap)
		}
		value, rest, valueNull, ok := headText(rest)
		if !ok {
			return fmt.Errorf("parse head map: %w", ErrHeadMap)
		}
		visit(key, value, keyNull, valueNull)
		b = rest
	}
	return nil
}

// headText takes one int16-prefixed text from b; any negative length is null.
func headText(b []byte) (text, rest []byte, null, ok bool) {
	if len(b) < 2 {
		return nil, nil, false, false
	}
	n := int(int16(binary.BigEndian.Uint16(b)))
	b = b[2:]
	if n < 0 {
		return nil, b, true, true
	}
	if n > len(b) {
		return nil, nil, false, false
	}
	return b[:n], b[n:], false, true
}

// appendHeadMap appends the entries in order.
func appendHeadMap(dst []byte, entries []HeadEntry) ([]byte, error) {
	start := len(dst)
	for _, entry := range entries {
		if len(entry.Key) > headMapMax || len(entry.Value) > headMapMax {
			return dst, fmt.Errorf("append head map: %w", ErrStringTooLong)
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(entry.Key)))
		dst = append(dst, entry.Key...)
		if entry.Null {
			dst = append(dst, 0xFF, 0xFF)
			continue
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(entry.Value)))
		dst = append(dst, entry.Value...)
	}
	if len(dst)-start > headMapMax {
		return dst, fmt.Errorf("append head map: %w", ErrStringTooLong)
	}
	return dst, nil
}
