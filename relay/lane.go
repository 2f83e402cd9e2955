package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// sized is what can be queued for a node.
type sized interface{ size() int }

// lane is a bounded queue of what is to be told to one node. Whoever finds it idle has it worked off; what is added
// meanwhile travels in the next call.
type lane[T sized] struct {
	mu    sync.Mutex
	items []T
	bytes int
	// busy: it is being worked off, or about to be. closed: nothing is added any more.
	busy, closed bool
}

// add appends an item. ok is false if a bound is reached or the lane is closed; start says that the caller has to have
// it worked off.
func (l *lane[T]) add(item T, itemsMax, bytesMax int) (start, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.items) >= itemsMax || len(l.items) > 0 && l.bytes+item.size() > bytesMax {
		return false, false
	}
	l.items = append(l.items, item)
	l.bytes += item.size()
	start, l.busy = !l.busy, true
	return start, true
}

// take removes the items of the next call: at most itemsMax, and bytesMax unless a single one is larger. With none left
// it returns nil, and the lane is idle.
func (l *lane[T]) take(itemsMax, bytesMax int) []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, bytes := 0, 0
	for n < len(l.items) && n < itemsMax && (n == 0 || bytes+l.items[n].size() <= bytesMax) {
		bytes += l.items[n].size()
		n++
	}
	return l.cut(n, bytes)
}

// takeAll removes all items. The lane stays busy.
func (l *lane[T]) takeAll() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.items
	l.items, l.bytes = nil, 0
	return all
}

// close removes all items for good.
func (l *lane[T]) close() []T {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.takeAll()
}

// cut removes the first n items. The mutex is held.
func (l *lane[T]) cut(n, bytes int) []T {
	if n == 0 {
		l.items, l.bytes, l.busy = nil, 0, false
		return nil
	}
	taken := l.items[:n:n]
	l.items = l.items[n:]
	l.bytes -= bytes
	return taken
}

// size is how many items wait.
func (l *lane[T]) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}

// idle reports whether nothing is queued or under way.
func (l *lane[T]) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.busy
}

// peer is another node.
type peer struct {
	id       string
	commands lane[handover]
	endings  lane[ending]
	// downUntil is until when nothing is handed over to it, since it did not answer: nanoseconds since the relay's
	// start; 0: it answers.
	downUntil atomic.Int64
}

// peers are the nodes that were called, or owed an end.
type peers struct {
	mu   sync.Mutex
	byID map[string]*peer
}

// get returns the peer, or nil if there are too many already.
func (p *peers) get(id string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.byID[id]
	if known == nil && len(p.byID) < peersMax {
		known = &peer{id: id}
		p.byID[id] = known
	}
	return known
}

// peersMax bounds the memory for nodes.
const peersMax = 1024

// find returns the peer or nil.
func (p *peers) find(id string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// all lists them.
func (p *peers) all() []*peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*peer, 0, len(p.byID))
	for _, known := range p.byID {
		all = append(all, known)
	}
	return all
}

// keep forgets those that have nothing to do and that known does not know.
func (p *peers) keep(known func(id string) bool) {
	for _, one := range p.all() {
		if !known(one.id) && one.commands.idle() && one.endings.idle() {
			p.mu.Lock()
			delete(p.byID, one.id)
			p.mu.Unlock()
		}
	}
}

// down reports whether the peer is to be left alone for now.
func (p *peer) down(now time.Duration) bool { return p.downUntil.Load() > int64(now) }
