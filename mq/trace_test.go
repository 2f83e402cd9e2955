package mq

import (
	"bytes"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

const (
	clientTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	handedTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01"
)

func TestEventHandsOnTheTraceOfItsChange(t *testing.T) {
	t.Parallel()
	g := decided()
	g.Trace = clientTrace
	g.Name = `,"traceparent":"` + strings.Repeat("x", 55) + `"` // is escaped, and so not taken for one
	ch := &orchestrator.Change{Global: g, Trace: handedTrace}
	event := Describe(nil, ch, 3)
	if e := decode(t, event); e.TraceParent != handedTrace || e.Data.Epoch != 3 || g.Trace != clientTrace {
		t.Errorf("trace %q of %s", e.TraceParent, event)
	}
	if got := Trace(event); got != handedTrace {
		t.Errorf("read back as %q", got)
	}
	ch.Trace = ""
	if event = Describe(nil, ch, 0); !bytes.Equal(event, AppendDecision(nil, g)) || Trace(event) != clientTrace {
		t.Errorf("without one of its own: %s", event)
	}
	g.Trace = ""
	if got := Trace(Describe(nil, ch, 0)); got != "" {
		t.Errorf("a trace from nowhere: %q", got)
	}
}

func TestMessageHasItsTraceAsAProperty(t *testing.T) {
	t.Parallel()
	var got map[string]string
	publish := Batched(func(_, _, _ string, _ []byte, props map[string]string, _ func(error)) { got = props })
	cmd := topicCommand()
	cmd.Trace = handedTrace
	publish("stock", "", "", AppendMessage(nil, &cmd), func(error) {})
	if got[PropertyTrace] != handedTrace {
		t.Errorf("properties %v", got)
	}
}
