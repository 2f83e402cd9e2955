package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble"
)

// Keys of the ledger:
//
//	seen/ source 0 id   when an event was applied, in milliseconds
//	points/ customer    the customer's points
//	bad/ n              what could not be understood, for a person
const (
	spaceSeen   = "seen/"
	spacePoints = "points/"
	spaceBad    = "bad/"
)

// event is what this service needs of a decision's event; see docs/EVENTS.md.
type event struct {
	Source string `json:"source"`
	ID     string `json:"id"`
	Type   string `json:"type"`
	Data   struct {
		XID      string `json:"xid"`
		Branches []struct {
			Resource string `json:"resource"`
			Data     string `json:"data"`
		} `json:"branches"`
	} `json:"data"`
}

const (
	typeCommit = "io.concord.decision.commit"
	// resourcePoints is the resource, here a topic, of the branches that this service is about.
	resourcePoints = "points"
)

// order is the data of such a branch.
type order struct {
	Customer string `json:"customer"`
	Points   int64  `json:"points"`
}

// ledger is the service's own store. Any database does that can write two things at once.
type ledger struct {
	mu sync.Mutex // one batch at a time: what is read here is written below
	db *pebble.DB
}

func openLedger(dir string) (*ledger, error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &ledger{db: db}, nil
}

// quiet drops the store's log, save what ends the process.
type quiet struct{}

// Infof drops a message.
func (quiet) Infof(string, ...any) {}

// Errorf drops a message.
func (quiet) Errorf(string, ...any) {}

// Fatalf ends the process: the store is broken.
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// apply applies a batch of events, as messages and answers carry them, and returns the ids of those that were new.
// When it returns everything is on disk, or with an error nothing is.
func (l *ledger) apply(body []byte) (applied []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	write := l.db.NewIndexedBatch() // reads see what it has written: an event may be twice in a batch
	defer func() { _ = write.Close() }()
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		raw = []json.RawMessage{body}
	}
	for _, text := range raw {
		id, err := l.applyOne(write, text)
		if err != nil {
			return nil, err
		}
		if id != "" {
			applied = append(applied, id)
		}
	}
	if err := write.Commit(pebble.Sync); err != nil {
		return nil, fmt.Errorf("write the ledger: %w", err)
	}
	return applied, nil
}

// applyOne adds the effect of one event to the batch, and returns its id if it is new.
func (l *ledger) applyOne(write *pebble.Batch, text []byte) (id string, err error) {
	var e event
	if err := json.Unmarshal(text, &e); err != nil || e.ID == "" || e.Source == "" {
		return "", l.keepBad(write, text) // asking for it again would bring the same
	}
	seen := []byte(spaceSeen + e.Source + "\x00" + e.ID)
	if found, err := has(write, seen); found || err != nil {
		return "", err
	}
	for _, b := range e.Data.Branches {
		if e.Type != typeCommit || b.Resource != resourcePoints {
			continue
		}
		var o order
		if err := json.Unmarshal([]byte(b.Data), &o); err != nil || o.Customer == "" {
			if err := l.keepBad(write, text); err != nil {
				return "", err
			}
			continue
		}
		if err := credit(write, o); err != nil {
			return "", err
		}
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
	return e.ID, write.Set(seen, now, nil)
}

func has(r pebble.Reader, key []byte) (bool, error) {
	_, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}

// credit adds to a customer's points. Adding twice would be wrong, which is what makes it a good example.
func credit(write *pebble.Batch, o order) error {
	key := []byte(spacePoints + o.Customer)
	var points int64
	value, closer, err := write.Get(key)
	switch {
	case err == nil:
		points = int64(binary.BigEndian.Uint64(value))
		if err := closer.Close(); err != nil {
			return err
		}
	case !errors.Is(err, pebble.ErrNotFound):
		return err
	}
	return write.Set(key, binary.BigEndian.AppendUint64(nil, uint64(points+o.Points)), nil)
}

func (l *ledger) keepBad(write *pebble.Batch, text []byte) error {
	key := binary.BigEndian.AppendUint64([]byte(spaceBad), uint64(time.Now().UnixNano()))
	return write.Set(key, text, nil)
}

// each calls yield with the keys of a space, without its name.
func (l *ledger) each(space string, yield func(key string, value []byte)) error {
	end := []byte(space)
	end[len(end)-1]++
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte(space), UpperBound: end})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		yield(string(it.Key()[len(space):]), it.Value())
	}
	return it.Close()
}

// points returns what every customer has.
func (l *ledger) points() (map[string]int64, error) {
	all := map[string]int64{}
	err := l.each(spacePoints, func(customer string, value []byte) {
		all[customer] = int64(binary.BigEndian.Uint64(value))
	})
	return all, err
}

// forget drops the ids of events that were applied before a time. Keep them longer than the log keeps events.
func (l *ledger) forget(before time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	write := l.db.NewBatch()
	defer func() { _ = write.Close() }()
	var failed error
	err := l.each(spaceSeen, func(key string, value []byte) {
		if binary.BigEndian.Uint64(value) < uint64(before.UnixMilli()) {
			failed = errors.Join(failed, write.Delete([]byte(spaceSeen+key), nil))
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return write.Commit(pebble.Sync)
}

func (l *ledger) close() error { return l.db.Close() }
