package rocketmq

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A small client of RocketMQ's remoting protocol. A frame is its length (4 bytes), the length of its header (3 bytes
// below the kind of encoding, 0: JSON), the header, and a body. Source: remoting/protocol/RemotingCommand.java.

// The requests that are used. Source: RequestCode.java.
const (
	codeSend            = 10
	codePull            = 11
	codeFind            = 12
	codeQueryOffset     = 14
	codeUpdateOffset    = 15
	codeUpdateTopic     = 17
	codeRuntimeInfo     = 28
	codeOffsetAt        = 29
	codeMaxOffset       = 30
	codeMinOffset       = 31
	codeMessage         = 33
	codeHeartbeat       = 34
	codeUnregister      = 35
	codeSendBack        = 36
	codeConsumerList    = 38
	codeConsumerChanged = 40
	codeRoute           = 105
	codeCluster         = 106
	codeTopics          = 206
	codeReaders         = 300
	codeTopicConfig     = 351
)

// The answers that are told apart. Source: ResponseCode.java.
const (
	answerOK           = 0
	answerNoPermission = 16
	answerNoTopic      = 17
	answerNotFound     = 19
	answerRetry        = 20
	answerOffsetMoved  = 21
	answerQueryNone    = 22
	answerNoGroup      = 26
)

// The bounds of a call.
const (
	dialWithin   = time.Second
	frameMax     = 64 << 20
	protocolJSON = 0
	versionSent  = 453 // MQVersion.V5_2_0
	responseFlag = 1
)

// command is a frame.
type command struct {
	Code     int               `json:"code"`
	Language string            `json:"language"`
	Version  int               `json:"version"`
	Opaque   int32             `json:"opaque"`
	Flag     int               `json:"flag"`
	Remark   string            `json:"remark,omitempty"`
	Ext      map[string]string `json:"extFields,omitempty"`
	body     []byte
}

// answerError is an answer that is not a success.
type answerError struct {
	Code   int
	Remark string
	Addr   string
}

// Error names the server, the code and what it says.
func (e *answerError) Error() string {
	return fmt.Sprintf("%s answers with code %d: %s", e.Addr, e.Code, firstLine(e.Remark))
}

// firstLine cuts a Java stack trace off.
func firstLine(s string) string {
	for i := range len(s) {
		if s[i] == '\n' || i == 300 {
			return s[:i]
		}
	}
	return s
}

// wire holds one connection to each address.
type wire struct {
	accessKey, secretKey string
	// onRequest is called with what a broker asks of its own accord, on the connection's goroutine.
	onRequest func(code int)

	opaque atomic.Int32
	mu     sync.Mutex
	slots  map[string]*slot
	closed bool
	group  sync.WaitGroup
}

// slot serialises the dialling of one address, so that one that does not answer holds up nobody else.
type slot struct {
	dialing chan struct{} // a token
	mu      sync.Mutex
	link    *link
}

// link is a connection.
type link struct {
	conn    net.Conn
	writing sync.Mutex
	mu      sync.Mutex
	waiting map[int32]chan *command
	failed  error
}

func newWire(accessKey, secretKey string, onRequest func(code int)) *wire {
	return &wire{accessKey: accessKey, secretKey: secretKey, onRequest: onRequest, slots: map[string]*slot{}}
}

var errWireClosed = errors.New("connection is closed")

