package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"strings"
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
	case <-time.After(60 * time.Second):
		t.Error("a call outlives its connection")
	}
}

// TestReadEndsAlthoughSomebodyAcceptsAndSaysNothing: auditors read without a deadline of their own.
func TestReadEndsAlthoughSomebodyAcceptsAndSaysNothing(t *testing.T) {
	t.Parallel()
	for name, silent := range map[string]int{
		"name server": codeRoute, "first offset": codeMinOffset, "next offset": codeMaxOffset, "messages": codePull,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var addr string
			addr = fakeServer(t, func(req *command) *command {
				switch req.Code {
				case silent:
					return nil
				case codeRoute:
					return &command{body: []byte(`{"brokerDatas":[{"brokerName":"b","brokerAddrs":{0:"` + addr + `"}}],` +
						`"queueDatas":[{"brokerName":"b","perm":6,"readQueueNums":1,"writeQueueNums":1}]}`)}
				case codeMinOffset:
					return &command{Ext: map[string]string{"offset": "5"}}
				case codeMaxOffset:
					return &command{Ext: map[string]string{"offset": "9"}}
				}
				return &command{Code: 1, Remark: "not expected"}
			})
			ended := make(chan error, 1)
			ctx, cancel := context.WithCancel(context.Background()) // no deadline
			defer cancel()
			go func() {
				ended <- Read(ctx, ReadOptions{NameServers: []string{addr}, Topics: []string{"t"}},
					func(Message) error { return errors.New("there is none") })
			}()
			select {
			case err := <-ended:
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "topic t") {
					t.Error(err)
				}
			case <-time.After(30 * time.Second):
				t.Error("it hangs")
				cancel()
				<-ended
			}
		})
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
