package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Message is one message of a topic, as a consumer gets it.
type Message struct {
	Topic    string
	Broker   string
	Queue    int
	Offset   int64
	Keys     string // the xids, separated by blanks
	Pack     string // the pack id, "" if it is not told
	StoredAt time.Time
	Body     []byte
}

// Event is what the checks need of a decision's CloudEvent.
type Event struct {
	XID                      txn.XID
	Version                  uint64
	Outcome                  txn.Outcome
	Cause                    string
	Application, Group, Name string
	BeganAt, DecidedAt       txn.Millis
	Epoch                    int64 // 0: not told
	Branches                 []EventBranch
	// Truncated says that the branches carry their ids only.
	Truncated bool
}

// EventBranch is a branch in an event.
type EventBranch struct {
	ID             int64
	Kind, Resource string
}

// wireEvent is the JSON of a CloudEvent. Fields that are not here are not looked at: consumers may get more.
type wireEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Type        string `json:"type"`
	Subject     string `json:"subject"`
	Data        struct {
		XID         string    `json:"xid"`
		Outcome     string    `json:"outcome"`
		Cause       string    `json:"cause"`
		Application string    `json:"application"`
		Group       string    `json:"group"`
		Name        string    `json:"name"`
		BeganAt     time.Time `json:"beganAt"`
		DecidedAt   time.Time `json:"decidedAt"`
		Epoch       int64     `json:"epoch"`
		Truncated   bool      `json:"truncated"`
		Branches    []struct {
			ID       string `json:"id"`
			Kind     string `json:"kind"`
			Resource string `json:"resource"`
		} `json:"branches"`
	} `json:"data"`
}

// DecodeEvent reads the CloudEvent of a decision.
func DecodeEvent(raw []byte) (*Event, error) {
	var w wireEvent
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, err
	}
	x, ok := txn.ParseXID(w.Data.XID)
	if !ok {
		return nil, fmt.Errorf("data.xid %q is none", w.Data.XID)
	}
	prefix, version, found := cutLast(w.ID, '/')
	if w.SpecVersion != "1.0" || !found || prefix != w.Data.XID || w.Subject != w.Data.XID {
		return nil, fmt.Errorf("specversion %q, id %q, subject %q of %s", w.SpecVersion, w.ID, w.Subject, w.Data.XID)
	}
	e := &Event{
		XID: x, Cause: w.Data.Cause, Application: w.Data.Application, Group: w.Data.Group, Name: w.Data.Name,
		BeganAt: millis(w.Data.BeganAt), DecidedAt: millis(w.Data.DecidedAt), Epoch: w.Data.Epoch,
		Truncated: w.Data.Truncated,
	}
	var err error
	if e.Version, err = strconv.ParseUint(version, 10, 64); err != nil {
		return nil, fmt.Errorf("id %q: %w", w.ID, err)
	}
	switch {
	case w.Data.Outcome == "commit" && strings.HasSuffix(w.Type, ".commit"):
		e.Outcome = txn.Commit
	case w.Data.Outcome == "rollback" && strings.HasSuffix(w.Type, ".rollback"):
		e.Outcome = txn.Rollback
	default:
		return nil, fmt.Errorf("type %q with outcome %q", w.Type, w.Data.Outcome)
	}
	for _, b := range w.Data.Branches {
		id, err := strconv.ParseInt(b.ID, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("branch %q: %w", b.ID, err)
		}
		e.Branches = append(e.Branches, EventBranch{ID: id, Kind: b.Kind, Resource: b.Resource})
	}
	return e, nil
}

func millis(t time.Time) txn.Millis {
	if t.IsZero() {
		return 0
	}
	return txn.MillisOf(t)
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// HashOf is the content hash of an event's bytes.
func HashOf(raw []byte) Hash {
	sum := sha256.Sum256(raw)
	return Hash(sum[:16])
}

// SplitBatch returns the events of a message: those of a JSON array, or the one object. The bytes of each are as they
// were sent.
func SplitBatch(body []byte) ([]json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, errors.New("it is empty")
	}
	if body[0] == '{' {
		return []json.RawMessage{body}, nil
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(body, &batch); err != nil {
		return nil, err
	}
	return batch, nil
}

// where names the place of a message.
func (m *Message) where() string {
	return fmt.Sprintf("%s broker %s queue %d offset %d", m.Topic, m.Broker, m.Queue, m.Offset)
}

// AddMessage takes a message of a decision topic. What cannot be read is remembered as a stray.
func (e *Evidence) AddMessage(m *Message) {
	where := m.where()
	batch, err := SplitBatch(m.Body)
	if err != nil {
		e.Strays = append(e.Strays, fmt.Sprintf("%s is no batch of events: %v", where, err))
		return
	}
	for _, raw := range batch {
		e.addEvent(m, raw, where)
	}
}

func (e *Evidence) addEvent(m *Message, raw []byte, where string) {
	event, err := DecodeEvent(raw)
	if err != nil {
		e.Strays = append(e.Strays, fmt.Sprintf("%s has something that is no decision: %v", where, err))
		return
	}
	s := e.story(event.XID.ID)
	p := &Published{
		Topic: e.intern(m.Topic), Broker: e.intern(m.Broker), Queue: m.Queue, Offset: m.Offset, Pack: m.Pack,
		StoredAt: m.StoredAt,
		Hash:     HashOf(raw), Event: event,
	}
	for _, before := range s.Published {
		if before.Hash == p.Hash {
			p.Event = before.Event // one in memory is enough
		}
	}
	for i := range event.Branches {
		b := &event.Branches[i]
		b.Kind, b.Resource = e.intern(b.Kind), e.intern(b.Resource)
	}
	event.Application, event.Group = e.intern(event.Application), e.intern(event.Group)
	event.Name = e.intern(event.Name)
	s.Published = append(s.Published, p)
}

// AddDead takes a message of our topics that the broker has given up, from TRANS_CHECK_MAX_TIME_TOPIC.
func (e *Evidence) AddDead(m *Message) {
	e.Dead = append(e.Dead, strings.Fields(m.Keys)...)
	if m.Keys == "" {
		e.Dead = append(e.Dead, fmt.Sprintf("offset %d, without keys", m.Offset))
	}
}