// call sends a request and waits for its answer, which must be a success unless its code is among allowed.
func (w *wire) call(ctx context.Context, addr string, code int, ext map[string]string, body []byte, allowed ...int) (
	*command, error,
) {
	req := &command{
		Code: code, Language: "GO", Version: versionSent, Opaque: w.opaque.Add(1), Ext: maps.Clone(ext), body: body,
	}
	w.sign(req)
	k, err := w.link(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	answer := make(chan *command, 1)
	k.mu.Lock()
	if k.failed != nil {
		k.mu.Unlock()
		return nil, fmt.Errorf("ask %s: %w", addr, k.failed)
	}
	k.waiting[req.Opaque] = answer
	k.mu.Unlock()
	defer k.forget(req.Opaque)
	if err := k.write(ctx, req); err != nil {
		k.fail(err)
		return nil, fmt.Errorf("ask %s: %w", addr, err)
	}
	select {
	case got, ok := <-answer:
		switch {
		case !ok:
			return nil, fmt.Errorf("ask %s: %w", addr, k.reason())
		case got.Code != answerOK && !slices.Contains(allowed, got.Code):
			return got, &answerError{Code: got.Code, Remark: got.Remark, Addr: addr}
		}
		return got, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s: %w", addr, ctx.Err())
	}
}

// sign adds what access control wants: a HMAC of the values in order of their names, and the body.
// Source: acl/common/AclUtils.java.
func (w *wire) sign(req *command) {
	if w.accessKey == "" {
		return
	}
	if req.Ext == nil {
		req.Ext = map[string]string{}
	}
	req.Ext["AccessKey"] = w.accessKey
	mac := hmac.New(sha1.New, []byte(w.secretKey))
	for _, name := range slices.Sorted(maps.Keys(req.Ext)) {
		_, _ = io.WriteString(mac, req.Ext[name])
	}
	_, _ = mac.Write(req.body)
	req.Ext["Signature"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// link returns the connection to an address, made if need be.
func (w *wire) link(ctx context.Context, addr string) (*link, error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, errWireClosed
	}
	s := w.slots[addr]
	if s == nil {
		s = &slot{dialing: make(chan struct{}, 1)}
		w.slots[addr] = s
	}
	w.mu.Unlock()
	if k := s.alive(); k != nil {
		return k, nil
	}
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k := s.alive(); k != nil {
		return k, nil
	}
	d := net.Dialer{Timeout: dialWithin}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	k := &link{conn: conn, waiting: map[int32]chan *command{}}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		_ = conn.Close()
		return nil, errWireClosed
	}
	w.group.Add(1)
	w.mu.Unlock()
	s.mu.Lock()
	s.link = k
	s.mu.Unlock()
	go func() {
		defer w.group.Done()
		k.fail(k.read(w.onRequest))
	}()
	return k, nil
}

// alive returns the connection if it has not failed.
func (s *slot) alive() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil || s.link.reason() != nil {
		return nil
	}
	return s.link
}

func (k *link) reason() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

func (k *link) forget(opaque int32) {
	k.mu.Lock()
	delete(k.waiting, opaque)
	k.mu.Unlock()
}

// fail closes the connection and wakes all who wait for an answer.
func (k *link) fail(err error) {
	if err == nil {
		err = errWireClosed
	}
	k.mu.Lock()
	if k.failed == nil {
		k.failed = err
		for opaque, answer := range k.waiting {
			close(answer)
			delete(k.waiting, opaque)
		}
	}
	k.mu.Unlock()
	_ = k.conn.Close()
}

// write sends a frame, within the deadline of the context and at most a few seconds.
func (k *link) write(ctx context.Context, req *command) error {
	header, err := json.Marshal(req)
	if err != nil {
		return err
	}
	frame := make([]byte, 8, 8+len(header)+len(req.body))
	binary.BigEndian.PutUint32(frame, uint32(4+len(header)+len(req.body)))
	binary.BigEndian.PutUint32(frame[4:], uint32(len(header))|protocolJSON<<24)
	frame = append(append(frame, header...), req.body...)
	until := time.Now().Add(3 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := k.conn.SetWriteDeadline(until); err != nil {
		return err
	}
	_, err = k.conn.Write(frame)
	return err
}

// read hands out answers until the connection fails.
func (k *link) read(onRequest func(code int)) error {
	r := bufio.NewReaderSize(k.conn, 64<<10)
	for {
		got, err := readFrame(r)
		if err != nil {
			return err
		}
		if got.Flag&responseFlag == 0 {
			if onRequest != nil {
				onRequest(got.Code)
			}
			continue
		}
		k.mu.Lock()
		if answer, ok := k.waiting[got.Opaque]; ok {
			delete(k.waiting, got.Opaque)
			answer <- got // has room for one
		}
		k.mu.Unlock()
	}
}

// readFrame reads one frame.
func readFrame(r io.Reader) (*command, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	total, header := binary.BigEndian.Uint32(lengths[:]), binary.BigEndian.Uint32(lengths[4:])
	if header>>24 != protocolJSON {
		return nil, fmt.Errorf("header is encoded as %d, not as JSON", header>>24)
	}
	if total < 4 || total > frameMax || header > total-4 {
		return nil, fmt.Errorf("malformed frame of %d bytes with a header of %d", total, header)
	}
	data := make([]byte, total-4)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	got := new(command)
	if err := json.Unmarshal(data[:header], got); err != nil {
		return nil, fmt.Errorf("header of a frame: %w", err)
	}
	got.body = data[header:]
	return got, nil
}

// close ends all connections and waits for their goroutines.
func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	slots := slices.Collect(maps.Values(w.slots))
	w.mu.Unlock()
	for _, s := range slots {
		s.mu.Lock()
		k := s.link
		s.mu.Unlock()
		if k != nil {
			k.fail(errWireClosed)
		}
	}
	w.group.Wait()
}
