package tasks

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// pile is what is known of one task, by its name.
type pile struct {
	name string
	// lanes are what is parked, by whom it belongs to, so that a worker that may see some only need not pass by the
	// others.
	lanes                 []*lane
	parked, bytes, leased int
	waiting               []*waiter // in order of arrival; those that are over are still there for a while
	waiters               int       // of them, those that are not over
	scopes                []*scope  // in which workers poll, or have a moment ago
}

// lane is what is parked of a task for one application and group, the oldest first.
type lane struct {
	application, group string
	oldest, newest     *entry
}

// pile makes a task known; nil if too many are.
func (q *Queue) pile(name string) *pile {
	p := q.piles[name]
	if p == nil && len(q.piles) < q.limits.Names {
		p = &pile{name: name}
		q.piles[name] = p
	}
	return p
}

// lane returns the lane of an application and group.
func (p *pile) lane(application, group string) *lane {
	for _, l := range p.lanes {
		if l.application == application && l.group == group {
			return l
		}
	}
	l := &lane{application: application, group: group}
	p.lanes = append(p.lanes, l)
	return l
}

// insert puts an entry to its place: mostly that is the end, and for one that is put back the beginning.
func (l *lane) insert(e *entry) {
	after := l.newest
	if l.oldest != nil && e.seq < l.oldest.seq {
		after = nil
	}
	for after != nil && after.seq > e.seq {
		after = after.older
	}
	e.lane, e.older = l, after
	if after == nil {
		e.newer, l.oldest = l.oldest, e
	} else {
		e.newer, after.newer = after.newer, e
	}
	if e.newer != nil {
		e.newer.older = e
	} else {
		l.newest = e
	}
}

// unlink takes an entry out of its lane, and drops the lane if that is empty.
func (p *pile) unlink(e *entry) {
	l := e.lane
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	e.lane, e.older, e.newer = nil, nil, nil
	if l.oldest == nil {
		p.lanes = slices.DeleteFunc(p.lanes, func(other *lane) bool { return other == l })
	}
}

// oldest returns what has been parked longest of what may be seen, nil if nothing is.
func (p *pile) oldest(s *scope) *entry {
	var first *entry
	for _, l := range p.lanes {
		if (first == nil || l.oldest.seq < first.seq) && s.allows(l.application, l.group) {
			first = l.oldest
		}
	}
	return first
}

// tidy forgets tasks that nobody polls and of which nothing is left, and says whether what is published has changed.
func (q *Queue) tidy(now txn.Millis) (changed bool) {
	for name, p := range q.piles {
		changed = q.tidyScopes(p, now) || changed
		if len(p.scopes) == 0 && p.parked == 0 && p.leased == 0 {
			delete(q.piles, name)
		}
	}
	return changed
}

// SessionEntries says for which tasks workers poll here, for the other nodes of a cluster, in order of the names. Of
// very many some are left out.
func (q *Queue) SessionEntries() []orchestrator.SessionEntry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []orchestrator.SessionEntry
	for _, p := range q.piles {
		all = append(all, p.entries()...)
	}
	slices.SortFunc(all, func(a, b orchestrator.SessionEntry) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Application, b.Application))
	})
	return all[:min(len(all), publishedMax)]
}
