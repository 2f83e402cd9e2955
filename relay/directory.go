package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// view is what the directory said last. Immutable.
type view struct {
	addresses map[string]string // of the internal calls of the other live nodes, by id
	listed    map[string]bool   // the nodes of the last day
	sessions  map[string][]orchestrator.RemoteSession
	epoch     int64 // of this node; 0: it is not listed
}

// newView arranges what the directory says.
func newView(self string, nodes []orchestrator.Node, sessions []orchestrator.RemoteSession) *view {
	v := &view{
		addresses: make(map[string]string), listed: make(map[string]bool),
		sessions: make(map[string][]orchestrator.RemoteSession),
	}
	for i := range nodes {
		n := &nodes[i]
		v.listed[n.ID] = true
		switch {
		case n.ID == self:
			v.epoch = n.Epoch
		case n.Alive && n.Internal != "":
			v.addresses[n.ID] = n.Internal
		}
	}
	for _, s := range sessions {
		if v.addresses[s.Node] != "" {
			v.sessions[s.Resource] = append(v.sessions[s.Resource], s)
		}
	}
	return v
}

// The ranks of sessions for a command, as in tc's registry: the client's own connection is known to its node only.
const (
	unfit      = iota
	anybody    // for AT, whose undo logs are in the database, and for saga engines
	sameClient // the same application
	sameHost   // the same application on the same machine
)

// rank says how well a session with the resource suits for the command of a client.
func rank(cmd *txn.Command, application, ip string, s *orchestrator.RemoteSession) int {
	switch {
	case cmd.Kind == txn.StepWorker && s.IP == "" && (s.Application == "" || s.Application == cmd.Application):
		return anybody // workers are of no application, or of some
	case cmd.Kind == txn.StepWorker: // a client that calls its resource like a task
		return unfit
	case cmd.BranchID == txn.SagaBranchID:
		return anybody
	case s.Application == application && s.IP == ip:
		return sameHost
	case s.Application == application:
		return sameClient
	case cmd.Kind == txn.AT:
		return anybody
	}
	return unfit
}

// route finds the node to hand a command over to: one of the best in turn, save those that are down. avoided is true if
// there are only such.
func (v *view) route(cmd *txn.Command, down func(node string) bool, turn uint32) (node string, avoided bool) {
	application, ip := splitClient(cmd.Client)
	resource := cmd.Resource
	if cmd.Kind == txn.StepWorker {
		resource = orchestrator.TaskResource(resource)
	}
	sessions := v.sessions[resource]
	best, equals := unfit, uint32(0)
	for i := range sessions {
		k := rank(cmd, application, ip, &sessions[i])
		switch {
		case k == unfit || k < best:
		case down(sessions[i].Node):
			avoided = true
		case k > best:
			best, equals = k, 1
		default:
			equals++
		}
	}
	if best == unfit {
		return "", avoided
	}
	chosen := turn % equals
	for i := range sessions {
		s := &sessions[i]
		if rank(cmd, application, ip, s) != best || down(s.Node) {
			continue
		}
		node = s.Node // if one has come or gone meanwhile, the last one will do
		if chosen == 0 {
			break
		}
		chosen--
	}
	return node, node == ""
}

// splitClient takes application and address out of "application:ip:port". The application may contain colons, and an
// IPv6 address is in brackets.
func splitClient(client string) (application, ip string) {
	port := strings.LastIndexByte(client, ':')
	if port < 0 {
		return client, ""
	}
	rest := client[:port]
	host := strings.LastIndexByte(rest, ':') + 1
	if strings.HasSuffix(rest, "]") {
		host = max(strings.LastIndexByte(rest, '['), 0)
	}
	return rest[:max(host-1, 0)], strings.Trim(rest[host:], "[]")
}

// lookUp keeps the view up to date until ctx ends.
func (r *Relay) lookUp(ctx context.Context) {
	ticker := time.NewTicker(r.limits.RefreshEvery)
	defer ticker.Stop()
	gap := time.NewTimer(0)
	defer gap.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-gap.C:
		}
		missed := r.missed.takeAll()
		err := r.refresh(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			r.logger.Warn("directory of the cluster cannot be read", slog.Any("err", err))
		case err == nil && failing:
			r.logger.Info("directory of the cluster can be read again")
		}
		failing = err != nil
		r.settle(missed)
		gap.Reset(r.limits.RefreshGap)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.look:
		}
	}
}

// refresh reads the directory once.
func (r *Relay) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.limits.DirectoryLimit)
	defer cancel()
	r.stats.lookups.Add(1)
	nodes, err := r.places.Nodes(ctx)
	var sessions []orchestrator.RemoteSession
	if err == nil {
		sessions, err = r.places.RemoteSessions(ctx)
	}
	if err != nil {
		r.stats.lookupErrors.Add(1)
		return err
	}
	next := newView(r.self, nodes, sessions)
	before := r.view.Swap(next)
	if before.epoch != 0 && next.epoch != 0 && before.epoch != next.epoch {
		signal(r.again) // this node has joined anew, and what it had published is gone
	}
	r.peers.keep(func(id string) bool { return next.listed[id] })
	return nil
}

// settle finds a node for commands that had none before the directory was read, or ends their attempts.
func (r *Relay) settle(missed []handover) {
	for _, h := range missed {
		if !r.pending.has(h.seq) {
			continue
		}
		node, _ := r.view.Load().route(&h.cmd, r.down, r.turn.Add(1))
		switch {
		case node == "":
			r.stats.missed.Add(1)
			r.end(h.seq, txn.ResultUnreachable, orchestrator.ErrNobody.Error()+" on any node")
		case !r.enqueue(node, h):
			r.stats.overflows.Add(1)
			r.end(h.seq, txn.ResultUnreachable, queueText)
		}
	}
}

// publish tells the directory who is connected here until ctx ends: after each change, and now and then.
func (r *Relay) publish(ctx context.Context) {
	ticker := time.NewTicker(r.limits.PublishEvery)
	defer ticker.Stop()
	soon := time.NewTimer(0)
	defer soon.Stop()
	waiting, failing, current := true, false, false
	var last []orchestrator.SessionEntry
	wait := func() {
		if !waiting {
			waiting = true
			soon.Reset(r.limits.PublishDelay)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
			wait()
			continue
		case <-r.nudged:
			wait()
			continue
		case <-r.again:
			current = false
		case <-ticker.C:
			current = false
		case <-soon.C:
			waiting = false
		}
		entries := r.sessions()
		if current && slices.Equal(entries, last) {
			continue
		}
		err := r.publishOnce(ctx, entries)
		if err != nil && ctx.Err() == nil && !failing && !errors.Is(err, orchestrator.ErrNotMember) {
			r.logger.Warn("sessions of this node cannot be published", slog.Any("err", err))
		}
		failing, current, last = err != nil, err == nil, entries
		if failing && !waiting {
			waiting = true
			soon.Reset(r.limits.RefreshEvery)
		}
	}
}

// publishOnce makes one attempt. A node without a lease is not asked for anything, so it publishes nothing.
func (r *Relay) publishOnce(ctx context.Context, entries []orchestrator.SessionEntry) error {
	if !r.valid() {
		return orchestrator.ErrNotMember
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.DirectoryLimit)
	defer cancel()
	err := r.places.PublishSessions(ctx, entries)
	if err == nil {
		r.stats.published.Add(1)
	} else {
		r.stats.publishErrors.Add(1)
	}
	return err
}
