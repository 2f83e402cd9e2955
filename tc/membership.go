package tc

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
)

// serves reports whether the session may be given a command.
func (s *session) serves() bool { return !s.dead.Load() && !s.finishing.Load() }

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

// DropSessions closes all connections as gently as a stopping server does; new ones are accepted. Clients come back by
// themselves. It does not block. A node that has lost its place in the cluster calls it, so that no client goes on with
// what it believes of the time before.
func (s *Server) DropSessions() {
	for _, ss := range s.registry.all() {
		ss.finish()
	}
	s.registry.signal()
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
