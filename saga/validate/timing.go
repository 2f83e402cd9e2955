package validate

import (
	"cmp"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// timing compares the deadline with what the longest path takes: at least, by its timers; and at most, by timers and
// timeouts.
func (c *checker) timing() {
	deadline := c.deadline()
	for i, s := range c.def.Steps {
		waits := s.Kind == definition.KindSignal || s.Kind == definition.KindApproval
		if waits && s.Timeout == 0 && !c.ends() {
			c.find(RuleWaitsForever, stepPath(i), "add timeout, or a deadline that compensates", "%q may wait for ever", s.ID)
		}
		if s.Retry != nil && deadline != 0 && s.Retry.First > deadline {
			c.find(RuleTightDeadline, stepPath(i, "retry", "first"), "make it shorter, or the deadline longer",
				"%q is tried again after %s, the deadline is %s", s.ID, inWords(s.Retry.First), inWords(deadline))
		}
	}
	if deadline == 0 {
		return
	}
	if took, path := c.longest(c.leastTime, true); took > deadline {
		c.find(RuleDeadline, "/deadline", "make the deadline longer, or the timers shorter",
			"the timers of %s take %s, the deadline is %s", path, inWords(took), inWords(deadline))
	} else if took, path := c.longest(c.mostTime, false); took > deadline {
		c.find(RuleTightDeadline, "/deadline", "make the deadline longer, or the timeouts shorter",
			"the timers and timeouts of %s are %s, the deadline is %s", path, inWords(took), inWords(deadline))
	}
}

// inWords is a duration as definitions have them.
func inWords(d time.Duration) string { return definition.FormatDuration(d) }

// leastTime is what a step takes if all goes well.
func (c *checker) leastTime(s *definition.Step) time.Duration {
	if s.Sub != nil && s.When == "" && s.ForEach == nil {
		return c.inside(s.Sub, true)
	}
	if s.Timer != nil && s.When == "" && s.ForEach == nil {
		return s.Timer.For
	}
	return 0
}

// mostTime is what a step takes if its first attempt is answered in the last moment.
func (c *checker) mostTime(s *definition.Step) time.Duration {
	if s.Sub != nil {
		return c.inside(s.Sub, false)
	}
	t := s.Timeout
	if s.Timer != nil {
		t = s.Timer.For
	}
	switch r := s.Repeat; {
	case r == nil:
	case r.Max > 0:
		t += time.Duration(r.Max-1) * r.Every
	default:
		t += r.Every // it is repeated once, at least, or not at all
	}
	return min(t, 100*limits.DurationMax)
}

// inside is what a sub-saga takes, 0 if it is not known. One that starts itself counts once.
func (c *checker) inside(sub *definition.Sub, least bool) time.Duration {
	key := took{saga: sub.Saga, version: sub.Version, least: least}
	if known, ok := c.took[key]; ok || c.options.Sagas == nil {
		return known
	}
	if c.took == nil {
		c.took = map[took]time.Duration{}
	}
	c.took[key] = 0
	child, ok := c.options.Sagas(sub.Saga, sub.Version)
	if !ok {
		return 0
	}
	inner := &checker{def: child, options: c.options, took: c.took}
	inner.graph = newGraph(child, func(*definition.Sub) bool { return false })
	takes := inner.mostTime
	if least {
		takes = inner.leastTime
	}
	t, _ := inner.longest(takes, least)
	c.took[key] = min(t, 100*limits.DurationMax)
	return c.took[key]
}

// took names what a sub-saga takes.
type took struct {
	saga    string
	version int
	least   bool
}

// longest returns the path with the largest sum; of refusals too unless only what goes well counts.
func (c *checker) longest(takes func(*definition.Step) time.Duration, well bool) (time.Duration, string) {
	n := len(c.def.Steps)
	ends, from := make([]time.Duration, n), make([]int, n)
	last := -1
	for _, i := range c.graph.order {
		from[i] = -1
		for _, e := range c.graph.before[i] {
			if e.Refused && well {
				continue
			}
			if j := c.graph.index[e.Step]; from[i] < 0 || ends[j] > ends[from[i]] {
				from[i] = j
			}
		}
		ends[i] = takes(c.def.Steps[i])
		if from[i] >= 0 {
			ends[i] += ends[from[i]]
		}
		if last < 0 || ends[i] > ends[last] {
			last = i
		}
	}
	if last < 0 {
		return 0, ""
	}
	var names []string
	for i := last; i >= 0; i = from[i] {
		if takes(c.def.Steps[i]) > 0 {
			names = append([]string{cmp.Or(c.def.Steps[i].ID, "a step without an id")}, names...)
		}
	}
	if len(names) > 8 {
		names = append(append(names[:4:4], "..."), names[len(names)-3:]...)
	}
	return ends[last], strings.Join(names, ", ")
}
