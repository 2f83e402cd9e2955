package pebble

import "github.com/concord-tx/concord/orchestrator/txn"

// dueHeap is a heap with four children per node over the due times of live transactions. Each record knows its place
// in it, so a due time is moved or taken away in O(log n) and nothing stale stays behind.
type dueHeap []dueEntry

type dueEntry struct {
	at  txn.Millis
	ref uint32
}

// notDue is the place of a record without a due time.
const notDue = ^uint32(0)

// setDue moves the record to another due time; 0 takes it out.
func (l *liveTable) setDue(ref uint32, at txn.Millis) {
	r := l.at(ref)
	i := r.place
	switch {
	case at == 0 && i == notDue:
	case at == 0:
		last := len(l.due) - 1
		moved := l.due[last]
		l.due = l.due[:last]
		r.place = notDue
		if int(i) < last {
			l.due[i] = moved
			l.sift(int(i))
		}
	case i == notDue:
		l.due = append(l.due, dueEntry{at: at, ref: ref})
		l.up(len(l.due) - 1)
	default:
		l.due[i].at = at
		l.sift(int(i))
	}
}

// sift restores the order around place i.
func (l *liveTable) sift(i int) {
	if l.up(i) == i {
		l.down(i)
	}
}

func (l *liveTable) up(i int) int {
	e := l.due[i]
	for i > 0 {
		parent := (i - 1) / 4
		if l.due[parent].at <= e.at {
			break
		}
		l.put(i, l.due[parent])
		i = parent
	}
	l.put(i, e)
	return i
}

func (l *liveTable) down(i int) {
	e := l.due[i]
	for {
		child := 4*i + 1
		if child >= len(l.due) {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, len(l.due)); c++ {
			if l.due[c].at < l.due[least].at {
				least = c
			}
		}
		if l.due[least].at >= e.at {
			break
		}
		l.put(i, l.due[least])
		i = least
	}
	l.put(i, e)
}

func (l *liveTable) put(i int, e dueEntry) {
	l.due[i] = e
	l.at(e.ref).place = uint32(i)
}
