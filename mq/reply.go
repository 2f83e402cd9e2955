package mq

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
)

// ReadReply reads a message on a topic for replies: what names the step and says the outcome is in the properties, and
// then the body is the answer; or all of it is in the body, as [orchestrator.ReplyBody]. Properties of brokers
// and ours are no headers of the reply. Errors are [orchestrator.ErrReply].
func ReadReply(topic string, props map[string]string, body []byte, brokers func(property string) bool) (
	r orchestrator.StepReply, err error,
) {
	b := orchestrator.ReplyBody{
		ID: props[PropertyID], XID: props[PropertyXID], Branch: json.Number(props[PropertyBranch]),
		Operation: props[PropertyOperation], Outcome: props[PropertyOutcome], Text: props[PropertyText],
	}
	if n := props[PropertyAttempt]; n != "" {
		attempt, err := strconv.ParseUint(n, 10, 32)
		if err != nil {
			return r, fmt.Errorf("%w: attempt is a number, not %.200q", orchestrator.ErrReply, n)
		}
		b.Attempt = uint32(attempt)
	}
	if b.ID != "" || b.XID != "" {
		b.Data = body
	} else if err := json.Unmarshal(body, &b); err != nil {
		return r, fmt.Errorf("%w: neither properties nor the body say which step is answered",
			orchestrator.ErrReply)
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
