package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

func TestDecisionsBeginAtAPlace(t *testing.T) {
	t.Parallel()
	c := config.Default()
	d := newTopicDecisions(&c)
	commit, rollback := mq.TopicCommit, mq.TopicRollback
	for text, want := range map[string]*rocketmq.Place{
		"":                      nil,
		commit + "/b/3/17":      {Topic: commit, Broker: "b", Queue: 3, Offset: 17},
		rollback + "/b-1/0/0":   {Topic: rollback, Broker: "b-1"},
		commit + "/broker/2/01": {Topic: commit, Broker: "broker", Queue: 2, Offset: 1},
	} {
		got, err := d.placeOf(&web.DecisionQuery{Place: text})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for _, text := range []string{
		"17", "orders/b/0/1", commit + "/b/0", commit + "/b/0/x", commit + "/b/-1/0", commit + "//0/1", commit + "/b/0/-1",
	} {
		_, _, err := d.Decisions(t.Context(), web.DecisionQuery{Place: text})
		wrong, ok := errors.AsType[*web.PlaceError](err)
		if !ok || !strings.Contains(wrong.Text, "TOPIC/BROKER/QUEUE/OFFSET with the topic "+commit+" or "+rollback) {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := d.placeOf(&web.DecisionQuery{Place: commit + "/b/0/1", Outcome: txn.Rollback})
	if err == nil || !strings.Contains(err.Error(), "with the topic "+rollback+",") {
		t.Errorf("a place among the others: %v", err)
	}
}

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
