package fence

import (
	"fmt"
	"testing"
)

// protocol is a set of events that belong to one key.
type protocol struct {
	name               string
	first, finish, end Event // finish is 0 if there is none
	undoes             bool  // end has an effect
}

func protocols() []protocol {
	return []protocol{
		{"tcc", Try, Confirm, Cancel, true},
		{"step", Action, 0, Compensation, true},
		{"once", Consume, 0, Forbid, false},
	}
}

func (p protocol) events() []Event {
	if p.finish == 0 {
		return []Event{p.first, p.end}
	}
	return []Event{p.first, p.finish, p.end}
}

type decide func(State, Event) (State, Verdict)

// phase is how far the local transaction that holds the row has come. All others wait for the row, or have ended: for
// what may happen they are as good as not begun.
type phase uint8

const (
	idle     phase = iota // nobody holds the row
	inserted              // the row is there if the event leaves one, and locked
	decided               // the new state is written
	worked                // the work is done; the commit is next
)

// world is everything that counts. It is comparable, so that no world is looked at twice.
type world struct {
	row     State // committed
	begun   uint8 // requests so far
	phase   phase
	event   Event   // of the transaction under way
	next    State   // what it will leave
	verdict Verdict // what was decided for it
	effects [3]uint8
	closed  bool             // the end has been recorded or has had its effect
	answers [events][4]uint8 // committed, and their answers on their way
	told    [events][4]bool  // answers that have come
}

// explorer goes through every world that up to six requests lead to.
type explorer struct {
	p      protocol
	decide decide
	seen   map[world]bool
	limit  uint8
}

// explore returns the first breach of a rule, nil if there is none, and the number of worlds.
func explore(p protocol, d decide, limit uint8) (int, error) {
	x := &explorer{p: p, decide: d, seen: map[world]bool{}, limit: limit}
	err := x.visit(world{})
	return len(x.seen), err
}

func (x *explorer) visit(w world) error {
	if x.seen[w] {
		return nil
	}
	x.seen[w] = true
	if err := x.truth(w); err != nil {
		return err
	}
	for _, n := range x.steps(w) {
		if n.err != nil {
			return n.err
		}
		if err := x.visit(n.world); err != nil {
			return fmt.Errorf("%s\n  before: %w", n.what, err)
		}
	}
	return nil
}

type step struct {
	what  string
	world world
	err   error
}

// steps lists everything that can happen next.
func (x *explorer) steps(w world) (out []step) {
	if w.phase != idle { // the process, its connection, or the database may die before each of its steps
		c := w
		c.phase, c.event, c.next, c.verdict = idle, 0, 0, 0
		out = append(out, step{what: "crash of " + w.event.String(), world: c})
	}
	switch w.phase {
	case idle:
		for _, e := range x.p.events() {
			if w.begun < x.limit {
				n := w
				n.begun++
				n.phase, n.event = inserted, e
				out = append(out, step{what: "begin " + e.String(), world: n})
			}
		}
	case inserted:
		n := w
		n.next, n.verdict = x.decide(w.row, w.event)
		n.phase = decided
		if n.verdict != Run {
			n.phase = worked
		}
		out = append(out, step{what: fmt.Sprintf("%s: %s", w.event, n.verdict), world: n})
	case decided:
		n := w
		n.phase = worked
		out = append(out, step{what: "work of " + w.event.String(), world: n})
	case worked:
		n, err := x.commit(w)
		out = append(out, step{what: "commit of " + w.event.String(), world: n, err: err})
	}
	return append(out, x.deliver(w)...)
}

// commit makes durable what a transaction has written, and applies the rules about effects.
func (x *explorer) commit(w world) (world, error) {
	const first, finish, end = 0, 1, 2
	n := w
	if w.verdict != Refuse {
		n.row = w.next
	}
	n.phase, n.event, n.next, n.verdict = idle, 0, 0, 0
	n.answers[w.event][w.verdict]++
	if w.event == x.p.end && w.verdict != Refuse {
		n.closed = true
	}
	if w.verdict != Run {
		return n, nil
	}
	kind := first
	switch w.event {
	case x.p.finish:
		kind = finish
	case x.p.end:
		kind = end
	}
	n.effects[kind]++
	was := w.effects
	switch {
	case was[kind] > 0:
		return n, fmt.Errorf("%s has its effect twice", w.event)
	case kind == first && (w.closed || was[finish] > 0):
		return n, fmt.Errorf("%s after the end", w.event)
	case kind == finish && (was[first] == 0 || w.closed):
		return n, fmt.Errorf("%s without %s, or after the end", w.event, x.p.first)
	case kind == end && (was[first] == 0 || was[finish] > 0 || !x.p.undoes):
		return n, fmt.Errorf("%s of what is not there", w.event)
	}
	return n, nil
}

// deliver has answers come, late or never, and checks that they are true.
func (x *explorer) deliver(w world) (out []step) {
	for _, e := range x.p.events() {
		for v := Run; v <= Refuse; v++ {
			if w.answers[e][v] == 0 {
				continue
			}
			n := w
			n.answers[e][v]--
			n.told[e][v] = true
			out = append(out, step{what: fmt.Sprintf("answer of %s: %s", e, v), world: n, err: x.honest(w, e, v)})
		}
	}
	return out
}

