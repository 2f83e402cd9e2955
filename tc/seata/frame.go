package seata

import (
	"encoding/binary"
	"fmt"
)

// BodyBytesMax is the default cap of a decompressed body.
const BodyBytesMax = FrameBytesMax

// MsgBytesMax is the default length to which the text of a failure is cut.
const MsgBytesMax = 400

// ProtoPackage is the package of the PROTOBUF message names. Clients accept only their own.
type ProtoPackage uint8

// The packages in use. ProtoPackageNone is what a frame of another codec has; when writing it means "by client
// version".
const (
	ProtoPackageNone   ProtoPackage = iota
	ProtoPackageIO                  // io.seata.protocol.protobuf, up to 2.0
	ProtoPackageApache              // org.apache.seata.protocol.protobuf, from 2.1 on
)

// String returns the full name of the package.
func (p ProtoPackage) String() string {
	switch p {
	case ProtoPackageIO:
		return "io.seata.protocol.protobuf"
	case ProtoPackageApache:
		return "org.apache.seata.protocol.protobuf"
	}
	return "none"
}

// DecodeOptions are the parameters of reading. The zero value is usable.
type DecodeOptions struct {
	// Version is that of the peer whose bytes are read. It tells exception codes above 18 apart.
	Version ClientVersion
	// FrameBytesMax limits a frame; 0 means the constant FrameBytesMax.
	FrameBytesMax int
	// BodyBytesMax caps the decompressed body; 0 means the constant BodyBytesMax.
	BodyBytesMax int
	// Compressors keeps decompressors for reuse; nil creates one for each compressed frame.
	Compressors *Compressors
}

// Frame is one decoded frame. Message is nil exactly if Header.Empty is set.
type Frame struct {
	Header  Header
	HeadMap []HeadEntry // normally empty
	Package ProtoPackage
	Message Message
}

// Envelope is what surrounds a message when it is written. Answers are best made with Frame.Reply.
type Envelope struct {
	// MsgType is ignored for a Heartbeat, which knows its own.
	MsgType    MessageType
	Codec      Codec
	Compressor Compressor
	ID         int32
	// Version is that of the receiver; unknown means the least that all understand.
	Version ClientVersion
	// Package is that of the receiver, for PROTOBUF; none means by Version.
	Package ProtoPackage
	// HeadMap is normally empty.
	HeadMap []HeadEntry
	// MsgBytesMax limits the text of a failure, cut on a rune boundary; 0 means the constant MsgBytesMax.
	MsgBytesMax int
	// Compressors keeps compressors for reuse; nil creates one for each compressed frame.
	Compressors *Compressors
}

// Reply returns the envelope of an answer to f for a peer of version v: same request id, codec, compressor and PROTOBUF
// package, no head map.
func (f Frame) Reply(v ClientVersion) Envelope {
	return Envelope{
		MsgType: Response, Codec: f.Header.Codec, Compressor: f.Header.Compressor, ID: f.Header.ID,
		Version: v, Package: f.Package,
	}
}

// DecodeFrame decodes the frame at the start of buf; it occupies Frame.Header.Len bytes. ErrShort asks for more
// bytes. On other errors the header is still returned as far as it could be read (its Len is 0 if not), so that the
// caller can answer a request that failed in its body. Nothing in the result refers to buf.
func DecodeFrame(buf []byte, options DecodeOptions) (Frame, error) {
	h, err := ParseHeader(buf, options.FrameBytesMax)
	if err != nil {
		return Frame{}, err
	}
	if len(buf) < h.Len() {
		return Frame{}, ErrShort
	}
	frame := Frame{Header: h}
	if h.Empty {
		return frame, nil
	}
	if h.HeadLen > HeaderBytes {
		if frame.HeadMap, err = ParseHeadMap(buf, h); err != nil {
			return frame, err
		}
	}
	frame.Message, frame.Package, err = DecodeBody(h, buf[h.HeadLen:h.FullLen], options)
	return frame, err
}

