package tc

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	getty "github.com/apache/dubbo-getty"

	"github.com/concord-tx/concord/tc/seata"
)

var (
	errDead = errors.New("session is closed") // stops getty's loop over what it has read already
	errHTTP = errors.New("peer speaks HTTP")
	errTLS  = errors.New("peer speaks TLS")
)

// Read implements getty.Reader: it decodes the frame at the start of buf, or returns as early as possible how long it
// is. getty calls it again with each 4 KiB that arrive, so everything before the last call is constant time.
func (s *session) Read(_ getty.Session, buf []byte) (pkg any, n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			pkg, n, err = nil, 0, s.panicked(p)
		}
	}()
	if s.dead.Load() {
		return nil, 0, errDead
	}
	s.lastRead.Store(s.server.clock.Load())
	bytesMax := s.frameBytesMax()
	header, err := seata.ParseHeader(buf, bytesMax)
	if err != nil {
		return s.incomplete(buf, bytesMax, err)
	}
	total := header.Len()
	if len(buf) < total {
		return s.incomplete(buf, bytesMax, seata.ErrShort)
	}
	if s.partialSince.Load() != 0 {
		s.partialSince.Store(0)
	}
	s.server.stats.bytesIn.Add(int64(total))
	return s.decode(header, buf[:total])
}

// frameBytesMax: who has not registered sends small frames only.
func (s *session) frameBytesMax() int {
	if who := s.who.Load(); who.tm || who.rm {
		return s.server.limits.FrameBytesMax
	}
	return min(s.server.limits.FrameBytesMax, registeringFrameBytesMax)
}

// incomplete judges bytes that are not a whole frame.
func (s *session) incomplete(buf []byte, bytesMax int, err error) (any, int, error) {
	if !errors.Is(err, seata.ErrShort) {
		return nil, 0, s.refuse(headerFault(buf, err))
	}
	if s.partialSince.Load() == 0 {
		s.partialSince.Store(s.server.clock.Load())
	}
	total, err := seata.FrameLen(buf, bytesMax)
	if err != nil { // not even the length is there
		return nil, 0, nil
	}
	if total > smallFrameBytes && int64(total) > s.reserved {
		more := int64(total) - s.reserved
		if s.server.receiving.Add(more) > s.server.limits.ReceiveBytesMax {
			s.server.receiving.Add(-more)
			return nil, 0, s.refuse(FaultMemory, fmt.Errorf("frame of %d bytes", total))
		}
		s.reserved = int64(total) // getty keeps the memory as long as the session lives
	}
	return nil, total, nil
}

// headerFault tells what a peer that does not begin a frame speaks instead.
func headerFault(buf []byte, err error) (Fault, error) {
	switch {
	case errors.Is(err, seata.ErrVersion0), errors.Is(err, seata.ErrVersion):
		return FaultVersion, err
	case errors.Is(err, seata.ErrFrameTooLarge):
		return FaultTooLarge, err
	case !errors.Is(err, seata.ErrMagic):
		return FaultFrame, err
	case len(buf) > 1 && buf[0] == 0x16 && buf[1] == 0x03: // RFC 8446 5.1: handshake record, legacy version 3.x
		return FaultTLS, errTLS
	}
	for _, method := range [...]string{"GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "PRI ", "CONN"} {
		if bytes.HasPrefix(buf, []byte(method)) {
			return FaultHTTP, errHTTP
		}
	}
	return FaultForeign, err
}

// decode decodes a whole frame. A request whose body is broken is passed on if it is known what it is, to be answered.
func (s *session) decode(header seata.Header, frame []byte) (any, int, error) {
	s.in = incoming{header: header}
	if header.Empty {
		return &s.in, len(frame), nil
	}
	options := seata.DecodeOptions{Version: s.who.Load().version, Compressors: &s.server.compressors}
	var err error
	if header.HeadLen > seata.HeaderBytes {
		s.in.head, err = seata.ParseHeadMap(frame, header)
	}
	if err == nil {
		s.in.message, s.in.pkg, err = seata.DecodeBody(header, frame[header.HeadLen:], options)
	}
	if err == nil {
		return &s.in, len(frame), nil
	}
	if errors.As(err, &s.in.failed) && s.in.failed.Type != 0 {
		return &s.in, len(frame), nil
	}
	return nil, 0, s.refuse(bodyFault(err), err)
}

// bodyFault classifies why a body was not decoded.
func bodyFault(err error) Fault {
	switch {
	case errors.Is(err, seata.ErrCodec), errors.Is(err, seata.ErrCompressor):
		return FaultCodec
	case errors.Is(err, seata.ErrBodyTooLarge):
		return FaultTooLarge
	case errors.Is(err, seata.ErrHeadMap):
		return FaultFrame
	}
	return FaultBody
}

// Write implements getty.Writer. Nothing is written through getty.
func (s *session) Write(getty.Session, any) ([]byte, error) { return nil, errors.ErrUnsupported }

// OnMessage implements getty.EventListener: it takes the frame that Read has just returned, on the same goroutine.
func (s *session) OnMessage(getty.Session, any) {
	defer func() {
		if p := recover(); p != nil {
			_ = s.panicked(p)
		}
	}()
	if s.dead.Load() || s.finishing.Load() {
		return
	}
	if !s.spoke.Load() {
		s.spoke.Store(true)
	}
	s.route()
	s.in = incoming{}
}

// refuse closes the session because of what it sent.
func (s *session) refuse(why Fault, err error) error {
	s.kill(why, err)
	return err
}

// panicked takes a defect of ours: one session ends, the others go on.
func (s *session) panicked(p any) error {
	s.server.logger.Error("handling a frame panicked", "client", s.who.Load().client, "panic", fmt.Sprint(p),
		"stack", string(debug.Stack()))
	return s.refuse(FaultPanic, fmt.Errorf("panic: %v", p))
}
