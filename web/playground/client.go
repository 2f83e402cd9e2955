package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client asks the API of this server, as any program does.
type client struct {
	base string
	http *http.Client
}

// actor is who the playground says it is.
const actor = "playground"

// answerBytesMax bounds what is read of an answer.
const answerBytesMax = 8 << 20

func newClient(base string) *client {
	const dialLimit, requestLimit = 2 * time.Second, 40 * time.Second
	return &client{base: base, http: &http.Client{
		Timeout: requestLimit,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialLimit}).DialContext,
			MaxIdleConnsPerHost: requestsMax, MaxConnsPerHost: 2 * requestsMax, IdleConnTimeout: 10 * time.Second,
		},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// refusal is an answer of the API that is no success.
type refusal struct {
	Status        int    `json:"status"`
	Code          string `json:"code"`
	Title, Detail string
}

// Error returns the server's words.
func (r *refusal) Error() string {
	if r.Detail == "" {
		return r.Title
	}
	return r.Title + " " + r.Detail
}

// ask sends a request to a path of the API. body and answer may be nil.
func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	var text []byte
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		text, kind = b, "application/yaml"
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			return fmt.Errorf("write a request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Concord-Actor", actor)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err = io.ReadAll(io.LimitReader(resp.Body, answerBytesMax)); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		r := &refusal{Status: resp.StatusCode, Title: resp.Status}
		_ = json.Unmarshal(text, r) // what is no document has a status at least
		return r
	}
	if answer == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return nil
}

// refusedAs reports whether an error is a refusal with a code.
func refusedAs(err error, code string) bool {
	var r *refusal
	return errors.As(err, &r) && r.Code == code
}
