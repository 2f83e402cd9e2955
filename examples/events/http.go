package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fromHTTP reads the events from Concord's own log, as a consumer group.
type fromHTTP struct {
	server, group, topic string
	client               *http.Client
	// ackDelay is the time between the effect and its acknowledgement, to try out what a crash in between does.
	ackDelay time.Duration
}

// run hands batches to handle until ctx ends. What is not acknowledged comes again.
func (s *fromHTTP) run(ctx context.Context, handle func(batch []byte) error, log func(format string, args ...any)) {
	path := "/api/v1/events/groups/" + url.PathEscape(s.group)
	joined := false
	for ctx.Err() == nil {
		err := s.round(ctx, path, &joined, handle)
		if err == nil || ctx.Err() != nil {
			continue
		}
		log("waiting a second: %v", err)
		wait(ctx, time.Second)
	}
}

// round joins the group if that was not done yet, and takes one batch.
func (s *fromHTTP) round(ctx context.Context, path string, joined *bool, handle func([]byte) error) error {
	if !*joined {
		// It may exist: then this changes nothing, and the group goes on where it was.
		body := map[string]any{"topics": []string{s.topic}, "from": "oldest"}
		if _, _, err := s.ask(ctx, http.MethodPut, path, body); err != nil {
			return err
		}
		*joined = true
	}
	batch, header, err := s.ask(ctx, http.MethodPost, path+"/poll?wait=20s&limit=100", nil)
	if err != nil {
		*joined = false // perhaps the group was deleted
		return err
	}
	deliveries := strings.Fields(header.Get("Concord-Deliveries"))
	if len(deliveries) == 0 {
		return nil
	}
	if err := handle(batch); err != nil {
		reason := map[string]any{"deliveries": deliveries, "reason": err.Error()}
		_, _, nack := s.ask(ctx, http.MethodPost, path+"/nack", reason)
		if nack != nil {
			return fmt.Errorf("%w; and then: %w", err, nack)
		}
		return err
	}
	wait(ctx, s.ackDelay)
	_, _, err = s.ask(ctx, http.MethodPost, path+"/ack", map[string]any{"deliveries": deliveries})
	return err
}

// ask sends a request and returns the body of the answer.
func (s *fromHTTP) ask(ctx context.Context, method, path string, body any) ([]byte, http.Header, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, s.server+path, bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/cloudevents-batch+json, application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return answer, resp.Header, nil
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
