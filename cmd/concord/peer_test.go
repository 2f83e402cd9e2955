package main

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// peer is a Seata client, TM and RM on one connection, that answers phase two with what it is told to.
type peer struct {
	t    *testing.T
	conn net.Conn
	// ended is closed when the connection has.
	ended chan struct{}

	mu       sync.Mutex
	id       int32
	answers  map[int32]chan seata.Message
	rollback seata.BranchStatus // the answer to a rollback; 0: none
	commit   seata.BranchStatus // the answer to a commit; 0: none
	asked    int                // commands of phase two so far
}

// connect registers a client. It is silent about phase two until told otherwise.
func connect(t *testing.T, address string) *peer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &peer{t: t, conn: conn, ended: make(chan struct{}), answers: map[int32]chan seata.Message{}}
	go p.read()
	tm := p.ask(&seata.RegisterTMRequest{Version: "2.2.0", ApplicationID: "shop", TransactionServiceGroup: "g"})
	if r, ok := tm.(*seata.RegisterTMResponse); !ok || !r.Identified {
		t.Fatalf("the TM was refused: %+v", tm)
	}
	rm := p.ask(&seata.RegisterRMRequest{
		Version: "2.2.0", ApplicationID: "shop", TransactionServiceGroup: "g", ResourceIDs: "jdbc:mysql://db/shop",
	})
	if r, ok := rm.(*seata.RegisterRMResponse); !ok || !r.Identified {
		t.Fatalf("the RM was refused: %+v", rm)
	}
	return p
}

func (p *peer) send(kind seata.MessageType, id int32, msg seata.Message) error {
	frame, err := seata.AppendFrame(nil, seata.Envelope{
		MsgType: kind, Codec: seata.CodecSeata, ID: id, Version: seata.MakeClientVersion(2, 2, 0),
	}, msg)
	if err != nil {
		return err
	}
	_, err = p.conn.Write(frame)
	return err
}

// ask sends a request and waits for its answer.
func (p *peer) ask(msg seata.Message) seata.Message {
	p.t.Helper()
	answer, err := p.post(msg)
	if err != nil {
		p.t.Fatal(err)
	}
	select {
	case m := <-answer:
		return m
	case <-time.After(patience):
		p.t.Fatalf("no answer to %s", msg.TypeCode())
		return nil
	}
}

// try is ask where the server may be gone: it returns nil if there is no answer before the connection ends.
func (p *peer) try(msg seata.Message) seata.Message {
	answer, err := p.post(msg)
	if err != nil {
		return nil
	}
	select {
	case m := <-answer:
		return m
	case <-p.ended:
	}
	select {
	case m := <-answer: // it came before the end
		return m
	default:
		return nil
	}
}

// post sends a request; its answer comes on the channel.
func (p *peer) post(msg seata.Message) (<-chan seata.Message, error) {
	p.mu.Lock()
	p.id++
	id, answer := p.id, make(chan seata.Message, 1)
	p.answers[id] = answer
	p.mu.Unlock()
	return answer, p.send(seata.RequestSync, id, msg)
}

// read delivers answers and answers commands until the connection ends.
func (p *peer) read() {
	defer close(p.ended)
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(chunk)
		if err != nil {
			return // the server ended, or the test did
		}
		buf = append(buf, chunk[:n]...)
		for {
			frame, err := seata.DecodeFrame(buf, seata.DecodeOptions{Version: seata.MakeClientVersion(2, 2, 0)})
			if errors.Is(err, seata.ErrShort) {
				break
			}
			if err != nil {
				p.t.Errorf("a frame of the server: %v", err)
				return
			}
			buf = buf[frame.Header.Len():]
			p.got(frame)
		}
	}
}

func (p *peer) got(frame seata.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := frame.Header.ID
	switch m := frame.Message.(type) {
	case *seata.BranchCommitRequest:
		p.asked++
		if p.commit != 0 {
			_ = p.send(seata.Response, id, &seata.BranchCommitResponse{
				Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: p.commit,
			})
		}
	case *seata.BranchRollbackRequest:
		p.asked++
		if p.rollback != 0 {
			_ = p.send(seata.Response, id, &seata.BranchRollbackResponse{
				Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: p.rollback,
			})
		}
	default:
		if answer := p.answers[id]; answer != nil && frame.Header.MsgType == seata.Response {
			delete(p.answers, id)
			answer <- frame.Message
		}
	}
}

// answer sets what phase two is answered with.
func (p *peer) answer(commit, rollback seata.BranchStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit, p.rollback = commit, rollback
}

func (p *peer) commands() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// begin starts a transaction with one AT branch that locks rows.
func (p *peer) begin(name, lockKey string) (xid string) {
	p.t.Helper()
	m := p.ask(&seata.GlobalBeginRequest{TimeoutMillis: 600_000, TransactionName: name})
	b, ok := m.(*seata.GlobalBeginResponse)
	if !ok || b.Code != seata.Success {
		p.t.Fatalf("begin: %+v", m)
	}
	if m := p.register(b.XID, lockKey); m.Code != seata.Success {
		p.t.Fatalf("register: %+v", m)
	}
	return b.XID
}

func (p *peer) register(xid, lockKey string) *seata.BranchRegisterResponse {
	p.t.Helper()
	m := p.ask(&seata.BranchRegisterRequest{
		XID: xid, BranchType: seata.BranchAT, ResourceID: "jdbc:mysql://db/shop", LockKey: lockKey,
	})
	r, ok := m.(*seata.BranchRegisterResponse)
	if !ok {
		p.t.Fatalf("register: %+v", m)
	}
	return r
}
