package plan

import (
	"fmt"
	"sync"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// memo is what was found out about a run when it was looked at before. Without it each look at a long saga would read
// all answers again. States that never came to be may have been looked at with it too, such as one that could not be
// stored, or that somebody only wanted to see: so what it says is compared with the state at hand each time, or follows
// from what is immutable.
type memo struct {
	program *Program
	// input is what the Data of the transaction say, which never change; read is whether they were read.
	input any
	err   error
	read  bool
	// names are those of the branches, in the order of the record, and at is where each is.
	names []string
	at    map[string]int
	// ends are the outputs of steps that are done, by what is in their records: whoever changes that makes a new one.
	ends map[*txn.Step]any
	room int // bytes of answers that may still be kept
	// swept says that what other states said was forgotten in this look.
	swept bool
	// lists are those of loops that depend on nothing but the input, passed is how far loops have come.
	lists  map[string][]any
	passed map[string]passed
}

// passed are the first items of a loop, all of which are done.
type passed struct {
	outputs []any
	// last is the one that was done last, of item number lastItem. A state in which it was done in the same way is one in
	// which all others were.
	last     *txn.Step
	lastItem int
}

const (
	// memoBranches is how many branches a run has to have for its answers to be worth keeping.
	memoBranches = 8
	// memoBytesMax bounds the answers that are kept of a run.
	memoBytesMax = 4 * limits.PayloadBytesMax
	// memoInputBytesMax bounds the input that is kept of a run with few branches.
	memoInputBytesMax = 4096
)

// keeper guards the memo of a run, which several may look at.
type keeper struct {
	mu   sync.Mutex
	memo *memo
}

// Keep has what is found out about a run be kept from now on, for those who look at one state many times. The run is
// their own.
func Keep(run *txn.SagaRun) { run.Memo.Kept = &keeper{} }

// KeepInput has the first look at a run find its input, which is what Decode makes of the transaction's Data. The run
// is the caller's own; nobody changes the input from now on.
func KeepInput(run *txn.SagaRun, input any) {
	run.Memo.Kept = &keeper{memo: &memo{input: input, read: true}}
}

// Equal says that keepers are no part of what plans are compared by.
func (k *keeper) Equal(*keeper) bool { return true }

// remember has work look at a run with what was found out before, and returns where that is kept, nil if nowhere.
func (p *Program) remember(g *txn.Global, work func(m *memo)) any {
	if p.places != nil {
		*p.places = memo{program: p, names: p.places.names, at: p.places.at}
		work(p.places)
		return nil
	}
	if g.Saga == nil {
		work(&memo{program: p})
		return nil
	}
	k, _ := g.Saga.Memo.Kept.(*keeper)
	if k == nil {
		k = &keeper{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.memo == nil || k.memo.program != nil && k.memo.program != p:
		k.memo = &memo{program: p}
	case k.memo.program == nil: // it has the input alone
		k.memo.program = p
	}
	work(k.memo)
	if len(g.Branches) < memoBranches && len(g.Data) > memoInputBytesMax {
		k.memo = nil
	}
	return k
}

// begin makes the walk of the whole saga.
func (p *Program) begin(m *memo, g *txn.Global, now txn.Millis) (*walk, error) {
	w := p.take()
	*w = walk{Program: p, run: g.Saga, g: g, now: now, memo: m, seen: w.seen}
	m.swept = false
	if len(g.Branches) >= memoBranches {
		m.index(g)
	}
	input, err := m.inputOf(g)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	w.input = input
	return w, nil
}

// walks are walks that are over, for those to come.
type walks struct{ pool sync.Pool }

// take returns a walk, of which only the room for what is seen is of use, and give takes it back.
func (p *Program) take() *walk {
	if w, ok := p.walks.pool.Get().(*walk); ok {
		return w
	}
	return &walk{}
}

func (p *Program) give(w *walk) {
	clear(w.seen)
	*w = walk{seen: w.seen[:0]}
	p.walks.pool.Put(w)
}

// inputOf reads the input.
func (m *memo) inputOf(g *txn.Global) (any, error) {
	if !m.read && g.Data != "" {
		m.input, m.err = expressions.Decode([]byte(g.Data))
	}
	m.read = true
	return m.input, m.err
}

// index notes where the branches are. Those of two states that follow from each other begin with the same.
func (m *memo) index(g *txn.Global) {
	if m.at == nil {
		m.at = make(map[string]int, len(g.Branches)+1)
	}
	same := 0
	for same < min(len(m.names), len(g.Branches)) && m.names[same] == nameOf(g.Branches[same]) {
		same++
	}
	for _, gone := range m.names[same:] {
		delete(m.at, gone)
	}
	m.names = m.names[:same]
	for i := same; i < len(g.Branches); i++ {
		name := nameOf(g.Branches[i])
		if m.names = append(m.names, name); name != "" {
			m.at[name] = i
		}
	}
}

func nameOf(b *txn.Branch) string {
	if b.Step == nil {
		return ""
	}
	return b.Step.Name
}

// branch returns the branch of a step, or nil.
func (w *walk) branch(name string) *txn.Branch {
	if len(w.g.Branches) < memoBranches {
		for _, b := range w.g.Branches {
			if b.Step != nil && b.Step.Name == name {
				return b
			}
		}
		return nil
	}
	if i, ok := w.memo.at[name]; ok {
		return w.g.Branches[i]
	}
	return nil
}

// keeps reports whether it is worth while to keep what was found out.
func (w *walk) keeps() bool {
	return w.oracle == nil && w.trace == nil && len(w.g.Branches) >= memoBranches
}

// keep keeps the output of a step that is done.
func (w *walk) keep(b *txn.Branch, output any) {
	m := w.memo
	if !w.keeps() {
		return
	}
	if m.ends == nil {
		m.ends, m.room = map[*txn.Step]any{}, memoBytesMax
	}
	size := sizeOf(b.Step)
	if size > m.room && !m.swept {
		m.sweep(w.g)
	}
	if size <= m.room {
		m.ends[b.Step] = output
		m.room -= size
	}
}

// sizeOf is how much is counted for the output of a step: its answer and name, and what keeping it takes by itself.
func sizeOf(s *txn.Step) int { return 256 + len(s.Answer) + len(s.Name) }

// sweep forgets what is not of the state at hand: it was changed since, or never came to be.
func (m *memo) sweep(g *txn.Global) {
	here := make(map[*txn.Step]bool, len(g.Branches))
	for _, b := range g.Branches {
		here[b.Step] = true
	}
	for s := range m.ends {
		if !here[s] {
			delete(m.ends, s)
			m.room += sizeOf(s)
		}
	}
	m.swept = true
}

// list is the list of a loop.
func (w *walk) list(s *step) ([]any, error) {
	if !s.ofInput || w.prefix != "" || !w.keeps() {
		return w.items(s)
	}
	if list, ok := w.memo.lists[s.ID]; ok {
		return list, nil
	}
	list, err := w.items(s)
	if err == nil {
		if w.memo.lists == nil {
			w.memo.lists = map[string][]any{}
		}
		w.memo.lists[s.ID] = list
	}
	return list, err
}

// pastItems returns the outputs of the first items of a loop as far as they were all done when it was looked at before.
func (w *walk) pastItems(s *step) []any {
	if !w.keeps() || s.Repeat != nil {
		return nil // more than one branch is an item
	}
	name := w.prefix + s.ID
	p := w.memo.passed[name]
	if b := w.branch(itemName(name, p.lastItem)); p.last == nil || b == nil || b.Step != p.last {
		return nil
	}
	return p.outputs
}

// pass notes the outputs of the first items of a loop, of which some were known before.
func (w *walk) pass(s *step, outputs []any, before int) {
	if !w.keeps() || s.Repeat != nil || len(outputs) == before {
		return
	}
	name := w.prefix + s.ID
	p := w.memo.passed[name]
	if before == 0 {
		p.last = nil
	}
	for n := before; n < len(outputs); n++ {
		b := w.branch(itemName(name, n))
		if b == nil {
			return // a sub-saga, or the like: there is nobody to ask
		}
		if p.last == nil || b.Step.Seq > p.last.Seq {
			p.last, p.lastItem = b.Step, n
		}
	}
	p.outputs = outputs
	if w.memo.passed == nil {
		w.memo.passed = map[string]passed{}
	}
	w.memo.passed[name] = p
}
