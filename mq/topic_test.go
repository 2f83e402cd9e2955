package mq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func topicCommand() txn.Command {
	return txn.Command{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: 70}, BranchID: 71, Kind: txn.Topic, Op: txn.Commit, Attempt: 3,
		Ack: txn.AckReport, Resource: "stock", Data: `{"sku":"a\"b"}`, Application: "shop", Group: "g",
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
}

func TestMessageFollowsItsSchema(t *testing.T) {
	t.Parallel()
	one := compile(t, MessageSchema, "")
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\xff", "\u2028\"\\\n"}))
	rapid.Check(t, func(t *rapid.T) {
		cmd := txn.Command{
			XID:      txn.XID{Prefix: text.Draw(t, "prefix"), ID: rapid.Int64Min(1).Draw(t, "id")},
			BranchID: rapid.Int64Min(1).Draw(t, "branch"), Ack: txn.Ack(rapid.IntRange(1, 2).Draw(t, "ack")),
			Resource: text.Draw(t, "topic"), Data: text.Draw(t, "data"), Application: text.Draw(t, "application"),
			Group: text.Draw(t, "group"), Trace: rapid.SampledFrom([]string{"", "x", topicCommand().Trace}).Draw(t, "trace"),
			Attempt: rapid.Uint32().Draw(t, "attempt"),
		}
		first := AppendMessage(nil, &cmd)
		if err := validate(one, first); err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		cmd.Attempt++
		if again := AppendMessage(nil, &cmd); !bytes.Equal(first, again) {
			t.Fatalf("the next attempt publishes\n%s, not\n%s", again, first)
		}
	})
}

func TestTopicTransportPublishesAndReports(t *testing.T) {
	t.Parallel()
	type call struct {
		topic, tag, key string
		body            []byte
		props           map[string]string
		done            func(error)
	}
	var calls []call
	tt := NewTopicTransport(Batched(func(topic, tag, key string, body []byte, props map[string]string, done func(error)) {
		calls = append(calls, call{topic, tag, key, body, props, done})
	}))
	var replies []txn.Reply
	tt.Bind(func(id int64, r txn.Reply) {
		if id != 70 {
			t.Errorf("reply for %d", id)
		}
		replies = append(replies, r)
	})
	ends := []struct {
		err  error
		want txn.Result
	}{
		{nil, txn.ResultPublished},
		{fmt.Errorf("x: %w", orchestrator.ErrUnavailable), txn.ResultUnreachable},
		{errors.New("no such topic"), txn.ResultFailed},
	}
	for range ends {
		if err := tt.Send(topicCommand()); err != nil {
			t.Fatal(err)
		}
	}
	if len(replies) > 0 {
		t.Fatal("reported before the broker had the message")
	}
	for i, e := range ends {
		c := calls[i]
		if c.topic != "stock" || c.tag != "g" || c.key != "10.0.0.1:8091:70" ||
			c.props[PropertyContentType] != ContentTypeBatch {
			t.Errorf("%+v", c)
		}
		c.done(e.err)
		r := replies[i]
		if r.Result != e.want || r.BranchID != 71 || r.Attempt != 3 || r.Op != txn.Commit ||
			(r.Text == "") != (e.err == nil) {
			t.Errorf("%+v", r)
		}
	}
	events, err := SplitBatch(calls[0].body)
	if err != nil || len(events) != 1 {
		t.Fatalf("%v: %s", err, calls[0].body)
	}
	var got struct{ Data map[string]string }
	if err := json.Unmarshal(events[0], &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"xid": "10.0.0.1:8091:70", "branch": "71", "topic": "stock", "application": "shop", "group": "g",
		"payload": `{"sku":"a\"b"}`, "ack": "report", "reportTo": "/api/v1/transactions/70/branches/71/report",
	}
	if diff := cmp.Diff(want, got.Data); diff != "" {
		t.Error(diff)
	}
	if published, failed, pending := tt.Numbers(); published != 1 || failed != 2 || pending != 0 {
		t.Errorf("%d published, %d failed, %d pending", published, failed, pending)
	}
	rollback := topicCommand()
	rollback.Op = txn.Rollback
	if tt.Send(rollback) == nil {
		t.Error("published for a rollback")
	}
	for range publishingMax {
		if err := tt.Send(topicCommand()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tt.Send(topicCommand()); !errors.Is(err, orchestrator.ErrBusy) {
		t.Errorf("beyond the bound: %v", err)
	}
}

func TestCheckTopic(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"stock": true, "Stock_2-x": true, "": false, "a b": false, "%RETRY%g": false, "ä": false, TopicCommit: false,
		TopicRollback: false, "shop-commit": true, string(bytes.Repeat([]byte("a"), 128)): false,
	} {
		if err := CheckTopic(name, ""); (err == nil) != want {
			t.Errorf("CheckTopic(%q) = %v", name, err)
		}
	}
	if CheckTopic("shop-commit", "shop") == nil || CheckTopic(TopicCommit, "shop") != nil {
		t.Error("the prefix is not regarded")
	}
}
