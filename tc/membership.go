package tc

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc/seata"
)

// serves reports whether the session may be given a command.
func (s *session) serves() bool {
	return !s.dead.Load() && !s.finishing.Load() && s.leaveBy.Load() == 0
}

// SessionEntries says who is connected with which resources, for the other nodes of a cluster, in order of resource,
// application and address. A resource that was never registered here counts too if branches of it came from a
// connection, since that connection can finish them.
func (s *Server) SessionEntries() []orchestrator.SessionEntry {
	var entries []orchestrator.SessionEntry
	for key, clients := range s.registry.clients() {
		entries = append(entries, orchestrator.SessionEntry{
			Resource: key.resource, Application: key.application, IP: key.ip, Clients: clients,
		})
	}
	slices.SortFunc(entries, func(a, b orchestrator.SessionEntry) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Application, b.Application),
			cmp.Compare(a.IP, b.IP))
	})
	return entries
}

// SessionsChanged gets a value when [Server.SessionEntries] may return something else than before. Many changes may
// make one value. There can be one receiver.
func (s *Server) SessionsChanged() <-chan struct{} { return s.registry.changed }

// DropSessions lets all sessions of now go; new ones are accepted. A node that has lost its place in the cluster calls
// it, so that no client goes on with what it believes of the time before. It does not block.
//
// Stock clients do not fail what they have under way when a connection ends, but wait for their own limits. So a
// session that is let go is closed when nothing is under way on it any more, at the latest after Limits.DropLimit, when
// the rest is answered that nobody knows. What is asked meanwhile is refused at once, except that the refusal of a
// commit or rollback takes one tick: clients ask again without a pause, a few times, and have to learn first that they
// should ask elsewhere.
func (s *Server) DropSessions() {
	now := s.clock.Load()
	for _, ss := range s.registry.all() {
		ss.busyAt.Store(now)
		ss.leaveBy.CompareAndSwap(0, now+int64(s.limits.DropLimit))
	}
	s.registry.signal()
}

// errLeft is what becomes of requests that have no answer when their session is finished: nobody knows.
var errLeft = fmt.Errorf("session ends before the answer: %w", context.DeadlineExceeded)

// turnAway refuses a request on a session that is let go; false if m is none.
func (s *session) turnAway(o *operation, m seata.Message) bool {
	s.busyAt.Store(s.server.clock.Load())
	switch m := m.(type) {
	case *seata.GlobalCommitRequest, *seata.GlobalRollbackRequest:
		s.underway.hold(o) // see letGo
		return true
	case *seata.GlobalReportRequest:
		o.reported = m.Status
	case *seata.GlobalBeginRequest, *seata.BranchRegisterRequest, *seata.BranchReportRequest,
		*seata.GlobalLockQueryRequest, *seata.GlobalStatusRequest:
	default:
		return false
	}
	o.refuse(orchestrator.ErrNotMember)
	return true
}

// letGo looks after a session that is let go. It is finished when nothing was under way, and nothing came, for one tick
// at least: a request that crosses with the end of the connection is never answered.
func (s *session) letGo(now int64) {
	leaveBy := s.leaveBy.Load()
	if leaveBy == 0 || s.finishing.Load() {
		return
	}
	for _, o := range s.underway.list(true) {
		o.refuse(orchestrator.ErrNotMember)
	}
	quiet := s.requests.Load() == 0 && s.commands.Load() == 0 && now-s.busyAt.Load() >= 2*int64(s.server.tick)
	if quiet || now >= leaveBy {
		s.finish()
	}
}

// clients counts the sessions that can be given commands, by what they can be asked for.
func (r *registry) clients() map[hostKey]int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	counts := make(map[hostKey]int, len(r.byHost))
	for s := range r.sessions {
		if !s.serves() {
			continue
		}
		application := s.who.Load().branchApplication
		for resource := range s.resources {
			counts[hostKey{resource, application, s.ip}]++
		}
		for resource := range s.used {
			if _, registered := s.resources[resource]; !registered {
				counts[hostKey{resource, application, s.ip}]++
			}
		}
	}
	return counts
}
