package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// The addresses of the internal calls.
const (
	pathCommands = "/internal/v1/commands"
	pathReplies  = "/internal/v1/replies"
)

var errNotListed = errors.New("the directory has no live node of this name")

// newClient returns a client for the few connections between nodes. It gives idle ones up long before the other node
// does (2 min): a call on a connection that is just being closed would fail without saying whether it was heard.
func newClient(l Limits) *http.Client {
	dialer := net.Dialer{Timeout: l.DialLimit, KeepAlive: 15 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes a call. reached says whether the other node may have done what was asked although there is an error.
func (r *Relay) call(ctx context.Context, node, path string, body []byte) (answer []byte, reached bool, err error) {
	r.stats.calls.Add(1)
	defer func() {
		if err != nil {
			r.stats.callErrors.Add(1)
		}
	}()
	address := r.view.Load().addresses[node]
	if address == "" {
		return nil, false, errNotListed
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.CallLimit)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Content-Type", contentType)
	e := envelope{
		path: path, from: r.self, to: node, at: r.clock.Now(), body: bodyHash(body),
		instance: fmt.Sprintf("%0*x", instanceDigits, r.instance), count: r.calls.Add(1),
	}
	e.write(request.Header, r.secret)
	response, err := r.client.Do(request)
	if err != nil {
		return nil, wrote.Load(), err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode == http.StatusInternalServerError, refusal(response.StatusCode, answer)
	}
	return answer, true, err
}

const (
	contentType    = "application/octet-stream"
	answerBytesMax = 4 << 20
)

// refusal is the error for an answer other than 200. Whoever answers so has done nothing, save with 500.
func refusal(status int, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return fmt.Errorf("status %d", status)
	}
	return fmt.Errorf("status %d %s", status, p.Code)
}
