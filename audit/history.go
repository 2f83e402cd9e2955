package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Op is what a line of a client's history tells of.
type Op string

// The operations.
const (
	OpBegin    Op = "begin"
	OpRegister Op = "register"
	OpReport   Op = "report"
	OpCommit   Op = "commit"
	OpRollback Op = "rollback"
	OpStatus   Op = "status"
	// OpAttempt is a command of phase two that the client was given; Action says which.
	OpAttempt Op = "attempt"
)

// Answer is how a call ended.
type Answer string

// The answers.
const (
	// AnswerOK: it was carried out. For an attempt: the client has answered that it is done.
	AnswerOK Answer = "ok"
	// AnswerLocked: refused for a row that another transaction holds.
	AnswerLocked Answer = "locked"
	// AnswerRefused: the coordinator said no; nothing was changed. For an attempt: the client has answered a failure.
	AnswerRefused Answer = "refused"
	// AnswerUnknown: no answer, or an error of the transport: it may have been carried out or not.
	AnswerUnknown Answer = "unknown"
)

// Call is one line of a client's history: a JSON object with these fields and no others.
type Call struct {
	// Client names the process whose clock the times are from, Thread is free text.
	Client string `json:"client"`
	Thread string `json:"thread,omitempty"`
	Op     Op     `json:"op"`
	// Asked and Answered are microseconds of the client's clock: just before the call, and just after its end.
	Asked    int64  `json:"asked"`
	Answered int64  `json:"answered"`
	Answer   Answer `json:"answer"`
	// XID is empty only for a begin that was not answered.
	XID string `json:"xid,omitempty"`
	// Branch is the id that a register was given, or the branch of a report or an attempt.
	Branch int64 `json:"branch,omitempty"`
	// Kind and Resource are those of the branch; LockKey is what a register asked for.
	Kind     string `json:"kind,omitempty"`
	Resource string `json:"resource,omitempty"`
	LockKey  string `json:"lockKey,omitempty"`
	// Action is commit or rollback, of an attempt.
	Action string `json:"action,omitempty"`
	// Status is the status that was told, by Seata's name, if one was.
	Status string `json:"status,omitempty"`
	// Holder is the xid that was named in a conflict, if one was.
	Holder string `json:"holder,omitempty"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
}

// outcomes are what Seata's statuses tell. Those that are not here tell no outcome.
var outcomes = map[string]txn.Outcome{
	"Committing": txn.Commit, "CommitRetrying": txn.Commit, "AsyncCommitting": txn.Commit, "Committed": txn.Commit,
	"CommitFailed": txn.Commit, "CommitRetryTimeout": txn.Commit,
	"Rollbacking": txn.Rollback, "RollbackRetrying": txn.Rollback, "Rollbacked": txn.Rollback,
	"RollbackFailed": txn.Rollback, "TimeoutRollbacking": txn.Rollback, "TimeoutRollbackRetrying": txn.Rollback,
	"TimeoutRollbacked": txn.Rollback, "TimeoutRollbackFailed": txn.Rollback, "RollbackRetryTimeout": txn.Rollback,
}

// silent are the statuses that tell no outcome.
var silent = map[string]bool{
	"": true, "UnKnown": true, "Begin": true, "Finished": true, "Deleting": true, "StopCommitOrCommitRetry": true,
	"StopRollbackOrRollbackRetry": true,
}

// told is the outcome that a call showed, or 0.
func (c *Call) told() txn.Outcome {
	if c.Answer != AnswerOK {
		return 0
	}
	return outcomes[c.Status]
}

// toldEnd reports whether a call showed that the transaction has ended.
func (c *Call) toldEnd() bool {
	return c.told() != 0 && (c.Status == "Committed" || c.Status == "Rollbacked" || c.Status == "TimeoutRollbacked")
}

// historyLineBytesMax bounds a line of a history.
const historyLineBytesMax = 4 << 20

// ReadHistory reads lines until the end and gives them to yield. A last line without its newline is left out, because
// the client may have been killed while it wrote it; any other that is not a Call is an error with its number.
func ReadHistory(r io.Reader, yield func(*Call) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read line %d: %w", number, err)
		}
		if len(line) > historyLineBytesMax {
			return fmt.Errorf("line %d is longer than %d bytes", number, historyLineBytesMax)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c, err := decodeCall(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := yield(c); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

func decodeCall(line []byte) (*Call, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	c := &Call{}
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	switch c.Op {
	case OpBegin, OpRegister, OpReport, OpCommit, OpRollback, OpStatus, OpAttempt:
	default:
		return nil, fmt.Errorf("op %q is none", c.Op)
	}
	switch c.Answer {
	case AnswerOK, AnswerLocked, AnswerRefused, AnswerUnknown:
	default:
		return nil, fmt.Errorf("answer %q is none", c.Answer)
	}
	if outcomes[c.Status] == 0 && !silent[c.Status] {
		return nil, fmt.Errorf("status %q is none of Seata's", c.Status)
	}
	switch {
	case c.Client == "":
		return nil, errors.New("client is missing")
	case c.Asked <= 0 || c.Answered < c.Asked:
		return nil, fmt.Errorf("asked at %d, answered at %d", c.Asked, c.Answered)
	case c.Op == OpAttempt && c.Action != "commit" && c.Action != "rollback":
		return nil, fmt.Errorf("action %q is none", c.Action)
	case c.XID == "" && (c.Op != OpBegin || c.Answer == AnswerOK):
		return nil, errors.New("xid is missing")
	}
	return c, nil
}

// AddCall takes a line of a history.
func (e *Evidence) AddCall(c *Call) error {
	if c.XID == "" {
		return nil // a begin that was not answered: nobody knows which it would have been
	}
	x, ok := txn.ParseXID(c.XID)
	if !ok {
		return fmt.Errorf("xid %q is none", c.XID)
	}
	s := e.story(x.ID)
	c.Client, c.Thread, c.Resource = e.intern(c.Client), "", e.intern(c.Resource)
	c.Status, c.Kind, c.Detail, c.Action = e.intern(c.Status), e.intern(c.Kind), "", e.intern(c.Action)
	if len(s.Calls) > 0 && s.Calls[0].XID == c.XID {
		c.XID = s.Calls[0].XID // one in memory is enough
	}
	if c.Answer != AnswerLocked {
		c.LockKey = "" // the record has it
	}
	if c.Op != OpAttempt {
		s.Calls = append(s.Calls, c)
		if c.Op == OpRegister && c.Answer == AnswerOK {
			e.Given = append(e.Given, GivenBranch{Branch: c.Branch, ID: x.ID})
		}
		return nil
	}
	action := txn.Commit
	if c.Action == "rollback" {
		action = txn.Rollback
	}
	s.Attempts = append(s.Attempts, &Attempt{
		Branch: c.Branch, Kind: c.Kind, Action: action, Done: c.Answer == AnswerOK, Client: c.Client, Asked: c.Asked,
		Answered: c.Answered,
	})
	return nil
}
