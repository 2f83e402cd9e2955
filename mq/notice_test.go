package mq

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestNoticesAreAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	schema := compile(t, HeuristicSchema, "")
	batch := compile(t, HeuristicSchema, "#/$defs/batch")
	rapid.Check(t, func(t *rapid.T) {
		g := drawDecided(t)
		g.Branches = append(g.Branches, &txn.Branch{ID: 77, Kind: txn.AT, Resource: "db\"", LockKey: "t:1"})
		n := Notice{
			ID: rapid.Int64Min(1).Draw(t, "notice"), Actor: rapid.String().Draw(t, "actor"), At: 1_700_000_000_000,
			Operation: rapid.SampledFrom([]txn.Operation{
				{Action: txn.ActionRelease}, {Action: txn.ActionRelease, BranchID: 77}, {Action: txn.ActionSkip, BranchID: 77},
			}).Draw(t, "operation"),
		}
		event := AppendNotice(nil, g, n)
		if err := validate(schema, event); err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		if err := validate(batch, AppendBatch(nil, event)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNoticesArePublishedWhateverTheOutcome: and as they are, where the message of a branch has an envelope.
func TestNoticesArePublishedWhateverTheOutcome(t *testing.T) {
	t.Parallel()
	var topic, event string
	transport := NewTopicTransport(func(to, _, _ string, body []byte, done func(error)) {
		topic, event = to, string(body)
		done(nil)
	})
	var reply txn.Reply
	transport.Bind(func(_ int64, r txn.Reply) { reply = r })
	cmd := txn.Command{
		XID: txn.XID{ID: 5}, BranchID: 6, Kind: txn.Topic, Op: txn.Rollback, Resource: NoticeTopic(""), Data: "{}",
	}
	if err := transport.Send(cmd); err != nil {
		t.Fatal(err)
	}
	if topic != "concord-heuristic" || event != "{}" || reply.Op != txn.Rollback || reply.Result != txn.ResultPublished {
		t.Errorf("%s %s %+v", topic, event, reply)
	}
	if CheckTopic(NoticeTopic("x"), "x") == nil {
		t.Error("a branch may have the topic of notices")
	}
	cmd.Resource = "mails"
	if transport.Send(cmd) == nil {
		t.Error("a message was published on rollback")
	}
}
