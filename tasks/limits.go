package tasks

import (
	"cmp"
	"time"
)

// Limits bound a queue. The zero value of a field means its default, given in brackets.
type Limits struct {
	// Lease is how long a worker may take for a task whose step has no timeout [60 s].
	Lease time.Duration
	// Park is how long a task is parked until the core is told that nobody took it, and plans it anew [60 s].
	Park time.Duration
	// Linger is how long after its last poll a task still counts as polled here [5 s].
	Linger time.Duration
	// Parked and ParkedBytes bound what is parked [100,000, 256 MiB], TaskParked and TaskBytes what of one task
	// [50,000, 128 MiB].
	Parked, ParkedBytes, TaskParked, TaskBytes int
	// Leased bounds what is with workers [200,000], Waiting the polls that wait [20,000], Names the tasks that are
	// known [10,000].
	Leased, Waiting, Names int
}

const (
	// tickEvery is how often is looked for what is due.
	tickEvery = 100 * time.Millisecond
	// tidyEvery is how often is looked for tasks that nobody polls, and for nodes where somebody does.
	tidyEvery = 500 * time.Millisecond
	// slack is how much longer than its lease the core waits for a worker, unless it is told otherwise.
	slack = 2 * time.Second
	// parkStep is by how much the core is had to wait longer for a task that is parked. If this node dies it is planned
	// anew after that at most.
	parkStep = 20 * time.Second
	// marginMax is how long before the core gives an answer up it is told to wait longer.
	marginMax = 5 * time.Second
	// publishedMax bounds what is published of this node.
	publishedMax = 2000
	// movedMax bounds what goes to other nodes at one look.
	movedMax = 1000
	// askedMax is how long is waited for the core when a worker polls.
	askedMax = 10 * time.Second
	// taskBytes is at least what a task takes.
	taskBytes = 512
)

// DefaultLimits is what the documentation promises.
func DefaultLimits() Limits {
	return Limits{
		Lease: time.Minute, Park: time.Minute, Linger: 5 * time.Second,
		Parked: 100_000, ParkedBytes: 256 << 20, TaskParked: 50_000, TaskBytes: 128 << 20,
		Leased: 200_000, Waiting: 20_000, Names: 10_000,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Lease, l.Park, l.Linger = cmp.Or(l.Lease, d.Lease), cmp.Or(l.Park, d.Park), cmp.Or(l.Linger, d.Linger)
	l.Parked, l.ParkedBytes = cmp.Or(l.Parked, d.Parked), cmp.Or(l.ParkedBytes, d.ParkedBytes)
	l.TaskParked, l.TaskBytes = cmp.Or(l.TaskParked, d.TaskParked), cmp.Or(l.TaskBytes, d.TaskBytes)
	l.Leased, l.Waiting, l.Names = cmp.Or(l.Leased, d.Leased), cmp.Or(l.Waiting, d.Waiting), cmp.Or(l.Names, d.Names)
	return l
}
