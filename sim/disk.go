package sim

import (
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Disk is what survives a crash. It may be opened by one [Store] at a time; a second opening ends the first.
type Disk struct {
	records map[int64]record
	ids     []int64 // of the records, ascending
	nextID  int64
	epoch   int
	outbox  []entry
	// forgotten counts the ended transactions that were removed, by outcome.
	forgotten map[txn.Status]int64
	// offset is how far the decision log's consumer has come, durably.
	offset int
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{records: make(map[int64]record), forgotten: make(map[txn.Status]int64), nextID: 1}
}

// record is a transaction as it is stored: the global and each branch are written one by one, so that a branch that a
// change does not touch stays as it was. Records are immutable.
type record struct {
	global   []byte
	branches [][]byte
}

// entry is a decision in the outbox.
type entry struct {
	id      int64
	topic   string
	event   string
	outcome txn.Outcome
}

// decode reads a record.
func (r record) decode() (*txn.Global, error) {
	g, rest, err := txn.DecodeGlobal(r.global, nil)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("decode a record: %w, %d bytes left", err, len(rest))
	}
	g.Branches = make([]*txn.Branch, 0, len(r.branches)+1)
	for _, bytes := range r.branches {
		b, rest, err := txn.DecodeBranch(bytes, nil)
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("decode a branch of %s: %w, %d bytes left", g.XID, err, len(rest))
		}
		g.Branches = append(g.Branches, b)
	}
	return g, nil
}

// merge returns the record after a change that touches the branches with the given indexes.
func (r record) merge(g *txn.Global, touched []int) record {
	next := record{global: txn.AppendGlobal(nil, g), branches: slices.Clone(r.branches)}
	for len(next.branches) < len(g.Branches) {
		next.branches = append(next.branches, nil)
	}
	for _, i := range touched {
		next.branches[i] = txn.AppendBranch(nil, g.Branches[i])
	}
	return next
}

// loseSeq has the record keep of all steps that they were done at once: for a mutation.
func (r record) loseSeq(g *txn.Global) {
	for i, b := range g.Branches {
		if b.Step == nil || b.Step.Seq < 2 {
			continue
		}
		nb, s := *b, *b.Step
		s.Seq, nb.Step = 1, &s
		r.branches[i] = txn.AppendBranch(nil, &nb)
	}
}

// differs says which branches a record has in another state than g, "" if none.
func (r record) differs(g *txn.Global) string {
	if len(r.branches) != len(g.Branches) {
		return fmt.Sprintf("%d branches are stored of %d", len(r.branches), len(g.Branches))
	}
	var buf [512]byte
	for i, b := range g.Branches {
		if want := txn.AppendBranch(buf[:0], b); !slices.Equal(want, r.branches[i]) {
			return fmt.Sprintf("branch %d is %s, but is stored otherwise", b.ID, b.State)
		}
	}
	return ""
}

// put makes a record durable.
func (d *Disk) put(id int64, r record) {
	if _, known := d.records[id]; !known {
		i, _ := slices.BinarySearch(d.ids, id)
		d.ids = slices.Insert(d.ids, i, id)
	}
	d.records[id] = r
}

// remove forgets a transaction that has ended.
func (d *Disk) remove(id int64, status txn.Status) {
	if i, found := slices.BinarySearch(d.ids, id); found {
		d.ids = slices.Delete(d.ids, i, i+1)
		delete(d.records, id)
		d.forgotten[status]++
	}
}
