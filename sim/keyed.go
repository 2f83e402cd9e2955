package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// Requests that have a key: whoever sends one again, because there was no answer, or two at once, means the same
// branch.

// newKey draws a key for a branch, or none.
func (w *World) newKey() string {
	if !w.plan.keyed || w.chance(0.3) {
		return ""
	}
	return w.aKey()
}

func (w *World) aKey() string {
	w.keys++
	return "key-" + strconv.Itoa(w.keys)
}

// keyRetries is how often a request with a key is repeated for lack of a good answer.
const keyRetries = 3

// again reports whether a request with a key is worth being sent again.
func again(a check.Answer, tries int) bool {
	return (a.Class == 0 || a.Class == check.Busy || a.Class == check.Unknown) && tries < keyRetries
}

// registerKeyed asks for a branch with a key, twice if there is no answer, and sometimes twice at once, perhaps of
// another node.
func (w *World) registerKeyed(session int, req orchestrator.RegisterRequest, tries int, recv func(check.Answer)) {
	if w.chance(0.2) {
		w.registerOnce(operatorSession, req, func(check.Answer) {})
	}
	w.registerOnce(session, req, func(a check.Answer) {
		if again(a, tries) && w.chance(0.8) {
			w.after(w.about(100*time.Millisecond), func() { w.registerKeyed(session, req, tries+1, recv) })
			return
		}
		recv(a)
	})
}

// enlistable returns the next jobs of a client that may join together: they have no locks.
func (c *client) enlistable() []job {
	n := 0
	for n < len(c.jobs) && (c.jobs[n].r.kind == txn.TCC || c.jobs[n].r.kind == txn.Topic || c.jobs[n].r.kind.Called()) {
		n++
	}
	if !c.w.plan.keyed || n < 2 || !c.w.chance(0.6) {
		return nil
	}
	return c.jobs[:2+c.w.rng.IntN(n-1)]
}

// enlist has several branches join at once, and then does their phase one.
func (c *client) enlist(jobs []job) {
	w := c.w
	all := make([]orchestrator.RegisterRequest, len(jobs))
	keys := make([]string, len(jobs))
	for i, j := range jobs {
		all[i] = c.registration(j, "")
		keys[i] = w.aKey()
		all[i].Key, all[i].Wait = keys[i], false
	}
	c.enlistAgain(all, keys, 0, func(ok bool, ids []int64) {
		for i, j := range jobs {
			if ok && j.r.kind != txn.Topic && !j.r.tryUnlessDown(c.id, ids[i]) {
				ok = false
			}
		}
		c.finished(ok)
	})
}

// enlistAgain asks until there is an answer.
func (c *client) enlistAgain(
	all []orchestrator.RegisterRequest, keys []string, tries int, recv func(ok bool, ids []int64),
) {
	w := c.w
	var ids []int64
	k := &call{w: w, op: check.OpEnlist, session: c.session, id: c.id}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		w.logs.Enlisted = append(w.logs.Enlisted, check.Enlisted{ID: c.id, Keys: keys})
		done := func(g *txn.Global, err error) {
			a := answered(g, err)
			a.Keys = keys
			if err == nil {
				ids = idsOf(g, keys)
			}
			reply(a)
		}
		if w.mutation == PartEnlist {
			co.Enlist(c.id, all[:1], func(g *txn.Global, err error) {
				if err != nil {
					done(g, err)
					return
				}
				co.Enlist(c.id, all[1:], done)
			})
			return
		}
		co.Enlist(c.id, all, done)
	}
	k.recv = func(a check.Answer) {
		if again(a, tries) {
			w.after(w.about(100*time.Millisecond), func() { c.enlistAgain(all, keys, tries+1, recv) })
			return
		}
		recv(a.Class == check.OK && !slices.Contains(ids, 0), ids)
	}
	k.send(true)
}

// idsOf returns the ids of the branches with the keys, 0 for one that is missing.
func idsOf(g *txn.Global, keys []string) []int64 {
	ids := make([]int64, len(keys))
	for i, key := range keys {
		for _, b := range g.Branches {
			if b.Key == key {
				ids[i] = b.ID
			}
		}
	}
	return ids
}
