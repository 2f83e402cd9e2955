package main

import (
	"context"
	"time"

	"github.com/concord-tx/concord/web"
)

// samples are the numbers of a cluster's parts.
func (m *cluster) samples() []web.Sample {
	samples := m.mysqlSamples()
	if m.decisions != nil {
		samples = append(samples, m.decisionSamples()...)
		samples = append(samples, messageSamples(m.topics)...)
		samples = append(samples, m.replySamples()...)
	}
	if m.direct != nil {
		samples = append(samples, counter("tx_decisions_left_to_sweeper_total",
			"Decisions that were driven when they were due, not at once.", m.direct.Dropped()))
	}
	if m.relay != nil {
		samples = append(samples, m.relaySamples()...)
	}
	if m.registry != nil {
		st := m.registry.Stats()
		entered := int64(0)
		if st.Entered {
			entered = 1
		}
		samples = append(samples,
			gauge("tx_registry_entered", "1 while clients can find this node.", entered),
			counter("tx_registry_entries_total", "Times that the node was entered in the registry.", st.Entries),
			counter("tx_registry_failures_total", "Attempts to enter it that failed.", st.Failures))
	}
	return samples
}

// replySamples are the numbers of the replies to messages of sagas.
func (m *cluster) replySamples() (all []web.Sample) {
	n := m.replies.Numbers()
	for _, s := range []struct {
		outcome string
		value   uint64
	}{{"taken", n.Taken}, {"ignored", n.Ignored}, {"later", n.Failed}, {"dead", n.Dead}} {
		all = append(all, labelled("outcome", s.outcome, counter("tx_saga_replies_total",
			"Messages on topics for replies to sagas: taken, nobody waited for it, read again later, dead letters.",
			int64(s.value))))
	}
	return all
}

func (m *cluster) mysqlSamples() []web.Sample {
	st := m.store.Stats()
	member := int64(0)
	if m.store.Valid() {
		member = 1
	}
	return []web.Sample{
		gauge("tx_member", "1 while this node's lease certainly holds.", member),
		gauge("tx_epoch", "The node's epoch.", m.store.Epoch()),
		gauge("tx_store_queued", "Changes that are not durable yet.", int64(m.store.Queued())),
		gauge("tx_clock_offset_millis", "The database's time less this machine's.", m.store.Offset().Milliseconds()),
		counter("tx_store_commits_total", "Write transactions committed in the database.", st.Commits),
		counter("tx_store_changes_total", "Changes in them.", st.Changes),
		counter("tx_store_retries_total", "Write transactions that were repeated.", st.Retries),
		counter("tx_store_deadlocks_total", "Those that the database ended as deadlocks.", st.Deadlocks),
		counter("tx_store_reconnects_total", "Those that lost the connection.", st.Reconnects),
		counter("tx_store_unknown_total", "Commits whose answer was lost, and that were looked up.", st.Unknown),
		counter("tx_store_loads_total", "Statements that read transactions.", st.Loads),
		counter("tx_store_removed_total", "Ended transactions that retention removed.", st.Removed),
		counter("tx_member_losses_total", "Times that this node's lease was lost.", st.Losses),
		counter("tx_member_fenced_total", "Nodes that this one declared dead.", st.Fenced),
	}
}

// outboxWait bounds the look at the outbox for a scrape.
const outboxWait = 2 * time.Second

func (m *cluster) decisionSamples() []web.Sample {
	st := m.decisions.Stats()
	n := func(v uint64) int64 { return int64(v) }
	publishing := int64(1)
	if m.decisions.Health() != nil {
		publishing = 0
	}
	const checks, checksHelp = "tx_mq_check_backs_total", "Check-backs of the broker by answer."
	samples := []web.Sample{
		gauge("tx_mq_publishing", "1 while the broker takes messages.", publishing),
		counter("tx_mq_decisions_total", "Decisions given to the decision log.", n(st.Decisions)),
		counter("tx_mq_packs_total", "Packs that carried them.", n(st.Packs)),
		counter("tx_mq_published_total", "Decisions whose message was committed.", n(st.Published)),
		counter("tx_mq_halves_failed_total", "Half messages that the broker did not take.", n(st.HalvesFailed)),
		counter("tx_mq_packs_aborted_total", "Packs that the store refused.", n(st.Aborted)),
		labelled("answer", "commit", counter(checks, checksHelp, n(st.ChecksCommit))),
		labelled("answer", "rollback", counter(checks, checksHelp, n(st.ChecksRollback))),
		labelled("answer", "unknown", counter(checks, checksHelp, n(st.ChecksUnknown))),
		counter("tx_mq_republished_total", "Decisions that were published once more.", n(st.Republished)),
		counter("tx_mq_driven_locally_total", "Decisions driven here because their message did not go out.", n(st.Local)),
		counter("tx_mq_given_up_total", "Half messages that the broker gave up; they are published again.", n(st.GivenUp)),
		counter("tx_mq_read_total", "Messages that our own consumer read.", n(st.Read)),
		counter("tx_mq_delivery_failures_total", "Decisions that could not be driven when they were read.",
			n(st.DeliveryFailures)),
		counter("tx_mq_clients_total", "Producers that were built.", n(st.Clients)),
		gauge("tx_mq_in_flight", "Half messages under way.", int64(st.InFlight)),
		gauge("tx_mq_waiting", "Decisions that wait for a pack.", int64(st.Waiting)),
		gauge("tx_mq_commit_lag_millis", "Age of the oldest committed message that was not read.",
			st.CommitLag.Milliseconds()),
	}
	ctx, cancel := context.WithTimeout(context.Background(), outboxWait)
	defer cancel()
	unread, oldest, err := m.store.OutboxState(ctx)
	if err != nil {
		return samples // the store's health says why
	}
	age := int64(0)
	if oldest != 0 {
		age = max(int64(m.store.Now()-oldest), 0)
	}
	return append(samples,
		gauge("tx_outbox_entries", "Decisions that a consumer may need still.", unread),
		gauge("tx_outbox_oldest_millis", "Age of the oldest of them.", age))
}

func (m *cluster) relaySamples() []web.Sample {
	st := m.relay.Stats()
	return []web.Sample{
		counter("tx_relay_handed_over_total", "Commands that another node took.", st.HandedOver),
		counter("tx_relay_refused_total", "Commands that another node could give to nobody.", st.Refused),
		counter("tx_relay_failed_total", "Commands whose hand-over failed.", st.Failed),
		counter("tx_relay_received_total", "Commands of other nodes.", st.Received),
		counter("tx_relay_calls_total", "Calls to other nodes.", st.Calls),
		counter("tx_relay_call_errors_total", "Calls to other nodes that failed.", st.CallErrors),
		counter("tx_relay_forged_total", "Calls with a wrong signature, age or count.", st.Forged),
		gauge("tx_relay_pending", "Commands at other nodes without an end now.", st.Pending),
		gauge("tx_relay_nodes", "Other nodes that are alive.", st.Nodes),
	}
}
