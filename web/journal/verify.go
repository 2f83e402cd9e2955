package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
)

// Report is the result of a check.
type Report struct {
	// Whole says that everything that was looked at fits together.
	Whole bool `json:"whole"`
	// Entries is how many were looked at, Last the number and Hash the hash of the last of them.
	Entries uint64 `json:"entries"`
	Last    uint64 `json:"last"`
	Hash    string `json:"hash,omitempty"`
	// Seq is where the first fault is, Fault what it is.
	Seq   uint64 `json:"seq,omitempty"`
	Fault string `json:"fault,omitempty"`
	// Next is the entry to go on behind, where the time did not suffice; 0 at the end.
	Next uint64 `json:"next,omitempty"`
}

// Anchor is a hash that was noted outside; the zero value is none.
type Anchor struct {
	Seq  uint64
	Hash string
}

// errFault ends the walk at the first fault.
var errFault = errors.New("fault found")

// Verify checks the chain behind an entry, 0 being the begin, and that an anchor is part of it. When ctx ends before
// the end is reached, the report says where to go on. The error is a fault of the store.
func (j *Journal) Verify(ctx context.Context, after uint64, anchor Anchor) (Report, error) {
	known, err := j.known(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{Whole: true, Last: after}
	if after > 0 {
		d, err := j.o.Documents.GetDocument(ctx, kind, keyOf(after))
		if errors.Is(err, orchestrator.ErrNoDocument) {
			r.fail(after, "the entry is missing")
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("check the journal: %w", err)
		}
		if !r.check(d, nil) {
			return r, nil
		}
		r.Entries = 0
	}
	err = j.each(ctx, after, func(d orchestrator.Document) error {
		if !r.check(d, &anchor) {
			return errFault
		}
		return nil
	})
	switch {
	case errors.Is(err, errFault):
		return r, nil
	case ctx.Err() != nil && r.Entries > 0:
		r.Next = r.Last
		return r, nil
	case err != nil:
		return r, fmt.Errorf("check the journal: %w", err)
	}
	switch { // an end that was cut off is found as far as it was ever known
	case anchor.Seq > r.Last:
		r.fail(anchor.Seq, "the entry is missing")
	case known.seq > r.Last:
		r.fail(known.seq, "the entry is missing, which this node has seen")
	}
	return r, nil
}

// known returns the end of the chain as this node knows it.
func (j *Journal) known(ctx context.Context) (head, error) {
	select {
	case <-j.turn:
	case <-ctx.Done():
		return head{}, fmt.Errorf("check the journal: %w", ctx.Err())
	}
	defer func() { j.turn <- struct{}{} }()
	return j.head, nil
}

func (r *Report) fail(seq uint64, fault string) { r.Whole, r.Seq, r.Fault = false, seq, fault }

// check looks at one entry. anchor is nil for the entry that the walk begins behind.
func (r *Report) check(d orchestrator.Document, anchor *Anchor) bool {
	var s stored
	var e Entry
	want := r.Last + 1
	if anchor == nil {
		want = r.Last
	}
	err := json.Unmarshal(d.Value, &s)
	if err == nil {
		err = json.Unmarshal(s.Entry, &e)
	}
	switch {
	case d.Key > keyOf(want):
		r.fail(want, "the entry is missing")
	case d.Key != keyOf(want), err != nil:
		r.fail(want, "the entry is not readable")
	case hashOf(s.Entry) != s.Hash:
		r.fail(want, "the entry was changed")
	case e.Seq != want:
		r.fail(want, "another entry is in its place")
	case anchor != nil && e.Prev != r.Hash:
		r.fail(want, "it does not follow the entry before it: one of both was replaced")
	case anchor != nil && anchor.Seq == want && anchor.Hash != s.Hash:
		r.fail(want, "it has not the hash that was noted: the journal was made anew")
	default:
		r.Entries++
		r.Last, r.Hash = want, s.Hash
		return true
	}
	return false
}
