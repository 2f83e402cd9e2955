package journal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Phase says what an entry is of an action.
type Phase string

// The phases.
const (
	// Intent is written before something is done.
	Intent Phase = "intent"
	// Outcome is written after it; its Of is the ID of the intent.
	Outcome Phase = "outcome"
	// Fact is something that has happened and is no action on something, such as signing in.
	Fact Phase = "fact"
)

// Entry is one line of the journal.
type Entry struct {
	// Seq is the place in the journal, from 1. Prev is the hash of the entry before, empty in the first. Record sets
	// them, ID, which is unique, and At.
	Seq  uint64     `json:"seq"`
	Prev string     `json:"prev"`
	ID   string     `json:"id"`
	At   txn.Millis `json:"at"`
	// Who is the id of the principal, Name its name for people, How the way in which it came.
	Who  string `json:"who"`
	Name string `json:"name,omitempty"`
	How  string `json:"how,omitempty"`
	// Action is a name such as "transaction.commit", Target what it was done to.
	Action string `json:"action"`
	Target string `json:"target,omitempty"`
	Phase  Phase  `json:"phase"`
	Of     string `json:"of,omitempty"`
	// Why is the reason that was given.
	Why string `json:"why,omitempty"`
	// Before and After are what was changed, as JSON without secrets.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Status is the HTTP status of an outcome, Code the code of the problem if it was one.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// Address is where the request came from, RequestID its id in the log, Node the node that it came to.
	Address   string `json:"address,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	Node      string `json:"node,omitempty"`
	// Hash is that of this entry. It is not part of what is hashed.
	Hash string `json:"-"`
}

// stored is the value of a document. The hash is of Entry's bytes as they are, so that fields that a later version adds
// do not matter.
type stored struct {
	Hash  string          `json:"hash"`
	Entry json.RawMessage `json:"entry"`
}

const (
	// kind is the kind of the documents of the journal.
	kind = "journal"
	// sideBytesMax is how much of before and of after is kept.
	sideBytesMax = 64 << 10
	// textBytesMax bounds each text that a caller has a say in.
	textBytesMax = 1024
	// attempts is how often another node may be first before a write is given up.
	attempts = 50
)

// Options are the parts of a [Journal]. Documents is required.
type Options struct {
	Documents orchestrator.Documents
	Clock     orchestrator.Clock // nil: the machine's
	// Node is this node's id.
	Node   string
	Logger *slog.Logger // nil: discarded
}

// Journal writes and reads the log of what people did. It may be used concurrently.
type Journal struct {
	o    Options
	turn chan struct{} // holds a value while nobody writes; guards head

	// head is the last entry as far as this node knows; Seq 0 before the first look.
	head head
	seen bool
}

// head is the end of the chain.
type head struct {
	seq  uint64
	hash string
}

// New returns the journal of these documents.
func New(o Options) *Journal {
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Journal{o: o, turn: make(chan struct{}, 1)}
	j.turn <- struct{}{}
	return j
}

// ErrContended says that other nodes wrote so much that an entry found no place.
var ErrContended = errors.New("the journal is written by too many nodes at once")

// Record appends an entry and fills in what it did not know. When it returns nil the entry is durable. The error is a
// fault of the store, in which case the entry may be there or not.
func (j *Journal) Record(ctx context.Context, e *Entry) error {
	select {
	case <-j.turn:
	case <-ctx.Done():
		return fmt.Errorf("write the journal: %w", ctx.Err())
	}
	defer func() { j.turn <- struct{}{} }()
	e.ID, e.At, e.Node = rand.Text(), j.o.Clock.Now(), j.o.Node
	e.tidy()
	for range attempts {
		if err := j.look(ctx); err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
		err := j.append(ctx, e)
		if err == nil {
			j.o.Logger.InfoContext(ctx, "journal entry written", "seq", e.Seq, "hash", e.Hash, "action", e.Action,
				"phase", string(e.Phase), "who", e.Who, "target", e.Target)
			return nil
		}
		j.seen = false
		if !errors.Is(err, orchestrator.ErrConflict) {
			return fmt.Errorf("write the journal: %w", err)
		}
	}
	return fmt.Errorf("write the journal: %w", ErrContended)
}

// tidy cuts what is too long.
func (e *Entry) tidy() {
	for _, text := range []*string{&e.Who, &e.Name, &e.Target, &e.Why, &e.Address, &e.RequestID} {
		if len(*text) > textBytesMax {
			*text = (*text)[:textBytesMax]
		}
	}
	for _, side := range []*json.RawMessage{&e.Before, &e.After} {
		if len(*side) > sideBytesMax {
			*side = json.RawMessage(`{"omittedBytes":` + strconv.Itoa(len(*side)) + `}`)
		}
	}
}

// look finds the end of the chain if it is not known.
func (j *Journal) look(ctx context.Context) error {
	if j.seen {
		return nil
	}
	last, err := j.o.Documents.ListDocuments(ctx, orchestrator.DocumentQuery{Kind: kind, Newest: true, Limit: 1})
	if err != nil {
		return err
	}
	now := head{}
	if len(last) > 0 {
		e, err := decode(last[0])
		if err != nil {
			return err
		}
		now = head{e.Seq, e.Hash}
	}
	if now.seq < j.head.seq {
		// Somebody has removed entries that this node knows of. What follows must show the gap, not close it.
		j.o.Logger.Error("journal is shorter than it was", "last", now.seq, "known", j.head.seq)
		now = j.head
	}
	j.head, j.seen = now, true
	return nil
}

// append stores e behind the head.
func (j *Journal) append(ctx context.Context, e *Entry) error {
	e.Seq, e.Prev = j.head.seq+1, j.head.hash
	d, err := encode(e)
	if err != nil {
		return err
	}
	err = j.o.Documents.PutDocument(ctx, d)
	if err != nil && !errors.Is(err, orchestrator.ErrConflict) && j.isThere(ctx, e) {
		err = nil // only the answer was lost
	}
	if err != nil {
		return err
	}
	j.head = head{e.Seq, e.Hash}
	return nil
}

// lookLimit bounds the look at an entry of which it is not known whether it was stored.
const lookLimit = 2 * time.Second

// isThere reports whether an entry is stored.
func (j *Journal) isThere(ctx context.Context, e *Entry) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	d, err := j.o.Documents.GetDocument(ctx, kind, keyOf(e.Seq))
	if err != nil {
		return false
	}
	found, err := decode(d)
	return err == nil && found.ID == e.ID
}

// keyOf is the key of an entry's document: its number, so written that the order of keys is that of numbers.
func keyOf(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// encode makes the document of an entry and sets its hash.
func encode(e *Entry) (orchestrator.Document, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return orchestrator.Document{}, fmt.Errorf("encode: %w", err)
	}
	e.Hash = hashOf(raw)
	value, err := json.Marshal(stored{Hash: e.Hash, Entry: raw})
	if err != nil {
		return orchestrator.Document{}, fmt.Errorf("encode: %w", err)
	}
	return orchestrator.Document{Kind: kind, Key: keyOf(e.Seq), Version: 1, Value: value}, nil
}

// decode reads an entry without judging it.
func decode(d orchestrator.Document) (*Entry, error) {
	var s stored
	if err := json.Unmarshal(d.Value, &s); err != nil {
		return nil, fmt.Errorf("entry %s: %w", d.Key, err)
	}
	e := &Entry{Hash: s.Hash}
	if err := json.Unmarshal(s.Entry, e); err != nil {
		return nil, fmt.Errorf("entry %s: %w", d.Key, err)
	}
	return e, nil
}

func hashOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
