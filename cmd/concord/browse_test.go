package main

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

func TestDecisionsOfAMessageAreFiltered(t *testing.T) {
	t.Parallel()
	c := config.Default()
	d := newTopicDecisions(&c)
	body := []byte("[")
	for id := range int64(3) {
		if id > 0 {
			body = append(body, ',')
		}
		body = mq.AppendDecision(body, &txn.Global{XID: txn.XID{Prefix: "h:1", ID: id + 1}, Status: txn.RollingBack})
	}
	at := time.UnixMilli(1_700_000_000_000)
	m := &rocketmq.Message{
		Topic: mq.TopicRollback, Broker: "b", Queue: 2, Offset: 9, Pack: "p", StoredAt: at, Body: append(body, ']'),
	}
	now := txn.MillisOf(at)
	for name, tt := range map[string]struct {
		q    web.DecisionQuery
		want int
	}{
		"all":             {web.DecisionQuery{}, 3},
		"one":             {web.DecisionQuery{XID: 2}, 1},
		"other outcome":   {web.DecisionQuery{Outcome: txn.Commit}, 0},
		"this outcome":    {web.DecisionQuery{Outcome: txn.Rollback}, 3},
		"at its time":     {web.DecisionQuery{From: now, Until: now + 1}, 3},
		"after its time":  {web.DecisionQuery{From: now + 1}, 0},
		"before its time": {web.DecisionQuery{Until: now}, 0},
	} {
		got := d.wanted(m, &tt.q)
		if len(got) != tt.want {
			t.Errorf("%s: %d decisions", name, len(got))
		}
		for _, x := range got {
			if x.Outcome != txn.Rollback || x.Broker != "b" || x.Queue != 2 || x.Offset != 9 || x.Pack != "p" || x.At != now {
				t.Errorf("%s: %+v", name, x)
			}
		}
	}
	m.Body = []byte("something else")
	if got := d.wanted(m, &web.DecisionQuery{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if _, _, err := d.Decisions(t.Context(), web.DecisionQuery{Cursor: "x"}); !errors.Is(err, orchestrator.ErrCursor) {
		t.Errorf("%v", err)
	}
}
