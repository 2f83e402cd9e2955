package mq

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func stepCommand() txn.Command {
	return txn.Command{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: 70}, BranchID: 3, Kind: txn.StepMessage, Op: txn.Forward, Attempt: 2,
		Resource: "stock", Step: "reserve[1]", Data: `{"sku":"a\"b"}`, Trace: topicCommand().Trace,
		Run: &txn.SagaRun{Definition: "order", Version: 4, Key: "o-7"},
		Call: &txn.Call{
			Headers: []txn.CallHeader{{Name: "origin", Value: "shop"}, {Name: PropertyXID, Value: "forged"}},
			Timeout: time.Minute, Tag: "eu", Key: "k 7", Reply: "stock-answers",
		},
	}
}

func TestStepsOnABroker(t *testing.T) {
	t.Parallel()
	type call struct {
		topic, tag, key string
		body            string
		props           map[string]string
		done            func(error)
	}
	var calls []call
	tt := NewTopicTransport(nil).Steps(StepBodies(
		func(topic, tag, key string, body []byte, props map[string]string, done func(error)) {
			calls = append(calls, call{topic, tag, key, string(body), props, done})
		}), "")
	var replies []txn.Reply
	tt.Bind(func(_ int64, r txn.Reply) { replies = append(replies, r) })
	back := stepCommand()
	back.Op, back.Data = txn.Rollback, ""
	for _, cmd := range []txn.Command{stepCommand(), back} {
		if err := tt.Send(cmd); err != nil {
			t.Fatal(err)
		}
	}
	if len(replies) > 0 || len(calls) != 2 {
		t.Fatal("reported before the broker had the message")
	}
	c := calls[0]
	const id = "10.0.0.1:8091:70/3/forward"
	if c.topic != "stock" || c.tag != "eu" || c.key != "10.0.0.1:8091:70 "+id+" k_7" || c.body != `{"sku":"a\"b"}` {
		t.Errorf("%+v", c)
	}
	want := map[string]string{
		"origin": "shop", PropertyID: id, PropertyXID: "10.0.0.1:8091:70", PropertyBranch: "3",
		PropertyOperation: "forward", PropertyAttempt: "2", PropertyStep: "reserve[1]", PropertySaga: "order",
		PropertyRunKey: "o-7", PropertyReply: "stock-answers", PropertyTrace: topicCommand().Trace,
		PropertyContentType: "application/json",
	}
	if diff := cmp.Diff(want, c.props); diff != "" {
		t.Error(diff)
	}
	got := calls[1].props
	if got[PropertyOperation] != "compensate" || got[PropertyID] != "10.0.0.1:8091:70/3/compensate" {
		t.Error(got)
	}
	if calls[1].body != "null" {
		t.Errorf("without data the body is %q: a broker would fail", calls[1].body)
	}
	calls[0].done(nil)
	calls[1].done(fmt.Errorf("x: %w", orchestrator.ErrUnavailable))
	for i, want := range []txn.Reply{
		{BranchID: 3, Op: txn.Forward, Attempt: 2, Result: txn.ResultPublished},
		{BranchID: 3, Op: txn.Rollback, Attempt: 2, Result: txn.ResultUnreachable, Text: replies[1].Text},
	} {
		if replies[i] != want {
			t.Errorf("%+v, want %+v", replies[i], want)
		}
	}
	if published, failed, pending := tt.Numbers(); published != 1 || failed != 1 || pending != 0 {
		t.Errorf("%d published, %d failed, %d pending", published, failed, pending)
	}
}

// TestStepsThatCanNeverBePublished: they are refused, and nothing is published.
func TestStepsThatCanNeverBePublished(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(*txn.Command){
		"the topic of decisions": func(c *txn.Command) { c.Resource = "shop-commit" },
		"that of rollbacks":      func(c *txn.Command) { c.Call.Reply = "shop-rollback" },
		"of heuristics":          func(c *txn.Command) { c.Resource = "shop-heuristic" },
		"a broker's own":         func(c *txn.Command) { c.Resource = "%RETRY%mail" },
		"no reply topic":         func(c *txn.Command) { c.Call.Reply = "a b" },
		"a property in a header": func(c *txn.Command) { c.Call.Headers[0].Value = "x\x02DELAY\x0118" },
		"a property in a name":   func(c *txn.Command) { c.Call.Headers[0].Name = "x\x011\x02DELAY" },
		"large headers":          func(c *txn.Command) { c.Call.Headers[0].Value = strings.Repeat("x", 20_000) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			tt := NewTopicTransport(nil).Steps(func(m *StepMessage, _ func(error)) { t.Errorf("published %+v", m) }, "shop")
			var got txn.Reply
			tt.Bind(func(_ int64, r txn.Reply) { got = r })
			cmd := stepCommand()
			spoil(&cmd)
			if err := tt.Send(cmd); err != nil || got.Result != txn.ResultRefused || got.Text == "" {
				t.Errorf("%v %+v", err, got)
			}
		})
	}
}

