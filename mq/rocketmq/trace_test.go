package rocketmq

import (
	"testing"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
)

func TestMessageOfOneDecisionHasItsTrace(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	l := &Log{opts: Options{Epoch: func() int64 { return 7 }}, name: "n"}
	p := l.newPack(laneKey{"t", "g"})
	event := []byte(`{"specversion":"1.0","id":"h:1:5/2","traceparent":"` + trace + `"}`)
	p.entries = []orchestrator.OutboxEntry{{ID: 5, Event: event}}
	if got := l.message(p).GetProperty(mq.PropertyTrace); got != trace {
		t.Errorf("one decision: %q", got)
	}
	p.entries = append(p.entries, p.entries[0])
	if got := l.message(p).GetProperty(mq.PropertyTrace); got != "" {
		t.Errorf("two decisions: %q", got)
	}
}
