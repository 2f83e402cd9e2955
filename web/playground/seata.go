package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// application is a sample application that speaks Seata's protocol: TM and RM on one connection. Phase two succeeds.
type application struct {
	conn     net.Conn
	resource string
	group    sync.WaitGroup
	ended    chan struct{} // closed when the connection is

	mu      sync.Mutex
	id      int32
	answers map[int32]chan seata.Message

	writing sync.Mutex // never held together with mu
}

// version is that of the clients that the application is like.
func version() seata.ClientVersion { return seata.MakeClientVersion(2, 2, 0) }

// dialApplication connects and registers. The caller closes it.
func dialApplication(ctx context.Context, address, name, resource string) (*application, error) {
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect as %s: %w", name, err)
	}
	a := &application{
		conn: conn, resource: resource, ended: make(chan struct{}), answers: map[int32]chan seata.Message{},
	}
	a.group.Go(a.read)
	const group = "sample_tx_group"
	m, err := a.ask(ctx, &seata.RegisterTMRequest{Version: "2.2.0", ApplicationID: name, TransactionServiceGroup: group})
	if tm, ok := m.(*seata.RegisterTMResponse); err == nil && (!ok || !tm.Identified) {
		err = errors.New("it was refused")
	}
	if err == nil {
		m, err = a.ask(ctx, &seata.RegisterRMRequest{
			Version: "2.2.0", ApplicationID: name, TransactionServiceGroup: group, ResourceIDs: resource,
		})
	}
	if rm, ok := m.(*seata.RegisterRMResponse); err == nil && (!ok || !rm.Identified) {
		err = errors.New("its resource was refused")
	}
	if err != nil {
		a.close()
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	return a, nil
}

func (a *application) close() {
	_ = a.conn.Close() // nothing is waited for any more
	a.group.Wait()
}

func (a *application) send(kind seata.MessageType, id int32, msg seata.Message) error {
	frame, err := seata.AppendFrame(nil, seata.Envelope{
		MsgType: kind, Codec: seata.CodecSeata, ID: id, Version: version(),
	}, msg)
	if err != nil {
		return err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if err := a.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = a.conn.Write(frame)
	return err
}

// ask sends a request and waits for its answer.
func (a *application) ask(ctx context.Context, msg seata.Message) (seata.Message, error) {
	answer := make(chan seata.Message, 1)
	a.mu.Lock()
	a.id++
	id := a.id
	a.answers[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.answers, id)
		a.mu.Unlock()
	}()
	if err := a.send(seata.RequestSync, id, msg); err != nil {
		return nil, err
	}
	select {
	case m := <-answer:
		return m, nil
	case <-a.ended:
		return nil, errors.New("the connection has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// read delivers answers and does phase two until the connection ends. A sign of life every few seconds keeps it open.
func (a *application) read() {
	defer close(a.ended)
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		_ = a.conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // a connection that has ended says so at the read
		n, err := a.conn.Read(chunk)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			if a.send(seata.HeartbeatRequest, 0, &seata.Heartbeat{Ping: true}) != nil {
				return
			}
			continue
		}
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for {
			frame, err := seata.DecodeFrame(buf, seata.DecodeOptions{Version: version()})
			if errors.Is(err, seata.ErrShort) {
				break
			}
			if err != nil {
				return
			}
			buf = buf[frame.Header.Len():]
			a.got(frame)
		}
	}
}

func (a *application) got(frame seata.Frame) {
	id := frame.Header.ID
	switch m := frame.Message.(type) {
	case *seata.BranchCommitRequest:
		_ = a.send(seata.Response, id, &seata.BranchCommitResponse{ // it is asked for again if this is lost
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchCommitted,
		})
	case *seata.BranchRollbackRequest:
		_ = a.send(seata.Response, id, &seata.BranchRollbackResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchRollbacked,
		})
	default:
		a.mu.Lock()
		answer := a.answers[id]
		a.mu.Unlock()
		if answer != nil && frame.Header.MsgType == seata.Response {
			select {
			case answer <- frame.Message:
			default: // it was answered already
			}
		}
	}
}

// begin begins a transaction.
func (a *application) begin(ctx context.Context, name string, timeout time.Duration) (xid string, err error) {
	m, err := a.ask(ctx, &seata.GlobalBeginRequest{TimeoutMillis: int32(timeout.Milliseconds()), TransactionName: name})
	if err != nil {
		return "", err
	}
	b, ok := m.(*seata.GlobalBeginResponse)
	if !ok || b.Code != seata.Success {
		return "", fmt.Errorf("begin of %s was refused: %+v", name, m)
	}
	return b.XID, nil
}

// lock registers an AT branch that locks rows. It is false if they are held by another transaction.
func (a *application) lock(ctx context.Context, xid, rows string) (bool, error) {
	m, err := a.ask(ctx, &seata.BranchRegisterRequest{
		XID: xid, BranchType: seata.BranchAT, ResourceID: a.resource, LockKey: rows,
	})
	if err != nil {
		return false, err
	}
	r, ok := m.(*seata.BranchRegisterResponse)
	return ok && r.Code == seata.Success, nil
}

// lockSoon asks for rows again and again, as stock clients do, for a time.
func (a *application) lockSoon(ctx context.Context, xid, rows string, within time.Duration) (bool, error) {
	until := time.Now().Add(within)
	for {
		got, err := a.lock(ctx, xid, rows)
		if got || err != nil || time.Now().After(until) {
			return got, err
		}
		if !pause(ctx, 300*time.Millisecond) {
			return false, ctx.Err()
		}
	}
}

// end commits or rolls back.
func (a *application) end(ctx context.Context, xid string, commit bool) error {
	var m seata.Message = &seata.GlobalRollbackRequest{XID: xid}
	if commit {
		m = &seata.GlobalCommitRequest{XID: xid}
	}
	_, err := a.ask(ctx, m)
	return err
}
