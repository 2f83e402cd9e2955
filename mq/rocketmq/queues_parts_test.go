//go:build parts

package rocketmq

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestQueuesSayWhatIsThereAndWhatIsRead(t *testing.T) {
	t.Parallel()
	p := publish(t)
	p.decide(12, txn.Commit)
	p.decide(3, txn.Rollback)
	look := func(group string) (messages map[string]int64, lag int64) {
		t.Helper()
		all, silent, err := Queues(t.Context(), p.options(), group)
		if err != nil || len(silent) > 0 || len(all) == 0 {
			t.Fatalf("%+v %+v %v", all, silent, err)
		}
		messages = map[string]int64{}
		for _, q := range all {
			if q.Oldest < 0 || q.End < q.Oldest || q.Committed > q.End || q.Broker == "" {
				t.Errorf("%+v", q)
			}
			messages[q.Topic] += q.End - q.Oldest
			lag += q.Lag()
		}
		return messages, lag
	}
	messages, nobody := look("t-nobody")
	commits, rollbacks := messages[CommitTopic(p.prefix)], messages[RollbackTopic(p.prefix)]
	if commits < 1 || commits > 12 || rollbacks < 1 || rollbacks > 3 || nobody != commits+rollbacks {
		t.Errorf("%v, and a group that has read nothing lacks %d", messages, nobody)
	}
	eventually(t, "the group has read all", func() bool {
		_, lag := look(Group(p.prefix))
		return lag == 0
	})
}
