package mq

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The content types of events: of one, and of the batches that messages and HTTP answers are.
const (
	ContentTypeEvent = "application/cloudevents+json"
	ContentTypeBatch = "application/cloudevents-batch+json"
)

// AppendBatch appends the batch form of events to dst: a JSON array. The events are taken as they are.
func AppendBatch(dst []byte, events ...[]byte) []byte {
	dst = append(dst, '[')
	for i, e := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, ']')
}

// ErrBatch says that bytes are not a batch of events.
var ErrBatch = errors.New("not a batch of events")

// SplitBatch returns the events of a batch, each with the very bytes that it has in there.
func SplitBatch(batch []byte) ([][]byte, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(batch, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBatch, err)
	}
	events := make([][]byte, len(raw))
	for i, e := range raw {
		if len(e) == 0 || e[0] != '{' {
			return nil, ErrBatch
		}
		events[i] = e
	}
	return events, nil
}
