package check

import (
	"fmt"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Index is the logs, sorted by transaction once for all checkers.
type Index struct {
	*Logs
	// IDs lists the transactions in the order in which they first appear.
	IDs  []int64
	byID map[int64]*Story
}

// Story is everything about one transaction.
type Story struct {
	ID        int64
	Answers   []*Answer
	Writes    []*Write // durable ones
	Lost      []*Write
	Sent      []*Sent
	Attempts  []*Attempt
	Replies   []*Reply
	Asked     []*Sent // questions to the sender of a message, which are not phase two
	Begun     []*Sent // steps of a saga, going forward
	pursued   bool    // a client's engine was asked to go back
	Deeds     []*Deed
	Published []*Published
	// Operations are what operators have asked for.
	Operations []*Operation
	Enlisted   []*Enlisted
	// Final is its record in the end, Decision the durable write that decided it; nil if there is none.
	Final    *txn.Global
	Decision *Write
}

// NewIndex sorts logs.
func NewIndex(l *Logs) *Index {
	x := &Index{Logs: l, byID: make(map[int64]*Story)}
	for i := range l.Answers {
		if a := &l.Answers[i]; a.ID != 0 {
			s := x.of(a.ID)
			s.Answers = append(s.Answers, a)
		}
	}
	for _, w := range l.Writes {
		s := x.of(w.ID())
		if w.Durable == 0 {
			s.Lost = append(s.Lost, w)
			continue
		}
		s.Writes = append(s.Writes, w)
		if w.Global.Status.Decided() && s.Decision == nil {
			s.Decision = w
		}
	}
	for i := range l.Sent {
		s := x.of(l.Sent[i].Command.XID.ID)
		switch {
		case l.Sent[i].Command.BranchID == txn.SagaBranchID && l.Sent[i].Command.Data != "":
			// A client's engine is asked where it has arrived, which is before the decision. Its answer may be to that.
			s.pursued = s.pursued || l.Sent[i].Command.Op == txn.Rollback
		case l.Sent[i].Command.Kind == txn.Check:
			s.Asked = append(s.Asked, &l.Sent[i])
		case l.Sent[i].Command.Op == txn.Forward:
			s.Begun = append(s.Begun, &l.Sent[i])
		default:
			s.Sent = append(s.Sent, &l.Sent[i])
		}
	}
	for i := range l.Deeds {
		s := x.of(l.Deeds[i].ID)
		s.Deeds = append(s.Deeds, &l.Deeds[i])
	}
	for i := range l.Published {
		s := x.of(l.Published[i].ID)
		s.Published = append(s.Published, &l.Published[i])
	}
	for i := range l.Attempts {
		s := x.of(l.Attempts[i].Command.XID.ID)
		s.Attempts = append(s.Attempts, &l.Attempts[i])
	}
	for i := range l.Replies {
		s := x.of(l.Replies[i].ID)
		s.Replies = append(s.Replies, &l.Replies[i])
	}
	for i := range l.Enlisted {
		s := x.of(l.Enlisted[i].ID)
		s.Enlisted = append(s.Enlisted, &l.Enlisted[i])
	}
	for i := range l.Operations {
		s := x.of(l.Operations[i].ID)
		s.Operations = append(s.Operations, &l.Operations[i])
	}
	for _, g := range l.End.Records {
		x.of(g.XID.ID).Final = g
	}
	return x
}

func (x *Index) of(id int64) *Story {
	s := x.byID[id]
	if s == nil {
		s = &Story{ID: id}
		x.byID[id] = s
		x.IDs = append(x.IDs, id)
	}
	return s
}

// each runs a check for every transaction.
func each(check func(x *Index, s *Story, fail func(format string, args ...any))) func(*Index) []Violation {
	return func(x *Index) []Violation {
		var out []Violation
		for _, id := range x.IDs {
			s := x.byID[id]
			check(x, s, func(format string, args ...any) {
				out = append(out, Violation{ID: id, Evidence: fmt.Sprintf(format, args...)})
			})
		}
		return out
	}
}

// whole runs a check on the run as a whole.
func whole(check func(x *Index, fail func(id int64, format string, args ...any))) func(*Index) []Violation {
	return func(x *Index) []Violation {
		var out []Violation
		check(x, func(id int64, format string, args ...any) {
			out = append(out, Violation{ID: id, Evidence: fmt.Sprintf(format, args...)})
		})
		return out
	}
}

// outcome is the stored one, or 0.
func (s *Story) outcome() txn.Outcome {
	if s.Final == nil {
		return 0
	}
	return s.Final.Status.Outcome()
}

// told is the outcome that an answer showed, or 0.
func (a *Answer) told() txn.Outcome { return a.Status.Outcome() }
