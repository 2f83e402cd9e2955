package seata

import (
	"errors"
	"fmt"
)

// Outcomes that a caller branches on. Errors returned by this package wrap one of them.
var (
	// ErrShort means that more bytes are needed before the frame can be judged or decoded. The connection is fine.
	ErrShort = errors.New("frame incomplete")

	// ErrMagic means that the bytes are no Seata frame at all.
	ErrMagic = errors.New("wrong magic")
	// ErrVersion0 means a client before 0.7 (DA DA 00). Its frames have no length and are not supported.
	ErrVersion0 = errors.New("unsupported pre-0.7 client")
	// ErrVersion means a frame version other than 0 and 1.
	ErrVersion = errors.New("unknown frame version")
	// ErrFrameTooLarge means that a frame would exceed the allowed size; returned when reading and when writing.
	ErrFrameTooLarge = errors.New("frame too large")
	// ErrLengths means that the lengths of a frame header contradict each other.
	ErrLengths = errors.New("inconsistent frame lengths")
	// ErrHeadMap means that the optional head map of a frame is malformed.
	ErrHeadMap = errors.New("malformed head map")

	// ErrCodec means a codec that this package does not speak, in particular serialized Java objects. See CodecError.
	ErrCodec = errors.New("unsupported codec")
	// ErrCompressor means a compressor that this package does not speak. See CompressorError.
	ErrCompressor = errors.New("unsupported compressor")
	// ErrCompressed means that a compressed body is corrupt.
	ErrCompressed = errors.New("corrupt compressed body")
	// ErrBodyTooLarge means that a body would decompress to more than the allowed size.
	ErrBodyTooLarge = errors.New("decompressed body too large")

	// ErrEmptyBody means a frame without body that is no heartbeat.
	ErrEmptyBody = errors.New("empty body")
	// ErrShortBody means that a body ends before its message does, or that a length in it points outside.
	ErrShortBody = errors.New("body too short for its message")
	// ErrTypeCode means an unknown type code or PROTOBUF message name, or a message that is not allowed where it stands.
	ErrTypeCode = errors.New("unknown message type")
	// ErrNested means a merged message inside a merged message.
	ErrNested = errors.New("merged message inside a merged message")
	// ErrMergedIDs means that a merged message has not as many ids as messages.
	ErrMergedIDs = errors.New("merged message with a wrong number of ids")
	// ErrEnum means an enumeration value that does not exist, or does not exist in the codec of the peer.
	ErrEnum = errors.New("unknown enumeration value")
	// ErrUTF8 means a PROTOBUF string that is not UTF-8.
	ErrUTF8 = errors.New("string is not UTF-8")
	// ErrProto means that a body is not the PROTOBUF wire format.
	ErrProto = errors.New("malformed protobuf")

	// ErrStringTooLong means that a string does not fit the 16-bit length of its field.
	ErrStringTooLong = errors.New("string too long for its field")
	// ErrNotEncodable means that the peer's codec or version has no form for the message.
	ErrNotEncodable = errors.New("not encodable for this peer")
	// ErrProtoPackage means that neither a package nor a client version tells which PROTOBUF names the peer understands.
	ErrProtoPackage = errors.New("unknown protobuf package")

	// ErrClientVersion means a version text that cannot be compared.
	ErrClientVersion = errors.New("unusable client version")
	// ErrSignature means that the signature of a registration is missing or wrong.
	ErrSignature = errors.New("invalid access-key signature")
)

// CodecError names the codec that is not supported. It is an ErrCodec.
type CodecError struct{ Codec Codec }

// Error implements error.
func (e *CodecError) Error() string { return ErrCodec.Error() + ": " + e.Codec.String() }

// Unwrap makes the error an ErrCodec.
func (e *CodecError) Unwrap() error { return ErrCodec }

// CompressorError names the compressor that is not supported. It is an ErrCompressor.
type CompressorError struct{ Compressor Compressor }

// Error implements error.
func (e *CompressorError) Error() string { return ErrCompressor.Error() + ": " + e.Compressor.String() }

// Unwrap makes the error an ErrCompressor.
func (e *CompressorError) Unwrap() error { return ErrCompressor }

// FrameTooLargeError tells the size that was announced or reached. It is an ErrFrameTooLarge. A huge length usually
// means that the peer does not speak Seata at all.
type FrameTooLargeError struct {
	Length   int
	BytesMax int
}

// Error implements error.
func (e *FrameTooLargeError) Error() string {
	return fmt.Sprintf("%v: %d bytes, %d allowed", ErrFrameTooLarge, e.Length, e.BytesMax)
}

// Unwrap makes the error an ErrFrameTooLarge.
func (e *FrameTooLargeError) Unwrap() error { return ErrFrameTooLarge }

// BodyError tells where reading or writing a body failed. Type is the message as far as known, else 0: a request whose
// type is known can be answered with a failure (see NewFailure) instead of closing the connection.
type BodyError struct {
	Codec  Codec
	Type   TypeCode
	Field  string // Java name of the field, or ""
	Offset int    // bytes read or written of the body, approximate inside nested messages
	Err    error
}

// Error implements error.
func (e *BodyError) Error() string {
	field := e.Field
	if field != "" {
		field = "." + field
	}
	return fmt.Sprintf("%s body of %s%s at byte %d: %v", e.Codec, e.Type, field, e.Offset, e.Err)
}

// Unwrap returns the cause, one of the sentinels of this package.
func (e *BodyError) Unwrap() error { return e.Err }
