package client

import (
	"errors"
	"fmt"
	"runtime/debug"

	getty "github.com/apache/dubbo-getty"

	"github.com/concord-tx/concord/tc/seata"
)

var errEnded = errors.New("coordinator closed the connection")

// incoming is a decoded frame.
type incoming struct {
	header  seata.Header
	head    []seata.HeadEntry // normally empty
	message seata.Message
}

// Read implements getty.Reader: it decodes the frame at the start of buf, or returns as early as possible how long it
// is. getty calls it again with each 4 KiB that arrive, so everything before the last call is constant time; and it may
// call it with any part of a header.
func (l *link) Read(_ getty.Session, buf []byte) (pkg any, n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			pkg, n, err = nil, 0, l.panicked(p)
		}
	}()
	l.lastRead.Store(l.now())
	header, err := seata.ParseHeader(buf, 0)
	if errors.Is(err, seata.ErrShort) {
		total, err := seata.FrameLen(buf, 0)
		if err != nil { // not even the length is there
			return nil, 0, nil
		}
		return nil, total, nil
	}
	if err != nil {
		return nil, 0, l.broken(err)
	}
	total := header.Len()
	if len(buf) < total {
		return nil, total, nil
	}
	l.in = incoming{header: header}
	if header.Empty {
		return &l.in, total, nil
	}
	if header.HeadLen > seata.HeaderBytes {
		if l.in.head, err = seata.ParseHeadMap(buf, header); err != nil {
			return nil, 0, l.broken(err)
		}
	}
	_, v := version()
	l.in.message, _, err = seata.DecodeBody(header, buf[header.HeadLen:total], seata.DecodeOptions{
		Version: v, Compressors: &l.compressors,
	})
	if err != nil {
		return nil, 0, l.broken(err)
	}
	return &l.in, total, nil
}

// broken ends the link because of what it received.
func (l *link) broken(err error) error {
	err = fmt.Errorf("read a frame: %w", err)
	l.kill(err)
	return err
}

func (l *link) panicked(p any) error {
	l.client.log.Error("handling a frame panicked", "address", l.node.address, "panic", fmt.Sprint(p),
		"stack", string(debug.Stack()))
	return l.broken(fmt.Errorf("panic: %v", p))
}

// Write implements getty.Writer. Nothing is written through getty.
func (l *link) Write(getty.Session, any) ([]byte, error) { return nil, errors.ErrUnsupported }

// OnOpen implements getty.EventListener. Everything was done in attach.
func (l *link) OnOpen(getty.Session) error { return nil }

// OnCron implements getty.EventListener. It runs on a goroutine that all getty timers share, and does nothing.
func (l *link) OnCron(getty.Session) {}

// OnError implements getty.EventListener: reading failed. OnClose follows.
func (l *link) OnError(_ getty.Session, err error) { l.kill(err) }

// OnClose implements getty.EventListener: the reader has ended.
func (l *link) OnClose(getty.Session) {
	l.kill(errEnded)
	l.halves.Done()
}

// OnMessage implements getty.EventListener: it takes the frame that Read has just returned, on the same goroutine.
func (l *link) OnMessage(getty.Session, any) {
	defer func() {
		if p := recover(); p != nil {
			_ = l.panicked(p)
		}
	}()
	in := l.in
	l.in = incoming{}
	switch m := in.message.(type) {
	case nil: // an empty answer: the peer could not encode it
		l.complete(in.header.ID, nil)
	case *seata.Heartbeat:
		if m.Ping {
			l.answer(outgoing{kind: seata.HeartbeatResponse, id: in.header.ID, msg: &seata.Heartbeat{}})
		}
	case *seata.MergeResult:
		l.completeMerged(in.header.ID, m.Messages)
	case *seata.BatchResult:
		for i, id := range m.IDs {
			l.complete(id, m.Messages[i])
		}
	case *seata.BranchCommitRequest:
		l.client.two.commit(l, in.header.ID, m)
	case *seata.BranchRollbackRequest:
		l.client.two.rollback(l, in.header.ID, m)
	case *seata.UndoLogDeleteRequest:
		l.client.two.deleteUndoLog(m)
	case *seata.BranchRegisterResponse:
		l.keepID(in.head)
		l.complete(in.header.ID, m)
	default:
		l.complete(in.header.ID, in.message)
	}
}

// complete hands an answer to who waits for it. An answer that nobody waits for any more is dropped.
func (l *link) complete(id int32, msg seata.Message) {
	l.mu.Lock()
	r := l.take(id)
	l.mu.Unlock()
	if r != nil {
		r.finish(msg, nil)
	}
}

// completeMerged hands out the answers to a merged frame, which come in its order.
func (l *link) completeMerged(id int32, msgs []seata.Message) {
	l.mu.Lock()
	b := l.merged[id]
	if b == nil || len(b.requests) != len(msgs) {
		l.mu.Unlock()
		if b != nil {
			_ = l.broken(fmt.Errorf("%d answers to %d merged requests", len(msgs), len(b.requests)))
		}
		return
	}
	delete(l.merged, id)
	waiting := make([]*request, len(b.requests))
	for i, r := range b.requests {
		waiting[i] = l.take(r.id)
	}
	l.mu.Unlock()
	for i, r := range waiting {
		if r != nil {
			r.finish(msgs[i], nil)
		}
	}
}

// take removes a request from those that wait. The mutex is held.
func (l *link) take(id int32) *request {
	r := l.pending[id]
	if r == nil {
		return nil
	}
	delete(l.pending, id)
	r.over = true
	if b := r.batch; b != nil {
		if b.left--; b.left == 0 {
			delete(l.merged, r.batchID)
		}
	}
	return r
}
