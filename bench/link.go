package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// link is one connection. Frames gather in out while a write is under way and leave together with the next one.
type link struct {
	conn net.Conn

	mu      sync.Mutex
	out     []byte // guarded by mu
	spare   []byte // guarded by mu
	writing bool   // guarded by mu
	err     error  // guarded by mu

	in       []byte // owned by the reader
	from, to int    // owned by the reader: what of in is not consumed yet
}

const (
	readBytes   = 256 << 10
	dialTimeout = 10 * time.Second
)

func dial(address string) (*link, error) {
	conn, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, in: make([]byte, readBytes)}, nil
}

// put appends a frame to what will be written; flush sends it.
func (l *link) put(env seata.Envelope, msg seata.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, err := seata.AppendFrame(l.out, env, msg)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("encode %s: %w", msg.TypeCode(), err)
	}
	l.out = out
}

// flush writes what has gathered, unless a write is under way: that one takes it along.
func (l *link) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing {
		return l.err
	}
	l.writing = true
	for len(l.out) > 0 && l.err == nil {
		batch := l.out
		l.out = l.spare[:0]
		l.mu.Unlock()
		_, err := l.conn.Write(batch)
		l.mu.Lock()
		l.spare = batch
		if err != nil && l.err == nil {
			l.err = err
		}
	}
	l.writing = false
	return l.err
}

// fill waits for bytes. Call it when next has nothing more.
func (l *link) fill() error {
	if l.from > 0 {
		l.to = copy(l.in, l.in[l.from:l.to])
		l.from = 0
	}
	if l.to == len(l.in) {
		return errors.New("frame larger than the read buffer")
	}
	n, err := l.conn.Read(l.in[l.to:])
	l.to += n
	return err
}

// next takes the next complete frame out of the read buffer; ok is false if there is none.
func (l *link) next(options seata.DecodeOptions) (frame seata.Frame, ok bool, err error) {
	frame, err = seata.DecodeFrame(l.in[l.from:l.to], options)
	if errors.Is(err, seata.ErrShort) {
		return frame, false, nil
	}
	if err != nil {
		return frame, false, err
	}
	l.from += frame.Header.Len()
	return frame, true, nil
}

// ask sends one request and waits for its answer; for the handshake, while nobody else reads.
func (l *link) ask(env seata.Envelope, msg seata.Message) (seata.Message, error) {
	l.put(env, msg)
	if err := l.flush(); err != nil {
		return nil, err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	for {
		frame, ok, err := l.next(seata.DecodeOptions{Version: clientVersion()})
		if err != nil {
			return nil, err
		}
		if ok && frame.Header.ID == env.ID && frame.Header.MsgType == seata.Response {
			return frame.Message, l.conn.SetReadDeadline(time.Time{})
		}
		if ok {
			continue
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// clientVersion is the version that the driver registers with.
func clientVersion() seata.ClientVersion { return seata.MakeClientVersion(2, 2, 0) }

const clientVersionText = "2.2.0"
