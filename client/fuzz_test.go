package client

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

// FuzzRead feeds a link whatever may come, in two pieces, as getty does. Nothing may panic, no byte may be read twice,
// and nothing is believed after the first byte that is wrong.
func FuzzRead(f *testing.F) {
	for _, msg := range []seata.Message{
		&seata.Heartbeat{Ping: true}, &seata.GlobalStatusResponse{Result: seata.Succeeded(), Status: seata.GlobalCommitted},
		&seata.MergeResult{Messages: []seata.Message{&seata.GlobalStatusResponse{}, &seata.GlobalStatusResponse{}}},
		&seata.BatchResult{Messages: []seata.Message{&seata.GlobalStatusResponse{}}, IDs: []int32{1}},
		&seata.BranchCommitRequest{XID: "a:1:1", BranchID: 2, ResourceID: "r"},
		&seata.UndoLogDeleteRequest{ResourceID: "r", SaveDays: 7}, &seata.GlobalBeginRequest{TransactionName: "not for us"},
	} {
		_, v := version()
		b, err := seata.AppendFrame(nil, seata.Envelope{
			MsgType: seata.Response, Codec: seata.CodecSeata, ID: 1, Version: v,
		}, msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 1)
		f.Add(append(b, b...), len(b)+7)
	}
	f.Add(seata.AppendEmptyAnswer(nil, seata.CodecSeata, 1), 15)
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		c := &Client{log: slog.New(slog.DiscardHandler), o: Options{PendingMax: 1}.withDefaults()}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c.two.init(ctx, c)
		c.two.closed = true // nothing is to run
		l := newLink(newNode(c, "a:1"))
		here, there := net.Pipe()
		defer func() { _ = there.Close() }()
		l.conn = here
		r := &request{id: 1, msg: &seata.GlobalStatusRequest{}, done: make(chan struct{}), sent: true}
		l.pending[1], l.merged[1] = r, &batch{requests: []*request{r, r}, left: 2}
		cut = max(0, min(cut, len(b)))
		var buf []byte
		for _, piece := range [][]byte{b[:cut], b[cut:]} {
			buf = append(buf, piece...)
			for len(buf) > 0 {
				pkg, n, err := l.Read(nil, buf)
				if err != nil {
					if !l.gone() {
						t.Fatal("the link lives on after a broken frame")
					}
					return
				}
				if pkg == nil {
					if n > seata.FrameBytesMax {
						t.Fatalf("waits for %d bytes", n)
					}
					break
				}
				if n <= 0 || n > len(buf) {
					t.Fatalf("read %d of %d bytes", n, len(buf))
				}
				l.OnMessage(nil, pkg)
				buf = buf[n:]
			}
		}
		l.kill(errEnded)
	})
}
