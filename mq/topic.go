package mq

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// EventTypeBranch is the CloudEvents type of the message of a branch of kind topic.
const EventTypeBranch = "io.concord.branch.commit"

// AppendMessage appends the message of a branch of kind topic to dst: one JSON object, as message.schema.json describes
// it. It depends on what was registered only, so that all copies are the same.
func AppendMessage(dst []byte, cmd *txn.Command) []byte {
	dst = append(dst, `{"specversion":"1.0","id":"`...)
	dst = appendXID(dst, cmd.XID)
	dst = append(dst, "/b"...)
	dst = strconv.AppendInt(dst, cmd.BranchID, 10)
	dst = append(dst, `","source":"`+EventSource+`","type":"`+EventTypeBranch+`","subject":"`...)
	dst = appendXID(dst, cmd.XID)
	dst = append(dst, '"')
	if txn.ValidTrace(cmd.Trace) {
		dst = append(dst, `,"traceparent":"`...)
		dst = append(dst, cmd.Trace...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"datacontenttype":"application/json","data":{"xid":"`...)
	dst = appendXID(dst, cmd.XID)
	dst = append(dst, `","branch":"`...)
	dst = strconv.AppendInt(dst, cmd.BranchID, 10)
	dst = append(dst, `","topic":`...)
	dst = appendText(dst, cmd.Resource)
	dst = append(dst, `,"application":`...)
	dst = appendText(dst, cmd.Application)
	dst = append(dst, `,"group":`...)
	dst = appendText(dst, cmd.Group)
	dst = append(dst, `,"payload":`...)
	dst = appendText(dst, cmd.Data)
	dst = append(dst, `,"ack":"`...)
	dst = append(dst, cmd.Ack.String()...)
	dst = append(dst, '"')
	if cmd.Ack == txn.AckReport {
		dst = append(dst, `,"reportTo":"`+transactionsPath...)
		dst = strconv.AppendInt(dst, cmd.XID.ID, 10)
		dst = append(dst, "/branches/"...)
		dst = strconv.AppendInt(dst, cmd.BranchID, 10)
		dst = append(dst, `/report"`...)
	}
	return append(dst, "}}"...)
}

// PublishFunc publishes an event and calls done once, with nil when it is durable. It does not block.
type PublishFunc func(topic, tag, key string, event []byte, done func(error))

// Batched turns the publication of message bodies into that of single events, in the batch form.
func Batched(publish func(topic, tag, key string, body []byte, props map[string]string, done func(error))) PublishFunc {
	return func(topic, tag, key string, event []byte, done func(error)) {
		props := map[string]string{PropertyContentType: ContentTypeBatch, PropertyTrace: Trace(event)}
		publish(topic, tag, key, AppendBatch(make([]byte, 0, len(event)+2), event), props, done)
	}
}

// PropertyContentType is the property of a message on a broker that says what its body is.
const PropertyContentType = "content-type"

// PropertyTrace is the property of a message on a broker that has the W3C traceparent of its event, where it has one
// event. OpenTelemetry's instrumentation of clients looks there.
const PropertyTrace = "traceparent"

// publishingMax bounds the messages of a TopicTransport that are being published.
const publishingMax = 16 << 10

// TopicTransport is the [orchestrator.Transport] for branches of kind topic: it publishes their messages, with the xid
// as key and the transaction group as tag, and reports [txn.ResultPublished] when that is durable. With
// [TopicTransport.Steps] it does the same for the messages of sagas.
type TopicTransport struct {
	publish     PublishFunc
	publishStep StepFunc // nil: sagas have no messages here
	prefix      string   // of the topics of decisions
	reply       func(id int64, r txn.Reply)
	// pending counts messages that are being published.
	pending atomic.Int64
	// Attempts by their end.
	published, failed atomic.Int64
}

// NewTopicTransport returns a transport on publish. It is not to be used before [TopicTransport.Bind].
func NewTopicTransport(publish PublishFunc) *TopicTransport { return &TopicTransport{publish: publish} }

// Bind says who is told how attempts end: the Reply of the coordinator.
func (t *TopicTransport) Bind(reply func(id int64, r txn.Reply)) { t.reply = reply }

// Send implements [orchestrator.Transport].
func (t *TopicTransport) Send(cmd txn.Command) error {
	if t.publishStep != nil && cmd.Kind == txn.StepMessage {
		return t.sendStep(&cmd)
	}
	notice := strings.HasSuffix(cmd.Resource, suffixNotice)
	if cmd.Op != txn.Commit && !notice {
		return fmt.Errorf("publish for branch %d of %s: it is not committed", cmd.BranchID, cmd.XID)
	}
	if err := t.begin(cmd.Resource); err != nil {
		return err
	}
	size := 512 + len(cmd.Resource) + len(cmd.Data) + len(cmd.Data)/8
	var event []byte
	if notice { // an event already, see AppendNotice
		event = []byte(cmd.Data)
	} else {
		event = AppendMessage(make([]byte, 0, size), &cmd)
	}
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultPublished}
	id := cmd.XID.ID
	t.publish(cmd.Resource, cmd.Group, cmd.XID.String(), event, func(err error) { t.ended(id, r, cmd.Resource, err) })
	return nil
}

// begin counts a message that is being published, if there are not too many.
func (t *TopicTransport) begin(topic string) error {
	if t.pending.Add(1) > publishingMax {
		t.pending.Add(-1)
		return fmt.Errorf("publish on %s: %w", topic, orchestrator.ErrBusy)
	}
	return nil
}

// ended reports the end of an attempt.
func (t *TopicTransport) ended(id int64, r txn.Reply, topic string, err error) {
	t.pending.Add(-1)
	if err != nil {
		t.failed.Add(1)
		r.Result, r.Text = resultOf(err), "publish on "+topic+": "+err.Error()
	} else {
		t.published.Add(1)
	}
	t.reply(id, r)
}

// resultOf tells a broker that cannot be reached, which is asked again soon, from one that refuses the message.
func resultOf(err error) txn.Result {
	for _, e := range []error{orchestrator.ErrUnavailable, orchestrator.ErrStopped, orchestrator.ErrBusy} {
		if errors.Is(err, e) {
			return txn.ResultUnreachable
		}
	}
	return txn.ResultFailed
}

// Numbers returns how many messages were published, how many attempts have failed, and how many are under way.
func (t *TopicTransport) Numbers() (published, failed, pending int64) {
	return t.published.Load(), t.failed.Load(), t.pending.Load()
}

var _ orchestrator.Transport = (*TopicTransport)(nil)

// topicBytesMax bounds the name of a topic. RocketMQ TopicValidator: TOPIC_MAX_LENGTH.
const topicBytesMax = 127

// CheckTopic says why a branch cannot be registered with the topic: it has to be a name that RocketMQ takes, and none
// of those on which decisions are published under the prefix.
func CheckTopic(name, prefix string) error {
	if name == TopicWith(prefix, txn.Commit) || name == TopicWith(prefix, txn.Rollback) {
		return fmt.Errorf("topic %s is that of decisions", name)
	}
	if strings.HasSuffix(name, suffixNotice) {
		return fmt.Errorf("topics that end in %s tell of heuristic operations", suffixNotice)
	}
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if name == "" || len(name) > topicBytesMax || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is not the name of a topic: letters, digits, - and _, at most %d", name, topicBytesMax)
	}
	return nil
}
