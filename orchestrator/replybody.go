package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// StepReply is what a participant says to the message of a saga's step.
type StepReply struct {
	XID   txn.XID // Prefix is "" if only the number is known
	Reply txn.Reply
}

// What a participant of a saga is asked for.
const (
	operationForward    = "forward"
	operationCompensate = "compensate"
)

// ErrReply says that something is no reply to the message of a step.
var ErrReply = errors.New("no reply to a step of a saga")

// ReplyBody is a reply as JSON: to the API, or as the body of a message without the properties for it.
type ReplyBody struct {
	// ID is that of the message, or else there are the others. Branch is a number, or a text that is one.
	ID        string      `json:"id"`
	XID       string      `json:"xid"`
	Branch    json.Number `json:"branch"`
	Operation string      `json:"operation"`
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
		for i, field := range []*string{&b.XID, (*string)(&b.Branch), &b.Operation} {
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
	r.Reply.BranchID, err = strconv.ParseInt(b.Branch.String(), 10, 64)
	if err != nil || r.Reply.BranchID <= 0 {
		return r, fmt.Errorf("%w: branch is missing, or none: %.200q", ErrReply, b.Branch)
	}
	operations := map[string]txn.Outcome{"": txn.Forward, operationForward: txn.Forward, operationCompensate: txn.Rollback}
	if r.Reply.Op, ok = operations[b.Operation]; !ok {
		return r, fmt.Errorf("%w: operation is %s or %s, not %.200q", ErrReply, operationForward, operationCompensate,
			b.Operation)
	}
	outcomes := map[string]txn.Result{
		"": txn.ResultDone, "done": txn.ResultDone, "refused": txn.ResultRefused, "ongoing": txn.ResultOngoing,
		"failed": txn.ResultFailed,
	}
	if r.Reply.Result, ok = outcomes[b.Outcome]; !ok {
		return r, fmt.Errorf("%w: outcome is done, refused, ongoing or failed, not %.200q", ErrReply, b.Outcome)
	}
	r.Reply.Attempt, r.Reply.Text = b.Attempt, plain(b.Text)
	if len(b.Data) > 0 && string(b.Data) != "null" {
		r.Reply.Answer = string(b.Data)
	}
	return r, nil
}

// plain makes one line, which no terminal takes for a command, of what a program says for people.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
