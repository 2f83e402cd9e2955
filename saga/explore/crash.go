package explore

import (
	"bytes"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// often is up to how many steps a crash is tried at each event. It takes as long as there are steps; with more of them
// it is tried at every second event, and so on; and when that was done a thousand times, at fewer still.
const (
	often     = 16
	oftenMax  = 1000
	lessOften = 8
)

// crash has the coordinator crash before an event's record is written, and after it: the same event on the same state
// has to give the same record again, and what is read from the record has to go on as what was in memory does. The
// answer that is lost with a crash, and the one that comes again, are paths of their own.
func (w *world) crash(ev txn.Event, eff txn.Effects) {
	every := 1 + len(eff.Next.Branches)/often
	if every > 1 && w.x.crashed > oftenMax {
		every *= lessOften
	}
	w.x.applied++
	if w.settled() {
		return // what is being undone, is undone by the record: nothing is planned any more
	}
	if w.x.crashes++; w.x.applied%every != 0 {
		return
	}
	w.x.crashed++
	record := encode(eff.Next)
	if again, err := w.rules.Apply(w.g, ev, w.now); err != nil || !bytes.Equal(encode(again.Next), record) {
		w.x.fail(w, Verdict{Text: "after a crash before the record it goes on otherwise"})
		return
	}
	read, err := decode(record)
	if err != nil {
		w.x.fail(w, Verdict{Text: "its record cannot be read: " + err.Error()})
		return
	}
	wake, _ := w.rules.Apply(eff.Next, txn.Wake{}, w.now)
	same, _ := w.rules.Apply(read, txn.Wake{}, w.now)
	if !bytes.Equal(encode(wake.Next), encode(same.Next)) || len(wake.Commands) != len(same.Commands) {
		w.x.fail(w, Verdict{Text: "after a crash behind the record it goes on otherwise"})
	}
}

// encode returns a record as it is stored, nil for none.
func encode(g *txn.Global) []byte {
	if g == nil {
		return nil
	}
	out := txn.AppendGlobal(make([]byte, 0, 1024), g)
	for _, b := range g.Branches {
		out = txn.AppendBranch(out, b)
	}
	return out
}

// decode reads one.
func decode(record []byte) (*txn.Global, error) {
	g, rest, err := txn.DecodeGlobal(record, nil)
	for err == nil && len(rest) > 0 {
		var b *txn.Branch
		if b, rest, err = txn.DecodeBranch(rest, nil); err == nil {
			g.Branches = append(g.Branches, b)
		}
	}
	return g, err
}
