package main

// tran is a transaction under way.
type tran struct {
	xid        string
	start      int64 // scheduled, or when the begin was sent
	sent       int64 // when the request under way was sent
	decided    int64 // when the commit or rollback was sent
	branches   []int64
	told       []bool // by branch: its command of phase two came
	left       int    // branches not told yet
	rollback   bool
	answered   bool
	held       bool // is to be kept undecided
	conflicted bool // a branch was refused for a lock
}

// ending is what was asked of a transaction.
type ending struct {
	xid      string
	rollback bool
}

// window is the measured time; latencies of transactions that were due inside it are recorded.
type window struct{ from, to int64 }

func (w window) contains(t int64) bool { return t >= w.from && t < w.to }

// tally counts what happened to a client's transactions. In-window counters end in "In".
type tally struct {
	Begun, Answered, Finished, Held  int64
	AnsweredIn, FinishedIn           int64
	Commits, Rollbacks               int64
	Conflicts, Refused               int64 // branches refused for a lock, transactions refused for another reason
	WrongAnswers                     int64 // end requests answered with another outcome than the one asked for
	Retrying                         int64 // end requests answered with "retrying"
	WrongCommands, Repeated, Strange int64 // phase two of the other outcome, again, for an unknown branch
	ErrorText                        string
}

func (t *tally) add(o tally) {
	t.Begun += o.Begun
	t.Answered += o.Answered
	t.Finished += o.Finished
	t.Held += o.Held
	t.AnsweredIn += o.AnsweredIn
	t.FinishedIn += o.FinishedIn
	t.Commits += o.Commits
	t.Rollbacks += o.Rollbacks
	t.Conflicts += o.Conflicts
	t.Refused += o.Refused
	t.WrongAnswers += o.WrongAnswers
	t.Retrying += o.Retrying
	t.WrongCommands += o.WrongCommands
	t.Repeated += o.Repeated
	t.Strange += o.Strange
	if t.ErrorText == "" {
		t.ErrorText = o.ErrorText
	}
}

// open counts transactions that were begun and are neither finished nor held; unfinished those whose end was answered
// but whose branches have not all been told.
func (t tally) open() int64 { return t.Begun - t.Finished - t.Held }

func (t tally) unfinished() int64 { return t.Answered - t.Finished }

// sample keeps some of the endings, evenly spread: all of them at first, then every second one, every fourth, ...
type sample struct {
	kept   []ending
	seen   int
	stride int
}

// sampleMax bounds what one client keeps for the check.
const sampleMax = 1 << 16

func (s *sample) add(e ending) {
	if s.stride == 0 {
		s.stride = 1
	}
	s.seen++
	if s.seen%s.stride != 0 {
		return
	}
	s.kept = append(s.kept, e)
	if len(s.kept) < sampleMax {
		return
	}
	half := s.kept[:0]
	for i := 1; i < len(s.kept); i += 2 {
		half = append(half, s.kept[i])
	}
	clear(s.kept[len(half):])
	s.kept = half
	s.stride *= 2
}
