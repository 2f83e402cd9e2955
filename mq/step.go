package mq

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// EventTypeStep is the CloudEvents type of the message of a saga's step, where it is an event.
const EventTypeStep = "io.concord.saga.step"

// The properties of the message of a saga's step on a broker, and of the reply to it. Brokers filter by properties;
// their language takes no hyphens.
const (
	PropertyID        = "concordId"        // the same for each copy; whoever replies hands it back
	PropertyXID       = "concordXid"       //
	PropertyBranch    = "concordBranch"    //
	PropertyOperation = "concordOperation" // forward or compensate
	PropertyAttempt   = "concordAttempt"   // counts from 1
	PropertyStep      = "concordStep"      // its name: "pay", "pay[3]", "trip/hotel"
	PropertySaga      = "concordSaga"      // the definition
	PropertyRunKey    = "concordKey"       // what the run was started with
	PropertyReply     = "concordReply"     // the topic for the reply; missing: none is expected
	PropertyOutcome   = "concordOutcome"   // of a reply: done, refused, ongoing or failed
	PropertyText      = "concordText"      // of a reply: why
)

// The operations that a participant is asked for.
const (
	OperationForward    = "forward"
	OperationCompensate = "compensate"
)

// StepMessage is the message of a saga's step, or of its compensation.
type StepMessage struct {
	Topic, Tag string
	// Key is that of the definition, "" if it has none.
	Key string
	// ID is "XID/BRANCH/OPERATION": what to recognise copies by.
	ID        string
	XID       txn.XID
	Branch    int64
	Operation string
	Attempt   uint32
	// Step is the step's name, Saga and RunKey those of the run.
	Step, Saga, RunKey string
	// Reply is the topic for the reply, "" if none is expected.
	Reply   string
	Trace   string // traceparent, or ""
	Headers []txn.CallHeader
	Data    string // JSON, or ""
}

// StepFunc publishes the message of a step and calls done once, with nil when it is durable. It does not block.
type StepFunc func(m *StepMessage, done func(error))

// headersBytesMax bounds what the definition's headers hold together: brokers keep all properties of a message in less
// than 32 KiB.
const headersBytesMax = 16 << 10

// stepMessage makes the message that a command asks for. An error says why it can never be sent.
func stepMessage(cmd *txn.Command, prefix string) (*StepMessage, error) {
	id := cmd.Identity()
	m := &StepMessage{
		Topic: cmd.Resource, XID: cmd.XID, Branch: id.BranchID, Operation: OperationForward, Attempt: id.Attempt,
		Step: id.Step, Trace: cmd.Trace, Data: cmd.Data,
	}
	if id.Op == txn.Rollback {
		m.Operation = OperationCompensate
	}
	m.ID = StepID(m.XID, m.Branch, m.Operation)
	if cmd.Run != nil {
		m.Saga, m.RunKey = cmd.Run.Definition, plainText(cmd.Run.Key)
	}
	if c := cmd.Call; c != nil {
		m.Tag, m.Key, m.Reply, m.Headers = c.Tag, strings.Join(strings.Fields(plainText(c.Key)), "_"), c.Reply, c.Headers
	}
	if err := CheckTopic(m.Topic, prefix); err != nil {
		return nil, err
	}
	if m.Reply != "" {
		if err := CheckTopic(m.Reply, prefix); err != nil {
			return nil, fmt.Errorf("reply: %w", err)
		}
	}
	return m, checkHeaders(m.Headers)
}

// StepID is what names an operation on a step: the same for each attempt at it.
func StepID(xid txn.XID, branch int64, operation string) string {
	return string(append(strconv.AppendInt(append(xid.Append(nil), '/'), branch, 10), "/"+operation...))
}

// checkHeaders refuses what a broker would take for something else: it separates properties by control characters.
func checkHeaders(headers []txn.CallHeader) error {
	size := 0
	for _, h := range headers {
		size += len(h.Name) + len(h.Value)
		if plainText(h.Name+h.Value) != h.Name+h.Value {
			return fmt.Errorf("header %s has control characters", h.Name)
		}
	}
	if size > headersBytesMax {
		return fmt.Errorf("headers have %d bytes; %d are the most", size, headersBytesMax)
	}
	return nil
}

// plainText drops control characters.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// Keys are the keys of the message on a broker: the xid, the id, and what the definition says.
func (m *StepMessage) Keys() string {
	keys := m.XID.String() + " " + m.ID
	if m.Key != "" {
		keys += " " + m.Key
	}
	return keys
}

