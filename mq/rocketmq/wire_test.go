package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

func TestFramesThatAreMalformedEndTheConnection(t *testing.T) {
	t.Parallel()
	for _, frame := range [][]byte{
		{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
		{0, 0, 0, 3, 0, 0, 0, 0},
		{0, 0, 0, 8, 1, 0, 0, 4, '{', '}', ' ', ' '},
		{0, 0, 0, 8, 0, 0, 0, 5, '{', '}', ' ', ' '},
		{0, 0, 0, 8, 0, 0, 0, 4, '{', '}', '}', ' '},
		{0, 0, 0, 8},
	} {
		if got, err := readFrame(bytes.NewReader(frame)); err == nil {
			t.Errorf("% x is read as %+v", frame, got)
		}
	}
}

func TestCallsEndWithTheirContextAndWithTheConnection(t *testing.T) {
	t.Parallel()
	addr := fakeServer(t, func(*command) *command { return nil })
	w := newWire("", "", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.call(ctx, addr, codeMaxOffset, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := w.call(context.Background(), addr, codeMaxOffset, nil, nil)
		ended <- err
	}()
	for waits := 0; waits == 0; {
		k, err := w.link(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		waits = len(k.waiting)
		k.mu.Unlock()
	}
	w.close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a call succeeded without an answer")
		}
	case <-time.After(10 * time.Second):
		t.Error("a call outlives its connection")
	}
}

func TestRequestsAreSignedAsBrokersCheck(t *testing.T) {
	t.Parallel()
	w := newWire("key", "secret", nil)
	req := &command{Ext: map[string]string{"topic": "t", "a": "1"}, body: []byte("body")}
	w.sign(req)
	// The values in order of their names: AccessKey, a, topic, and the body.
	if got, want := req.Ext["Signature"], hmacOf("secret", "key1tbody"); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
