package mq

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// StepReply is what a participant says to the message of a saga's step.
type StepReply struct {
	XID   txn.XID // Prefix is "" if only the number is known
	Reply txn.Reply
}

// ErrReply says that something is no reply to the message of a step.
var ErrReply = errors.New("no reply to a step of a saga")

// ReplyBody is a reply as JSON: to the API, or as the body of a message without the properties for it.
type ReplyBody struct {
	// ID is that of the message, or else there are the others.
	ID        string `json:"id"`
	XID       string `json:"xid"`
	Branch    string `json:"branch"`
	Operation string `json:"operation"`
	// Attempt is which copy is answered, 0: all of them.
	Attempt uint32          `json:"attempt"`
	Outcome string          `json:"outcome"`
	Text    string          `json:"text"`
	Data    json.RawMessage `json:"data"`
}

// Read checks a reply. Errors are [ErrReply].
func (b *ReplyBody) Read() (r StepReply, err error) {
	if b.ID != "" {
		parts := strings.Split(b.ID, "/")
		if len(parts) != 3 {
			return r, fmt.Errorf("%w: id %.200q is not XID/BRANCH/OPERATION", ErrReply, b.ID)
		}
		for i, field := range []*string{&b.XID, &b.Branch, &b.Operation} {
			if *field != "" && *field != parts[i] {
				return r, fmt.Errorf("%w: id %.200q is of another message than %.200q", ErrReply, b.ID, *field)
			}
			*field = parts[i]
		}
	}
	var ok bool
	if r.XID, ok = txn.ParseXID(b.XID); !ok {
		if r.XID, ok = txn.ParseXID(":" + b.XID); !ok {
			return r, fmt.Errorf("%w: xid is missing, or none: %.200q", ErrReply, b.XID)
		}
	}
	r.Reply.BranchID, err = strconv.ParseInt(b.Branch, 10, 64)
	if err != nil || r.Reply.BranchID <= 0 {
		return r, fmt.Errorf("%w: branch is missing, or none: %.200q", ErrReply, b.Branch)
	}
	operations := map[string]txn.Outcome{"": txn.Forward, OperationForward: txn.Forward, OperationCompensate: txn.Rollback}
	if r.Reply.Op, ok = operations[b.Operation]; !ok {
		return r, fmt.Errorf("%w: operation is %s or %s, not %.200q", ErrReply, OperationForward, OperationCompensate,
			b.Operation)
	}
	outcomes := map[string]txn.Result{
		"": txn.ResultDone, "done": txn.ResultDone, "refused": txn.ResultRefused, "ongoing": txn.ResultOngoing,
		"failed": txn.ResultFailed,
	}
	if r.Reply.Result, ok = outcomes[b.Outcome]; !ok {
		return r, fmt.Errorf("%w: outcome is done, refused, ongoing or failed, not %.200q", ErrReply, b.Outcome)
	}
	r.Reply.Attempt, r.Reply.Text = b.Attempt, b.Text
	if len(b.Data) > 0 && string(b.Data) != "null" {
		r.Reply.Answer = string(b.Data)
	}
	return r, nil
}

// ReadReply reads a message on a topic for replies: what names the step and says the outcome is in the properties, and
// then the body is the answer; or all of it is in the body, as [ReplyBody]. Properties of brokers and ours are no
// headers of the reply. Errors are [ErrReply].
func ReadReply(topic string, props map[string]string, body []byte, brokers func(property string) bool) (
	r StepReply, err error,
) {
	b := ReplyBody{
		ID: props[PropertyID], XID: props[PropertyXID], Branch: props[PropertyBranch], Operation: props[PropertyOperation],
		Outcome: props[PropertyOutcome], Text: props[PropertyText],
	}
	if n := props[PropertyAttempt]; n != "" {
		attempt, err := strconv.ParseUint(n, 10, 32)
		if err != nil {
			return r, fmt.Errorf("%w: attempt is a number, not %.200q", ErrReply, n)
		}
		b.Attempt = uint32(attempt)
	}
	if named := b.ID != "" || b.XID != ""; named {
		b.Data = body
	} else if err := json.Unmarshal(body, &b); err != nil {
		return r, fmt.Errorf("%w: neither properties nor the body say which step is answered", ErrReply)
	}
	if r, err = b.Read(); err == nil {
		r.Reply.Via, r.Reply.Headers = topic, headersOf(props, brokers)
	}
	return r, err
}

// replyHeadersMax bounds the headers of a reply, in number and bytes. What is beyond is not seen.
const (
	replyHeadersMax      = 50
	replyHeadersBytesMax = 8 << 10
)

// headersOf returns the headers of a reply as a JSON object, "" if there are none.
func headersOf(props map[string]string, brokers func(property string) bool) string {
	ours := []string{PropertyTrace, PropertyContentType}
	all, size := map[string]string{}, 0
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if strings.HasPrefix(name, "concord") || slices.Contains(ours, name) || brokers(name) {
			continue
		}
		if size += len(name) + len(props[name]); size > replyHeadersBytesMax || len(all) == replyHeadersMax {
			break
		}
		all[name] = props[name]
	}
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all) // texts
	return string(text)
}