func TestStepsFollowTheirSchema(t *testing.T) {
	t.Parallel()
	one, batch := compile(t, StepSchema, ""), compile(t, StepSchema, "#/$defs/batch")
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\xff", "\u2028\"\\\n"}))
	rapid.Check(t, func(t *rapid.T) {
		cmd := stepCommand()
		cmd.XID = txn.XID{Prefix: text.Draw(t, "prefix"), ID: rapid.Int64Min(1).Draw(t, "id")}
		cmd.BranchID, cmd.Attempt = rapid.Int64Min(1).Draw(t, "branch"), rapid.Uint32().Draw(t, "attempt")
		cmd.Op = rapid.SampledFrom([]txn.Outcome{txn.Forward, txn.Rollback}).Draw(t, "op")
		cmd.Step, cmd.Data = text.Draw(t, "step"), rapid.SampledFrom([]string{"", `[1]`, `"x"`, `{`}).Draw(t, "data")
		cmd.Trace = rapid.SampledFrom([]string{"", "x", topicCommand().Trace}).Draw(t, "trace")
		cmd.Call = &txn.Call{Tag: text.Draw(t, "tag"), Key: text.Draw(t, "key")}
		cmd.Call.Reply = rapid.SampledFrom([]string{"", "answers"}).Draw(t, "reply")
		m, err := stepMessage(&cmd, "")
		if err != nil {
			t.Fatal(err)
		}
		m.Headers = []txn.CallHeader{{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")}}
		event := AppendStep(nil, m)
		if err := errors.Join(validate(one, event), validate(batch, AppendBatch(nil, event))); err != nil {
			t.Fatalf("%v\n%s", err, event)
		}
		if txn.ValidTrace(cmd.Trace) && Trace(event) != cmd.Trace {
			t.Fatalf("trace %q in %s", Trace(event), event)
		}
	})
}

func TestStepsAsEvents(t *testing.T) {
	t.Parallel()
	var topic string
	var event []byte
	tt := NewTopicTransport(nil).Steps(StepEvents(func(to, _, _ string, e []byte, done func(error)) {
		topic, event = to, e
		done(nil)
	}), "")
	var got txn.Reply
	tt.Bind(func(_ int64, r txn.Reply) { got = r })
	if err := tt.Send(stepCommand()); err != nil || topic != "stock" || got.Result != txn.ResultPublished {
		t.Fatal(err, topic, got)
	}
	var e struct {
		ID   string
		Data struct {
			ReplyTo, Reply, RunKey, Key, Tag string
			Payload                          json.RawMessage
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		t.Fatal(err)
	}
	d := e.Data
	if e.ID != "10.0.0.1:8091:70/3/forward" || d.ReplyTo != RepliesPath || d.Reply != "stock-answers" ||
		d.RunKey != "o-7" || d.Key != "k_7" || d.Tag != "eu" || string(d.Payload) != `{"sku":"a\"b"}` {
		t.Errorf("%s", event)
	}
}

func TestWithoutABrokerOrLogMessagesAreRefused(t *testing.T) {
	t.Parallel()
	var n NoMessages
	var got txn.Reply
	n.Bind(func(_ int64, r txn.Reply) { got = r })
	err := n.Send(stepCommand())
	if err != nil || got.Result != txn.ResultRefused || got.Attempt != 2 || got.BranchID != 3 {
		t.Errorf("%v %+v", err, got)
	}
}

// TestTheMessageOfACompensationIsKnownByWhatItUndoes, whichever branch asks for it; that it is out is told of that one.
func TestTheMessageOfACompensationIsKnownByWhatItUndoes(t *testing.T) {
	t.Parallel()
	var got []string
	tt := NewTopicTransport(nil).Steps(func(m *StepMessage, done func(error)) {
		got = append(got, fmt.Sprint(m.ID, " ", m.Branch, " ", m.Operation, " ", m.Step, " ", m.Attempt))
		done(nil)
	}, "")
	var replies []txn.Reply
	tt.Bind(func(_ int64, r txn.Reply) { replies = append(replies, r) })
	forward, back := stepCommand(), stepCommand()
	back.Op, back.BranchID, back.Attempt = txn.Rollback, 2, 1
	forward.As = &txn.Identity{BranchID: 2, Op: txn.Rollback, Step: "reserve", Attempt: 3}
	back.As = &txn.Identity{BranchID: 2, Op: txn.Rollback, Step: "reserve", Attempt: 4}
	for _, cmd := range []txn.Command{forward, back} {
		if err := tt.Send(cmd); err != nil {
			t.Fatal(err)
		}
	}
	const id = "10.0.0.1:8091:70/2/compensate 2 compensate reserve "
	if diff := cmp.Diff([]string{id + "3", id + "4"}, got); diff != "" {
		t.Error(diff)
	}
	want := []txn.Reply{
		{BranchID: 3, Op: txn.Forward, Attempt: 2, Result: txn.ResultPublished},
		{BranchID: 2, Op: txn.Rollback, Attempt: 1, Result: txn.ResultPublished},
	}
	if diff := cmp.Diff(want, replies); diff != "" {
		t.Error(diff)
	}
}
