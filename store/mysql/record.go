package mysql

import (
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// A record is what package txn encodes: the global transaction, then the first branches. What would make it larger than
// inlineBytesMax is kept in rows of concord_part, so that a transaction with many branches does not rewrite all of them
// with each change.

const (
	// inlineBytesMax bounds the branches in a record, historyBytesMax the piece of the history.
	inlineBytesMax  = 4 << 10
	historyBytesMax = 2 << 10
)

// The kinds of parts.
const (
	partBranch  = 1
	partHistory = 2
)

// layout says what is where: of so many branches the first inline ones are in the record, and the first history bytes
// of the history are in parts.
type layout struct{ branches, inline, history int }

// The column layout has 20 bits for the branches, 12 for those in the record, 31 for the bytes of history.
const (
	branchesShift = 43
	inlineShift   = 31
	branchesMost  = 1<<20 - 1
	inlineMost    = 1<<12 - 1
	historyMost   = 1<<31 - 1
)

// column is what is stored of l.
func (l layout) column() int64 {
	return int64(l.branches)<<branchesShift | int64(l.inline)<<inlineShift | int64(l.history)
}

// layoutOf is the reverse.
func layoutOf(column int64) layout {
	return layout{
		branches: int(column >> branchesShift & branchesMost), inline: int(column >> inlineShift & inlineMost),
		history: int(column & historyMost),
	}
}

// part is a row of concord_part.
type part struct {
	kind, seq int
	data      []byte
}

// encode makes the record of g, whose stored state has the layout prev and differs in the touched branches.
func encode(g *txn.Global, prev layout, touched []int) ([]byte, []part, layout) {
	lay := layout{branches: len(g.Branches), history: min(prev.history, len(g.History))}
	var parts []part
	if len(g.History)-lay.history > historyBytesMax {
		parts = append(parts, part{partHistory, lay.history, g.History[lay.history:]})
		lay.history = len(g.History)
	}
	head := *g
	head.History = g.History[lay.history:]
	data := txn.AppendGlobal(make([]byte, 0, 512+len(head.History)), &head)
	base := len(data)
	// A branch that is in a part stays there. Branches move out, never back.
	most := min(len(g.Branches), inlineMost)
	if prev.inline < prev.branches {
		most = min(most, prev.inline)
	}
	for lay.inline < most {
		next := txn.AppendBranch(data, g.Branches[lay.inline])
		if len(next)-base > inlineBytesMax {
			break
		}
		data = next
		lay.inline++
	}
	write := func(i int) {
		parts = append(parts, part{partBranch, i, txn.AppendBranch(nil, g.Branches[i])})
	}
	for i := lay.inline; i < min(prev.inline, lay.branches); i++ {
		write(i) // it moves out
	}
	first := max(prev.inline, lay.inline)
	seen := map[int]bool{}
	for _, i := range touched {
		if i >= first && i < min(prev.branches, lay.branches) && !seen[i] {
			seen[i] = true
			write(i)
		}
	}
	for i := max(first, prev.branches); i < lay.branches; i++ {
		write(i) // it is new
	}
	return data, parts, lay
}

// decode reads a record. Branches that are in parts are nil in the result, and its history lacks what is there.
func decode(data []byte, lay layout, intern func([]byte) string) (*txn.Global, error) {
	g, rest, err := txn.DecodeGlobal(data, intern)
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if lay.inline > lay.branches {
		return nil, fmt.Errorf("read record of %d: %w", g.XID.ID, txn.ErrEncoding)
	}
	g.History = slices.Clip(g.History) // whoever appends gets a copy: several may have read this one
	if lay.branches > 0 {
		g.Branches = make([]*txn.Branch, lay.branches)
	}
	for i := range lay.inline {
		if g.Branches[i], rest, err = txn.DecodeBranch(rest, intern); err != nil {
			return nil, fmt.Errorf("read branch %d of %d: %w", i, g.XID.ID, err)
		}
	}
	return g, nil
}

// splits reports whether a record has parts.
func (l layout) splits() bool { return l.inline < l.branches || l.history > 0 }

// assembly puts the parts of one record together.
type assembly struct {
	g       *txn.Global
	lay     layout
	history []byte
	read    int // branches
}

// add takes one part; they come in order of kind and seq.
func (a *assembly) add(p part, intern func([]byte) string) error {
	switch {
	case p.kind == partHistory && p.seq == len(a.history):
		a.history = append(a.history, p.data...)
		return nil
	case p.kind == partBranch && p.seq >= a.lay.inline && p.seq < a.lay.branches:
		b, _, err := txn.DecodeBranch(p.data, intern)
		if err != nil {
			return fmt.Errorf("read branch %d of %d: %w", p.seq, a.g.XID.ID, err)
		}
		a.g.Branches[p.seq] = b
		a.read++
		return nil
	}
	return fmt.Errorf("part %d/%d of %d: %w", p.kind, p.seq, a.g.XID.ID, txn.ErrEncoding)
}

// finish checks that nothing is missing.
func (a *assembly) finish(history bool) error {
	if a.read != a.lay.branches-a.lay.inline || history && len(a.history) != a.lay.history {
		return fmt.Errorf("record of %d has %d branches and %d bytes of history outside, not %d and %d: %w",
			a.g.XID.ID, a.read, len(a.history), a.lay.branches-a.lay.inline, a.lay.history, txn.ErrEncoding)
	}
	if history && a.lay.history > 0 {
		a.g.History = slices.Clip(append(a.history, a.g.History...))
	}
	return nil
}

// hash32 is the hash of names in indexes. Whoever reads by it compares the name itself, too.
func hash32(name string) int64 { return int64(crc32.ChecksumIEEE([]byte(name))) }

// stateOf is the column state: runs of sagas have states of their own, so that the index finds them.
func stateOf(g *txn.Global) int64 {
	state := int64(g.Status)<<2 | int64(g.Stuck)
	if g.Saga != nil {
		state |= stateSaga
	}
	return state
}

// stateSaga is the bit of runs of sagas.
const stateSaga = 1 << 5

// statusOf is the reverse of [stateOf], without whether it is a saga.
func statusOf(state int64) (txn.Status, txn.Stuck) {
	return txn.Status(state &^ stateSaga >> 2), txn.Stuck(state & 3)
}
