package main

import (
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

// publishes tells the API what is published where, under the prefix of the topics.
func publishes(o *web.Options, prefix string, clock orchestrator.Clock) {
	o.DecisionTopic = func(outcome txn.Outcome) string { return mq.TopicWith(prefix, outcome) }
	o.NoticeTopic = mq.NoticeTopic(prefix)
	o.Notice = func(g *txn.Global, op txn.Operation, branchID int64, actor string) string {
		n := mq.Notice{ID: branchID, Operation: op, Actor: actor, At: clock.Now()}
		return string(mq.AppendNotice(nil, g, n))
	}
	o.CheckTopic = func(topic string) error { return mq.CheckTopic(topic, prefix) }
}