// honest checks an answer against what has happened.
func (x *explorer) honest(w world, e Event, v Verdict) error {
	first, finish, end := w.effects[0] > 0, w.effects[1] > 0, w.effects[2] > 0
	ok := false
	switch {
	case e == x.p.first && v != Refuse:
		ok = first
	case e == x.p.first:
		ok = w.closed
	case e == x.p.finish && v != Refuse:
		ok = finish
	case e == x.p.finish:
		ok = true // it may have been too early, or too late; that it is not refused without reason is checked by live
	case e == x.p.end && v != Refuse:
		ok = !finish && (!first || end)
	case e == x.p.end:
		ok = finish || !x.p.undoes && first
	}
	if !ok {
		return fmt.Errorf("%s is answered with %s, effects are %v", e, v, w.effects)
	}
	return nil
}

// truth checks that the record says what has happened, which is what other programs read there, and that whoever asks
// again gets on.
func (x *explorer) truth(w world) error {
	first, finish, end := w.effects[0] > 0, w.effects[1] > 0, w.effects[2] > 0
	want := Absent
	switch {
	case finish:
		want = Committed
	case end:
		want = RolledBack
	case w.closed:
		want = Suspended
	case first:
		want = map[string]State{"tcc": Tried, "step": Done, "once": Consumed}[x.p.name]
	}
	if w.row != want {
		return fmt.Errorf("the record says %s, effects are %v", w.row, w.effects)
	}
	for _, e := range x.p.events() {
		_, v := x.decide(w.row, e)
		live := true
		switch e {
		case x.p.first:
			live = (v != Refuse) == !w.closed
		case x.p.finish:
			live = (v != Refuse) == (first && !end)
		case x.p.end:
			live = (v != Refuse) == (!finish && (x.p.undoes || !first))
		}
		if !live {
			return fmt.Errorf("%s gets %s, effects are %v", e, v, w.effects)
		}
	}
	return nil
}

// TestEveryInterleavingOfSixRequests goes through every order of up to six requests, with duplicates and late ones, a
// crash before each write, and answers that come late or never.
func TestEveryInterleavingOfSixRequests(t *testing.T) {
	t.Parallel()
	for _, p := range protocols() {
		worlds, err := explore(p, Decide, 6)
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if worlds < 1000 {
			t.Errorf("%s: only %d worlds", p.name, worlds)
		}
		t.Logf("%s: %d worlds", p.name, worlds)
	}
}

// TestEachCellOfTheTableMatters changes each cell in every way: each change must break a rule.
func TestEachCellOfTheTableMatters(t *testing.T) {
	t.Parallel()
	reached := map[string][]State{
		"tcc":  {Absent, Tried, Committed, RolledBack, Suspended},
		"step": {Absent, Done, RolledBack, Suspended},
		"once": {Absent, Consumed, Suspended},
	}
	changes := 0
	for _, p := range protocols() {
		for _, state := range reached[p.name] {
			for _, event := range p.events() {
				rightState, rightVerdict := Decide(state, event)
				for s := Absent; s < states; s++ {
					for v := Run; v <= Refuse; v++ {
						if v == rightVerdict && (s == rightState || v == Refuse) {
							continue // the state of a refusal is not looked at
						}
						wrong := func(at State, e Event) (State, Verdict) {
							if at == state && e == event {
								return s, v
							}
							return Decide(at, e)
						}
						changes++
						if _, err := explore(p, wrong, 6); err == nil {
							t.Errorf("%s: %s in state %s could lead to %s, %s", p.name, event, state, s, v)
						}
					}
				}
			}
		}
	}
	if changes < 400 {
		t.Errorf("only %d changes", changes)
	}
}

// TestStatesChangeOnlyTogetherWithWorkOrAtTheBeginning is what stores rely on.
func TestStatesChangeOnlyTogetherWithWorkOrAtTheBeginning(t *testing.T) {
	t.Parallel()
	for s := Absent; s <= states; s++ {
		for e := Event(0); e <= events; e++ {
			n, v := Decide(s, e)
			switch {
			case v == Run && (n == s || n == Absent):
				t.Errorf("%s, %s: work is run and leaves no record", s, e)
			case v == Skip && n != s && s != Absent, v == Skip && n == Absent:
				t.Errorf("%s, %s: %s is recorded without work", s, e, n)
			case v == Refuse && n != s:
				t.Errorf("%s, %s: a refusal changes the record", s, e)
			case v == 0, v == Run && !e.Valid():
				t.Errorf("%s, %s: %s", s, e, v)
			}
		}
	}
}

// TestEventsOfOneProtocolAreRefusedByAnother: a key belongs to one protocol.
func TestEventsOfOneProtocolAreRefusedByAnother(t *testing.T) {
	t.Parallel()
	own := map[State][]Event{
		Tried: {Try, Confirm, Cancel}, Committed: {Try, Confirm, Cancel},
		Done: {Action, Compensation}, Consumed: {Consume, Forbid},
	}
	for s, mine := range own {
		for e := Try; e < events; e++ {
			if _, v := Decide(s, e); !contains(mine, e) && v != Refuse {
				t.Errorf("%s in state %s gets %s", e, s, v)
			}
		}
	}
}

func contains(all []Event, e Event) bool {
	for _, one := range all {
		if one == e {
			return true
		}
	}
	return false
}
