package tasks

import (
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// scope is what workers of a kind may be given of a task: everything, or what belongs to some applications and groups.
type scope struct {
	applications, groups []string // none: all
	waiters              int      // polls that wait
	polledAt             txn.Millis
	published            bool
}

// allows reports whether such workers may be given what belongs to an application and group.
func (s *scope) allows(application, group string) bool {
	return (len(s.applications) == 0 || slices.Contains(s.applications, application)) &&
		(len(s.groups) == 0 || slices.Contains(s.groups, group))
}

// fresh reports whether such a worker polls, or has a moment ago.
func (q *Queue) fresh(s *scope, now txn.Millis) bool {
	return s.waiters > 0 || now < s.polledAt.Add(q.limits.Linger)
}

// scope returns the scope of a poll.
func (p *pile) scope(poll *orchestrator.TaskPoll) *scope {
	for _, s := range p.scopes {
		if slices.Equal(s.applications, poll.Applications) && slices.Equal(s.groups, poll.Groups) {
			return s
		}
	}
	s := &scope{applications: poll.Applications, groups: poll.Groups}
	p.scopes = append(p.scopes, s)
	return s
}

// serves reports whether a worker polls, or has a moment ago, that may be given what belongs to an application and
// group.
func (q *Queue) serves(p *pile, application, group string, now txn.Millis) bool {
	return p != nil && slices.ContainsFunc(p.scopes, func(s *scope) bool {
		return s.allows(application, group) && q.fresh(s, now)
	})
}

// tidyScopes forgets scopes in which nobody polls any more, and says whether what is published has changed.
func (q *Queue) tidyScopes(p *pile, now txn.Millis) (changed bool) {
	p.scopes = slices.DeleteFunc(p.scopes, func(s *scope) bool {
		fresh := q.fresh(s, now)
		changed = changed || fresh != s.published
		s.published = fresh
		return !fresh
	})
	return changed
}

// entries are what is published of a task. Groups are not: whoever hands a task over may learn that it has to wait.
func (p *pile) entries() (all []orchestrator.SessionEntry) {
	for _, s := range p.scopes {
		applications := s.applications
		if len(applications) == 0 {
			applications = []string{""}
		}
		for _, application := range applications {
			e := orchestrator.SessionEntry{
				Resource: orchestrator.TaskResource(p.name), Application: application, Clients: 1,
			}
			if s.published && !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	return all
}
