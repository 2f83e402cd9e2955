package main

import (
	"context"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/web"
)

// webViews adds what people look at beside transactions: the targets of calls, and the settings.
func (n *node) webViews(o *web.Options) { o.Targets, o.Config = n.targets, n.settings }

// settings lists the settings in force, without secrets. Those that were changed for the whole cluster are under
// /api/v1/settings.
func (n *node) settings() []web.ConfigEntry {
	usual := config.Default()
	var out []web.ConfigEntry
	for _, k := range config.Keys() {
		value := k.Text(n.config)
		out = append(out, web.ConfigEntry{Key: k.Name, Value: value, Default: value == k.Text(&usual), Doc: k.Doc})
	}
	return out
}

// targets is what is known of the places that participants are called at.
func (n *node) targets() []web.Target {
	if n.callback == nil {
		return nil
	}
	var out []web.Target
	for _, t := range n.callback.Targets() {
		out = append(out, web.Target{
			Origin: t.Origin, Dead: t.State != callback.CircuitClosed, Probing: t.State == callback.CircuitHalfOpen,
			Full: t.Queued >= n.config.Callback.Queued, Since: t.Since, ProbeAt: t.Probe, InFlight: t.InFlight,
			Queued: t.Queued, Calls: t.Calls, Failed: t.Failed, LastError: t.LastError,
		})
	}
	return out
}

// publication is how far decisions are ahead of what is published.
func (m *cluster) publication(ctx context.Context) (web.Publication, error) {
	n, oldest, err := m.store.OutboxState(ctx)
	return web.Publication{Pending: n, OldestAt: oldest}, err
}

// webViews adds what is in the database and at the broker.
func (m *cluster) webViews(o *web.Options) {
	if m.relay != nil {
		o.RemoteSessions = m.store.RemoteSessions
	}
	if m.decisions != nil {
		d := newTopicDecisions(m.config)
		o.Publication, o.Halves, o.Decisions, o.DecisionStream = m.publication, m.halves, d, d
		o.Queues = d.queues
		o.Letters = topicLetters{rocketmq.NewDeadLetters(d.options, m.store)}
	}
}
