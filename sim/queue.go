package sim

import "time"

// event is something that will happen.
type event struct {
	at  time.Duration
	tie uint32 // random, so that events of one instant come in any order, but the same for the same seed
	seq uint32 // of being scheduled, for equal ties
	do  func()
}

func (e *event) before(o *event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.tie != o.tie {
		return e.tie < o.tie
	}
	return e.seq < o.seq
}

// eventQueue is a binary heap.
type eventQueue struct {
	heap []event
	seq  uint32
}

func (q *eventQueue) push(at time.Duration, tie uint32, do func()) {
	q.seq++
	q.heap = append(q.heap, event{at: at, tie: tie, seq: q.seq, do: do})
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			break
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *eventQueue) pop() (event, bool) {
	if len(q.heap) == 0 {
		return event{}, false
	}
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top, true
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