// DecodeBody decodes the body of a frame whose header is h. The package is ProtoPackageNone except for PROTOBUF.
func DecodeBody(h Header, body []byte, options DecodeOptions) (Message, ProtoPackage, error) {
	if h.MsgType.heartbeat() {
		return &Heartbeat{Ping: h.MsgType == HeartbeatRequest}, ProtoPackageNone, nil
	}
	if !h.Codec.Supported() {
		return nil, ProtoPackageNone, &CodecError{Codec: h.Codec}
	}
	if len(body) == 0 {
		return nil, ProtoPackageNone, ErrEmptyBody
	}
	if h.Compressor != CompressorNone {
		bytesMax := options.BodyBytesMax
		if bytesMax <= 0 {
			bytesMax = BodyBytesMax
		}
		plain, err := options.Compressors.Decompress(h.Compressor, body, bytesMax)
		if err != nil {
			return nil, ProtoPackageNone, err
		}
		body = plain
	}
	if h.Codec == CodecProtobuf {
		return decodeProto(body)
	}
	m, err := decodeSeata(body, options.Version)
	return m, ProtoPackageNone, err
}

// AppendFrame appends the frame that carries msg to dst. After an error dst is returned as it was: nothing is half
// written, which matters because a header without its body would desynchronise the stream for good.
func AppendFrame(dst []byte, env Envelope, msg Message) ([]byte, error) {
	beat, isBeat := msg.(*Heartbeat)
	switch {
	case isBeat:
		env.Compressor = CompressorNone
		env.MsgType = HeartbeatResponse
		if beat.Ping {
			env.MsgType = HeartbeatRequest
		}
	case msg == nil, env.MsgType.heartbeat():
		return dst, fmt.Errorf("append %s frame: %w", env.MsgType, ErrTypeCode)
	}
	start := len(dst)
	out := append(dst, magic, magic, frameVersion, 0, 0, 0, 0, 0, 0,
		byte(env.MsgType), byte(env.Codec), byte(env.Compressor))
	out = binary.BigEndian.AppendUint32(out, uint32(env.ID))
	out, err := appendHeadMap(out, env.HeadMap)
	if err != nil {
		return dst, err
	}
	headLen := len(out) - start
	if !isBeat {
		if out, err = appendBody(out, env, msg); err != nil {
			return dst, err
		}
	}
	length := len(out) - start
	if length > FrameBytesMax {
		return dst, &FrameTooLargeError{Length: length, BytesMax: FrameBytesMax}
	}
	binary.BigEndian.PutUint32(out[start+3:], uint32(length))
	binary.BigEndian.PutUint16(out[start+lengthEnd:], uint16(headLen))
	return out, nil
}

// appendBody appends the serialized and compressed message.
func appendBody(dst []byte, env Envelope, msg Message) ([]byte, error) {
	if !env.Compressor.Supported() {
		return dst, &CompressorError{Compressor: env.Compressor}
	}
	var err error
	start := len(dst)
	switch env.Codec {
	case CodecSeata:
		dst, err = appendSeata(dst, env, msg)
	case CodecProtobuf:
		dst, err = appendProto(dst, env, msg)
	default:
		err = &CodecError{Codec: env.Codec}
	}
	if err != nil || env.Compressor == CompressorNone {
		return dst, err
	}
	packed, err := env.Compressors.Compress(env.Compressor, dst[start:])
	if err != nil {
		return dst, err
	}
	return append(dst[:start], packed...), nil
}

// AppendEmptyAnswer appends the 16 bytes with both lengths 0 that a Java resource manager writes when it cannot
// encode its answer. A coordinator never sends it; programs that play a client do.
func AppendEmptyAnswer(dst []byte, codec Codec, id int32) []byte {
	dst = append(dst, magic, magic, frameVersion, 0, 0, 0, 0, 0, 0, byte(Response), byte(codec), byte(CompressorNone))
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}