// Properties are those of the message on a broker. The definition's headers come first: none of them hides ours.
func (m *StepMessage) Properties() map[string]string {
	all := map[string]string{}
	for _, h := range m.Headers {
		all[h.Name] = h.Value
	}
	for name, value := range map[string]string{
		PropertyID: m.ID, PropertyXID: m.XID.String(), PropertyBranch: strconv.FormatInt(m.Branch, 10),
		PropertyOperation: m.Operation, PropertyAttempt: strconv.FormatUint(uint64(m.Attempt), 10), PropertyStep: m.Step,
		PropertySaga: m.Saga, PropertyRunKey: m.RunKey, PropertyReply: m.Reply, PropertyTrace: m.Trace,
		PropertyContentType: "application/json",
	} {
		delete(all, name)
		if value != "" {
			all[name] = value
		}
	}
	return all
}

// AppendStep appends the message as an event to dst: one JSON object, as step.schema.json describes it.
func AppendStep(dst []byte, m *StepMessage) []byte {
	text := func(key, s string) {
		dst = appendText(append(dst, `,"`+key+`":`...), s)
	}
	dst = appendText(append(dst, `{"specversion":"1.0","id":`...), m.ID)
	dst = append(dst, `,"source":"`+EventSource+`","type":"`+EventTypeStep+`"`...)
	text("subject", m.XID.String())
	if txn.ValidTrace(m.Trace) {
		text("traceparent", m.Trace)
	}
	dst = append(dst, `,"datacontenttype":"application/json","data":{"xid":`...)
	dst = appendText(dst, m.XID.String())
	text("branch", strconv.FormatInt(m.Branch, 10))
	text("operation", m.Operation)
	dst = strconv.AppendUint(append(dst, `,"attempt":`...), uint64(m.Attempt), 10)
	text("step", m.Step)
	text("saga", m.Saga)
	text("topic", m.Topic)
	for _, f := range [...]struct{ name, value string }{
		{"runKey", m.RunKey}, {"tag", m.Tag}, {"key", m.Key}, {"reply", m.Reply},
	} {
		if f.value != "" {
			text(f.name, f.value)
		}
	}
	if m.Reply != "" {
		text("replyTo", RepliesPath)
	}
	dst = append(dst, `,"headers":{`...)
	for i, h := range m.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(append(appendText(dst, h.Name), ':'), h.Value)
	}
	dst = append(dst, `},"payload":`...)
	switch {
	case m.Data == "":
		dst = append(dst, "null"...)
	case json.Valid([]byte(m.Data)):
		dst = append(dst, m.Data...)
	default: // what a planner makes is JSON
		dst = appendText(dst, m.Data)
	}
	return append(dst, "}}"...)
}

// RepliesPath is where the API takes replies; see web/openapi.yaml.
const RepliesPath = "/api/v1/sagas/replies"

// StepEvents publishes the messages of steps as events.
func StepEvents(publish PublishFunc) StepFunc {
	return func(m *StepMessage, done func(error)) {
		publish(m.Topic, m.Tag, m.Keys(), AppendStep(make([]byte, 0, 1024+len(m.Data)), m), done)
	}
}

// StepBodies publishes the data of steps as the bodies of messages, and the rest as their properties. Without data the
// body is null: brokers of RocketMQ 5 fail with one that is empty.
func StepBodies(
	publish func(topic, tag, key string, body []byte, props map[string]string, done func(error)),
) StepFunc {
	return func(m *StepMessage, done func(error)) {
		publish(m.Topic, m.Tag, m.Keys(), []byte(cmp.Or(m.Data, "null")), m.Properties(), done)
	}
}

// Steps has t publish the messages of sagas' steps, too, to topics that [CheckTopic] allows under the prefix. It is
// called before t is used.
func (t *TopicTransport) Steps(publish StepFunc, prefix string) *TopicTransport {
	t.publishStep, t.prefix = publish, prefix
	return t
}

// sendStep publishes the message of a step, or refuses it if it can never be published.
func (t *TopicTransport) sendStep(cmd *txn.Command) error {
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultPublished}
	m, err := stepMessage(cmd, t.prefix)
	if err != nil {
		r.Result, r.Text = txn.ResultRefused, "publish on "+cmd.Resource+": "+err.Error()
		t.failed.Add(1)
		t.reply(cmd.XID.ID, r)
		return nil
	}
	if err := t.begin(cmd.Resource); err != nil {
		return err
	}
	id := cmd.XID.ID
	t.publishStep(m, func(err error) { t.ended(id, r, cmd.Resource, err) })
	return nil
}

// NoMessages is the [orchestrator.Transport] for the messages of sagas where nothing is published: it refuses them.
type NoMessages struct{ reply func(id int64, r txn.Reply) }

// Bind says who is told: the Reply of the coordinator.
func (n *NoMessages) Bind(reply func(id int64, r txn.Reply)) { n.reply = reply }

// Send implements [orchestrator.Transport].
func (n *NoMessages) Send(cmd txn.Command) error {
	n.reply(cmd.XID.ID, txn.Reply{
		BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultRefused,
		Text: "publish on " + cmd.Resource + ": this server publishes nothing: --mq is off",
	})
	return nil
}

var _ orchestrator.Transport = (*NoMessages)(nil)
