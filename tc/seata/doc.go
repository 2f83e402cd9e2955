// Package seata speaks the Seata version-1 wire protocol: frames, the SEATA and PROTOBUF body codecs, compressors and
// the per-version encodings that clients from 1.4 to 2.6 need.
//
// The package is pure. It does no I/O, starts no goroutines and reads no clock; bytes come in and go out as slices that
// the caller owns. Both directions of every message are implemented, so the same code serves the coordinator and the
// programs that drive it as a client.
//
// Invariants:
//
//   - No input makes the package panic, and no allocation is larger than the bytes that are really present (or, for a
//     compressed body, than the configured cap).
//   - Decoded messages never alias the input buffer. The strings of one message may share one backing array of at most
//     shareBytesMax bytes; who keeps a short string for long may want strings.Clone.
//   - A frame is appended as a whole or not at all: after an error the returned slice is the one that was passed in.
//   - Only what a peer of the given version can read is written. Values without a counterpart are mapped to the nearest
//     one (see ExceptionCode and GlobalStatus) or refused with an error.
//   - Codecs that carry serialized Java objects (KRYO, HESSIAN, FST, FURY, ...) are never decoded; they are ErrCodec.
//
// Nothing here holds mutable state, except a Compressors value that the caller may create to reuse buffers. Every
// function may be called concurrently.
//
// Start reading at DecodeFrame and AppendFrame (frame.go), then Header (header.go) and the messages (message.go).
// Enumerations keep the numbers of the wire, including zero, because zero is meaningful there: a zero ResultCode is
// Failed, a zero GlobalStatus is UnKnown, a zero BranchType is AT.
package seata
