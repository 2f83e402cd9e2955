package tc

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// errBusy, like orchestrator.ErrNobody, says why nobody could be asked. The texts end up in a transaction's history.
var errBusy = errors.New("every session with the resource owes too many answers")

// registry knows which session can carry out phase two for which resource.
//
// A resource is only looked for where it was registered, or where the very branch came from. Seata's server also asks
// other processes of the same application and address; one that does not know the resource then breaks its own
// connection (reference: peers-measured.md, 5.3).
type registry struct {
	mu       sync.RWMutex
	sessions map[*session]struct{}
	byAddr   map[string]*session
	// Sessions by resource, by what else they have to match. Slices are in order of registration.
	byResource map[string][]*session
	byApp      map[appKey][]*session
	byHost     map[hostKey][]*session

	turn    atomic.Uint32 // spreads commands over equals
	changed chan struct{} // one slot: who is connected, with what, may have changed
}

type appKey struct{ resource, application string }

type hostKey struct{ resource, application, ip string }

func (r *registry) init() {
	r.sessions = make(map[*session]struct{})
	r.byAddr = make(map[string]*session)
	r.byResource = make(map[string][]*session)
	r.byApp = make(map[appKey][]*session)
	r.byHost = make(map[hostKey][]*session)
	r.changed = make(chan struct{}, 1)
}

// signal tells whoever publishes the sessions that they have changed.
func (r *registry) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// add makes an open session known by its address.
func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[s] = struct{}{}
	r.byAddr[s.addr] = s
}

// register adds resources to what a session has. It returns false if they would be too many.
func (r *registry) register(s *session, application string, resources []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.signal()
	for _, resource := range resources {
		if _, known := s.resources[resource]; known {
			continue
		}
		if len(s.resources) >= resourcesMax {
			return false
		}
		s.resources[resource] = struct{}{}
		byApp, byHost := appKey{resource, application}, hostKey{resource, application, s.ip}
		r.byResource[resource] = append(r.byResource[resource], s)
		r.byApp[byApp] = append(r.byApp[byApp], s)
		r.byHost[byHost] = append(r.byHost[byHost], s)
	}
	return true
}

// use notes that branches of the resource came from s.
func (r *registry) use(s *session, resource string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.used == nil {
		s.used = make(map[string]struct{})
	}
	s.used[resource] = struct{}{}
	if _, registered := s.resources[resource]; !registered {
		r.signal()
	}
}

// remove forgets a session.
func (r *registry) remove(s *session) {
	application := s.who.Load().branchApplication
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	if r.byAddr[s.addr] == s {
		delete(r.byAddr, s.addr)
	}
	if len(s.resources)+len(s.used) > 0 {
		r.signal()
	}
	for resource := range s.resources {
		without(r.byResource, resource, s)
		without(r.byApp, appKey{resource, application}, s)
		without(r.byHost, hostKey{resource, application, s.ip}, s)
	}
}

// without takes s out of the list under key.
func without[K comparable](lists map[K][]*session, key K, s *session) {
	list := slices.DeleteFunc(lists[key], func(other *session) bool { return other == s })
	if len(list) == 0 {
		delete(lists, key)
		return
	}
	lists[key] = list
}

func (r *registry) all() []*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Keys(r.sessions))
}

func (r *registry) resourcesOf(s *session) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.resources))
}

// route finds the session to ask. The order is that of Seata's ChannelManager.getChannel: the connection that
// registered the branch; another of the same process or machine; another of the same application; and, only for AT,
// whose undo logs are in the database, any application with the resource. A saga engine's command goes to anybody who
// has the resource, which names application and group.
func (r *registry) route(cmd *txn.Command, commandsMax int32) (*session, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if cmd.BranchID == txn.SagaBranchID {
		return r.pick(r.byResource[cmd.Resource], commandsMax, orchestrator.ErrNobody)
	}
	application, addr, ip := splitClient(cmd.Client)
	err := orchestrator.ErrNobody
	if s := r.byAddr[addr]; s != nil && s.serves() && s.who.Load().branchApplication == application {
		_, registered := s.resources[cmd.Resource]
		_, used := s.used[cmd.Resource]
		if registered || used {
			if s.commands.Load() < commandsMax {
				return s, nil
			}
			err = errBusy
			if cmd.Kind == txn.XA {
				return nil, err // a prepared XA branch may be bound to its process
			}
		}
	}
	s, err := r.pick(r.byHost[hostKey{cmd.Resource, application, ip}], commandsMax, err)
	if s == nil {
		s, err = r.pick(r.byApp[appKey{cmd.Resource, application}], commandsMax, err)
	}
	if s == nil && cmd.Kind == txn.AT {
		s, err = r.pick(r.byResource[cmd.Resource], commandsMax, err)
	}
	return s, err
}

// pick takes one of equals in turn. Without one that can be asked it returns err, or errBusy if all owe too much.
func (r *registry) pick(list []*session, commandsMax int32, err error) (*session, error) {
	if len(list) == 0 {
		return nil, err
	}
	first := int(r.turn.Add(1) % uint32(len(list)))
	for i := range list {
		s := list[(first+i)%len(list)]
		switch {
		case !s.serves():
		case s.commands.Load() < commandsMax:
			return s, nil
		default:
			err = errBusy
		}
	}
	return nil, err
}

// splitClient takes "application:ip:port" apart. The address is what follows the application, which may itself contain
// colons.
func splitClient(client string) (application, addr, ip string) {
	port := strings.LastIndexByte(client, ':')
	if port < 0 {
		return client, "", ""
	}
	host := strings.LastIndexByte(client[:port], ':') + 1
	if port > 0 && client[port-1] == ']' {
		host = max(strings.LastIndexByte(client[:port], '['), 0)
	}
	return client[:max(host-1, 0)], client[host:], strings.Trim(client[host:port], "[]")
}

// atResources returns, for every resource that looks like a database, one session that can delete its undo logs.
// seata-go has no decoder for that message.
func (r *registry) atResources() map[string]*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	chosen := make(map[string]*session)
	for resource, sessions := range r.byResource {
		if !strings.HasPrefix(resource, "jdbc:") {
			continue
		}
		for _, s := range sessions {
			if s.serves() && !s.out.paced.Load() {
				chosen[resource] = s
				break
			}
		}
	}
	return chosen
}
