package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Bounds of writing that are not worth an option.
const (
	writeBytes    = 256 << 10 // a write is made when so much has gathered
	spareBytesMax = 1 << 20   // of the buffer, kept between writes
	answersMax    = 16_384    // answers that wait to be written; a peer that reads none is let go
)

var (
	errSlowPeer = errors.New("coordinator does not read what it is answered")
	errSilent   = errors.New("coordinator was silent for too long")
)

// batch is a merged frame that is not answered completely.
type batch struct {
	requests []*request
	left     int
}

// write is the link's writer: it sends all that has gathered since its last write in one write, and heartbeats when
// nothing is to be sent.
func (l *link) write() {
	defer l.halves.Done()
	w := &writer{link: l, wrote: l.now()}
	tick := time.NewTicker(max(min(l.client.o.PingAfter, l.client.o.SilenceMax)/5, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-l.wake:
		case <-tick.C:
			w.watch()
		case <-l.done:
			return
		}
		for w.take() {
			if err := w.send(); err != nil {
				l.kill(fmt.Errorf("write: %w", err))
				return
			}
		}
	}
}

// writer is what the writer keeps between two writes.
type writer struct {
	link        *link
	answers     []outgoing
	queue       []*request
	buf         []byte
	wrote       int64
	deadlineSet time.Time
	children    []seata.Message
	ids         []int32
}

// watch gives up a silent peer, and has a PING sent when nothing was written for long.
func (w *writer) watch() {
	l, now := w.link, w.link.now()
	if now-l.lastRead.Load() > int64(l.client.o.SilenceMax) {
		l.kill(errSilent)
		return
	}
	if now-w.wrote >= int64(l.client.o.PingAfter) {
		l.answer(outgoing{kind: seata.HeartbeatRequest, id: l.client.nextID(), msg: &seata.Heartbeat{Ping: true}})
	}
}

// take takes what waits. The requests among it count as sent from here on.
func (w *writer) take() bool {
	l := w.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = !l.dead && len(l.queue)+len(l.answers) > 0
	if !l.writing {
		return false
	}
	w.answers, l.answers = l.answers, w.answers[:0]
	w.queue, l.queue = l.queue, w.queue[:0]
	live := w.queue[:0]
	for _, r := range w.queue {
		if r.over { // given up while it waited
			continue
		}
		r.sent = true
		l.pending[r.id] = r
		live = append(live, r)
	}
	clear(w.queue[len(live):])
	w.queue = live
	return true
}

// send encodes and writes what was taken.
func (w *writer) send() error {
	for _, a := range w.answers {
		if err := w.encode(a.kind, a.id, a.msg); err != nil {
			w.link.client.log.Error("answer cannot be encoded", "type", a.msg.TypeCode().String(), "err", err)
		}
		if err := w.flush(writeBytes); err != nil {
			return err
		}
	}
	clear(w.answers)
	for rest := w.queue; len(rest) > 0; {
		n := w.mergeable(rest)
		if n > 1 {
			w.merge(rest[:n])
		} else {
			n = 1
			w.single(rest[0])
		}
		rest = rest[n:]
		if err := w.flush(writeBytes); err != nil {
			return err
		}
	}
	clear(w.queue)
	err := w.flush(1)
	if cap(w.buf) > spareBytesMax {
		w.buf = nil
	}
	return err
}

// mergeable is how many of the first requests may travel in one frame.
func (w *writer) mergeable(rest []*request) int {
	n := 0
	for n < len(rest) && n < w.link.client.o.MergeMax && rest[n].merges {
		n++
	}
	return n
}

// single encodes a request in a frame of its own.
func (w *writer) single(r *request) {
	var head []seata.HeadEntry
	if r.ahead {
		head = []seata.HeadEntry{seata.HeadID(seata.HeadBranch, r.branch)}
	}
	if err := w.encode(seata.RequestSync, r.id, r.msg, head...); err != nil {
		w.link.drop(r, err)
	}
}

// merge encodes requests in one frame. If it cannot be, it is because of one of them: each gets its own.
func (w *writer) merge(requests []*request) {
	l := w.link
	w.children, w.ids = w.children[:0], w.ids[:0]
	for _, r := range requests {
		w.children, w.ids = append(w.children, r.msg), append(w.ids, r.id)
	}
	id := l.client.nextID()
	err := w.encode(seata.RequestOneway, id, &seata.MergedRequest{Messages: w.children, IDs: w.ids})
	if err != nil {
		for _, r := range requests {
			w.single(r)
		}
		return
	}
	b := &batch{requests: make([]*request, len(requests)), left: len(requests)}
	copy(b.requests, requests)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.merged[id] = b
	for _, r := range requests {
		if r.over {
			b.left--
		}
		r.batch, r.batchID = b, id
	}
	if b.left == 0 {
		delete(l.merged, id)
	}
}

func (w *writer) encode(kind seata.MessageType, id int32, msg seata.Message, head ...seata.HeadEntry) (err error) {
	_, v := version()
	w.buf, err = seata.AppendFrame(w.buf, seata.Envelope{
		MsgType: kind, Codec: seata.CodecSeata, ID: id, Version: v, HeadMap: head,
	}, msg)
	return err
}

// flush writes the buffer if it holds at least so many bytes. The deadline is moved only now and then, so a write may
// take a tenth less than the limit.
func (w *writer) flush(least int) error {
	if len(w.buf) < least {
		return nil
	}
	l, limit := w.link, w.link.client.o.WriteTimeout
	if now := time.Now(); now.Sub(w.deadlineSet) > limit/10 {
		w.deadlineSet = now
		if err := l.conn.SetWriteDeadline(now.Add(limit)); err != nil {
			return err
		}
	}
	_, err := l.conn.Write(w.buf)
	w.buf = w.buf[:0]
	w.wrote = l.now()
	return err
}

// answer appends a message that is no request of ours. It never blocks; false: the link is dead.
func (l *link) answer(o outgoing) bool {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return false
	}
	l.answers = append(l.answers, o)
	over := len(l.answers) > answersMax
	l.mu.Unlock()
	if over {
		l.kill(errSlowPeer)
		return false
	}
	l.signal()
	return true
}

func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
