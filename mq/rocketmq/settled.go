package rocketmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/concord-tx/concord/orchestrator"
)

// settled remembers which dead letters were replayed or discarded: one document for each queue, with ranges of offsets.
// What the broker has deleted is forgotten with the next change. A queue that was made anew, so that it ends before
// what is remembered of it, begins without anything settled.
type settled struct{ docs orchestrator.Documents }

// settledKind is the kind of the documents.
const settledKind = "dead-letters"

// rangesMax bounds the ranges of a queue. Offsets that follow each other are one range.
const rangesMax = 20_000

// ranges are offsets: each from its first to before its second number, in order, with gaps in between.
type ranges [][2]int64

// settledRecord is the value of a document.
type settledRecord struct {
	Topic  string `json:"topic"`
	Broker string `json:"broker"`
	Queue  int    `json:"queue"`
	Ranges ranges `json:"ranges"`
}

// key of a queue's document. Names may be longer than a key.
func (settled) key(q queue) string {
	sum := sha256.Sum256([]byte(q.topic + "\x00" + q.broker))
	return hex.EncodeToString(sum[:]) + "/" + strconv.Itoa(q.id)
}

// of returns what is settled of a queue, and the version of the document, 0 if there is none. It calls end, which asks
// the broker where the queue ends, once, and after the document is read: another node may settle a letter that has come
// since somebody asked before, and the queue would look as if it were made anew.
func (s settled) of(ctx context.Context, q queue, end func() (int64, error)) (ranges, uint64, error) {
	doc, err := s.docs.GetDocument(ctx, settledKind, s.key(q))
	none := errors.Is(err, orchestrator.ErrNoDocument)
	var r settledRecord
	if err == nil {
		err = json.Unmarshal(doc.Value, &r)
	}
	if err != nil && !none {
		return nil, 0, fmt.Errorf("which dead letters of %s are settled: %w", q.topic, err)
	}
	before, err := end()
	if err != nil {
		return nil, 0, err
	}
	if n := len(r.Ranges); n > 0 && r.Ranges[n-1][1] > before {
		return nil, doc.Version, nil
	}
	return r.Ranges, doc.Version, nil
}

// add settles one offset of a queue that holds those from first to before end. done is false if it was settled.
func (s settled) add(
	ctx context.Context, q queue, offset, first int64, end func() (int64, error),
) (done bool, err error) {
	for {
		all, version, err := s.of(ctx, q, end)
		if err != nil {
			return false, err
		}
		if all.has(offset) {
			return false, nil
		}
		all = all.from(first).with(offset)
		if len(all) > rangesMax {
			return false, fmt.Errorf("%w: settled dead letters of %s have %d gaps; settle the oldest first",
				orchestrator.ErrTooLarge, q.topic, len(all))
		}
		value, err := json.Marshal(settledRecord{q.topic, q.broker, q.id, all})
		if err != nil {
			return false, err
		}
		err = s.docs.PutDocument(ctx, orchestrator.Document{
			Kind: settledKind, Key: s.key(q), Version: version + 1, Value: value,
		})
		if !errors.Is(err, orchestrator.ErrConflict) || ctx.Err() != nil {
			return err == nil, err
		}
	}
}

// at returns the index of the first range that ends behind an offset.
func (r ranges) at(offset int64) int {
	i, _ := slices.BinarySearchFunc(r, offset, func(x [2]int64, offset int64) int {
		if x[1] <= offset {
			return -1
		}
		return 1
	})
	return i
}

// has reports whether an offset is in a range.
func (r ranges) has(offset int64) bool {
	i := r.at(offset)
	return i < len(r) && r[i][0] <= offset
}

// skip returns the first offset from the given one on that is in no range.
func (r ranges) skip(offset int64) int64 {
	if i := r.at(offset); i < len(r) && r[i][0] <= offset {
		return r[i][1] // there is a gap between ranges
	}
	return offset
}

// between counts the offsets in ranges from first to before end.
func (r ranges) between(first, end int64) (n int64) {
	for _, x := range r {
		n += max(min(x[1], end)-max(x[0], first), 0)
	}
	return n
}

// from returns the ranges without what is before first.
func (r ranges) from(first int64) ranges {
	out := slices.Clone(r[r.at(first):])
	if len(out) > 0 {
		out[0][0] = max(out[0][0], first)
	}
	return out
}

// with returns the ranges and an offset that is in none of them.
func (r ranges) with(offset int64) ranges {
	i := r.at(offset)
	before, after := i > 0 && r[i-1][1] == offset, i < len(r) && r[i][0] == offset+1
	out := slices.Clone(r)
	switch {
	case before && after:
		out[i-1][1] = out[i][1]
		return slices.Delete(out, i, i+1)
	case before:
		out[i-1][1]++
	case after:
		out[i][0]--
	default:
		out = slices.Insert(out, i, [2]int64{offset, offset + 1})
	}
	return out
}
