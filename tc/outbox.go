package tc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// outbox gathers encoded frames for one session: whoever has something to say appends it, and one writer sends what has
// been appended since its last write in one write. Appending never blocks on the network.
type outbox struct {
	mu      sync.Mutex
	buf     []byte // frames that the writer has not taken yet
	writing int    // bytes that it has taken and not yet written
	closed  bool
	finish  bool // close for writing when everything is written

	wake chan struct{} // one slot: there may be something to do
	done chan struct{} // closed with closed
	// paced says that each frame needs a write of its own, with a pause between two.
	paced atomic.Bool
}

func (o *outbox) init() {
	o.wake = make(chan struct{}, 1)
	o.done = make(chan struct{})
}

// appendResult tells what became of a frame.
type appendResult uint8

const (
	appended       appendResult = iota
	appendClosed                // the session is closed or finishing
	appendOverflow              // the peer does not read; it must be closed
	appendRefused               // the message cannot be encoded for this peer; nothing was appended
)

// append encodes msg at the end of the buffer.
func (o *outbox) append(env *seata.Envelope, msg seata.Message, bytesMax int) (appendResult, error) {
	o.mu.Lock()
	if o.closed || o.finish {
		o.mu.Unlock()
		return appendClosed, nil
	}
	buf, err := seata.AppendFrame(o.buf, *env, msg)
	o.buf = buf
	over := len(buf)+o.writing > bytesMax
	o.mu.Unlock()
	switch {
	case err != nil:
		return appendRefused, err
	case over:
		return appendOverflow, nil
	}
	o.signal()
	return appended, nil
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close throws away what is not written and ends the writer.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed, o.buf = true, nil
		close(o.done)
	}
}

// flushAndFinish has the writer close the connection for writing when everything is written. Nothing more is accepted.
func (o *outbox) flushAndFinish() {
	o.mu.Lock()
	o.finish = true
	o.mu.Unlock()
	o.signal()
}

// unsent is how many bytes are not written.
func (o *outbox) unsent() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + o.writing
}

// take exchanges the buffer for an empty one. last is true if nothing more will come.
func (o *outbox) take(empty []byte) (full []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, false
	}
	if len(o.buf) == 0 {
		o.writing = 0
		return nil, o.finish
	}
	full, o.buf = o.buf, empty
	o.writing = len(full)
	return full, false
}

// write is the session's writer. It ends when the session is closed.
func (s *session) write() {
	defer s.server.running.Done()
	var spare []byte
	pace := pacer{every: s.server.limits.PaceEvery}
	defer pace.stop()
	for {
		select {
		case <-s.out.wake:
		case <-s.out.done:
			return
		}
		for {
			full, last := s.out.take(spare[:0])
			if last {
				s.finishWriting()
			}
			if full == nil {
				break
			}
			if err := s.send(full, &pace); err != nil {
				s.kill(FaultWrite, err)
				return
			}
			spare = full
		}
		if cap(spare) > idleBufferBytesMax {
			spare = nil
		}
	}
}

// send writes the frames of buf, one by one if the peer needs that.
func (s *session) send(buf []byte, pace *pacer) error {
	for len(buf) > 0 {
		chunk := buf
		if s.out.paced.Load() {
			if n, err := seata.FrameLen(buf, 0); err == nil && n < len(buf) {
				chunk = buf[:n]
			}
			if !pace.wait(s.out.done) {
				return nil
			}
		}
		if err := s.writeOnce(chunk); err != nil {
			return err
		}
		buf = buf[len(chunk):]
	}
	return nil
}

// writeOnce makes one write with a time limit. It goes to the connection itself: getty's Send does the same after
// boxing its arguments for a debug line, and dereferences nil if the session ends meanwhile (dubbo-getty issue 145).
// The deadline is moved only now and then, so a write may take a tenth less than the limit.
func (s *session) writeOnce(b []byte) error {
	limit := s.server.limits.WriteLimit
	now := time.Now()
	if now.Sub(s.deadlineSet) > limit/10 {
		s.deadlineSet = now
		if err := s.conn.SetWriteDeadline(now.Add(limit)); err != nil {
			return err
		}
	}
	s.server.stats.writes.Add(1)
	s.server.stats.bytesOut.Add(int64(len(b)))
	_, err := s.conn.Write(b) // an incomplete write returns an error, after which the session is closed
	return err
}

// pacer keeps writes apart.
type pacer struct {
	every time.Duration
	last  time.Time
	timer *time.Timer
}

// wait returns when the next write may be made; false if done was closed first.
func (p *pacer) wait(done <-chan struct{}) bool {
	now := time.Now()
	if d := p.last.Add(p.every).Sub(now); d > 0 {
		if p.timer == nil {
			p.timer = time.NewTimer(d)
		} else {
			p.timer.Reset(d)
		}
		select {
		case now = <-p.timer.C:
		case <-done:
			return false
		}
	}
	p.last = now
	return true
}

func (p *pacer) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
