package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Store is what the audit reads of the store: everything there is, in any order. EachLock is called twice, the others
// once.
type Store interface {
	// Now is the store's time.
	Now(ctx context.Context) (txn.Millis, error)
	// EachGlobal yields live and ended transactions with the epoch of the last writer (0: not known).
	EachGlobal(ctx context.Context, yield func(g *txn.Global, epoch int64) error) error
	// EachLock yields the rows that are locked.
	EachLock(ctx context.Context, yield func(row txn.Row, holder, branch int64) error) error
	// EachOutbox yields the decisions whose message was not read yet.
	EachOutbox(ctx context.Context, yield func(id int64, topic string, event []byte, at txn.Millis) error) error
	// EachPack yields the packs.
	EachPack(ctx context.Context, yield func(id string, p Pack) error) error
	// EachNode yields the lives of the nodes.
	EachNode(ctx context.Context, yield func(NodeLife) error) error
}

// Broker is what the audit reads of the topics: every message, each queue in order of offsets. It is called twice.
// Messages of the topic that the broker gives up to have dead set.
type Broker interface {
	EachMessage(ctx context.Context, yield func(m *Message, dead bool) error) error
}

// Named is a client's history with its name for errors.
type Named struct {
	Name string
	In   io.Reader
}

// Inputs are the sources that are given; nil and empty ones are not read.
type Inputs struct {
	Store        Store
	Broker       Broker
	Participants *Participants
	Histories    []Named
}

// Gather reads everything. The order matters on a cluster that is running: what clients were told and what was
// published must be in a store that is read later; what the store says has ended must be so at participants, and on
// topics, that are read later still.
func Gather(ctx context.Context, in Inputs, s Settings) (*Evidence, error) {
	e := NewEvidence(s)
	for _, h := range in.Histories {
		if err := ReadHistory(h.In, e.AddCall); err != nil {
			return nil, fmt.Errorf("history %s: %w", h.Name, err)
		}
		e.Have |= History | Attempts
	}
	first := readings{}
	if in.Broker != nil {
		if err := readTopics(ctx, in.Broker, first, e, nil); err != nil {
			return nil, fmt.Errorf("topics: %w", err)
		}
		e.Have |= Topics
	}
	if in.Store != nil {
		if err := readStore(ctx, in.Store, e); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	if in.Participants != nil {
		if err := in.Participants.Read(ctx, e); err != nil {
			return nil, err
		}
	}
	if in.Broker != nil {
		if err := readTopics(ctx, in.Broker, readings{}, e, first); err != nil {
			return nil, fmt.Errorf("topics, second reading: %w", err)
		}
		e.Have |= TopicsTwice
	}
	return e, nil
}

func readStore(ctx context.Context, s Store, e *Evidence) error {
	before := map[heldFor]bool{}
	err := s.EachLock(ctx, func(row txn.Row, holder, branch int64) error {
		before[heldFor{row, holder, branch}] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("read locks: %w", err)
	}
	err = s.EachGlobal(ctx, func(g *txn.Global, epoch int64) error {
		e.AddRecord(g, epoch)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read transactions: %w", err)
	}
	// A branch is given its rows once, so a row that it has now and had before it had all the while: whatever the record
	// says of it was said under that lock. Of rows that came or went meanwhile nothing can be said.
	err = s.EachLock(ctx, func(row txn.Row, holder, branch int64) error {
		if before[heldFor{row, holder, branch}] {
			e.AddLock(row, holder, branch)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read locks again: %w", err)
	}
	err = s.EachOutbox(ctx, func(id int64, topic string, event []byte, at txn.Millis) error {
		e.Outbox = append(e.Outbox, Pending{ID: id, Topic: e.intern(topic), Hash: HashOf(event), RecordedAt: at})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	err = s.EachPack(ctx, func(id string, p Pack) error {
		e.Packs[id] = p
		return nil
	})
	if err != nil {
		return fmt.Errorf("read packs: %w", err)
	}
	err = s.EachNode(ctx, func(n NodeLife) error {
		e.Nodes = append(e.Nodes, n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read nodes: %w", err)
	}
	slices.SortFunc(e.Nodes, func(a, b NodeLife) int { return int(a.Epoch - b.Epoch) })
	e.Have |= Records | LockTable | OutboxTable | PackTable | NodeTable
	e.Now, err = s.Now(ctx)
	return err
}

// heldFor is a row with the branch that holds it.
type heldFor struct {
	row            txn.Row
	holder, branch int64
}

// queueKey names a queue.
type queueKey struct {
	topic, broker string
	queue         int
}

// reading is what was read of one queue.
type reading struct {
	messages int64
	sum      hash.Hash
}

// readings are those of all queues.
type readings map[queueKey]*reading

// add takes a message and reports how many of its queue were read before.
func (r readings) add(m *Message) int64 {
	q := queueKey{m.Topic, m.Broker, m.Queue}
	if r[q] == nil {
		r[q] = &reading{sum: sha256.New()}
	}
	var head [16]byte
	binary.BigEndian.PutUint64(head[:8], uint64(m.Offset))
	binary.BigEndian.PutUint64(head[8:], uint64(len(m.Body)))
	r[q].sum.Write(head[:])
	r[q].sum.Write(m.Body)
	r[q].messages++
	return r[q].messages - 1
}

// readTopics reads all messages. In the second reading, when before is not nil, what is there twice is compared, and
// of what is new only decisions that the store knew are taken.
func readTopics(ctx context.Context, b Broker, now readings, e *Evidence, before readings) error {
	err := b.EachMessage(ctx, func(m *Message, dead bool) error {
		q := queueKey{m.Topic, m.Broker, m.Queue}
		switch {
		case before == nil && dead:
			e.AddDead(m)
		case dead:
		case before == nil:
			now.add(m)
			e.AddMessage(m)
		case before[q] != nil && (now[q] == nil || now[q].messages < before[q].messages):
			now.add(m)
		default:
			e.addLater(m)
		}
		return nil
	})
	if err != nil || before == nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(before), func(a, b queueKey) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), strings.Compare(a.broker, b.broker), a.queue-b.queue)
	})
	for _, q := range keys {
		r := Replay{
			Topic: q.topic, Broker: q.broker, Queue: q.queue, Messages: before[q].messages,
			First: Hash(before[q].sum.Sum(nil)[:16]),
		}
		if now[q] != nil {
			r.Second = Hash(now[q].sum.Sum(nil)[:16])
		}
		e.Replays = append(e.Replays, r)
	}
	return nil
}

// addLater takes a message that came after the store was read: only what the store knew as decided can be compared.
func (e *Evidence) addLater(m *Message) {
	batch, err := SplitBatch(m.Body)
	if err != nil {
		e.AddMessage(m) // it says what is wrong
		return
	}
	for _, raw := range batch {
		event, err := DecodeEvent(raw)
		if err != nil || e.Stories[event.XID.ID] == nil || e.Stories[event.XID.ID].outcome() == 0 {
			continue
		}
		e.addEvent(m, raw, m.where())
	}
}
