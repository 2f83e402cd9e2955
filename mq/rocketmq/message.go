package rocketmq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/internal/deflate"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A message's body is a CloudEvents batch in JSON: the events of a pack as the store wrote them. KEYS are the xids,
// TAGS the transaction group.

// The properties of our messages.
const (
	// PropertyPack is the pack id, by which check-backs are answered.
	PropertyPack = "concordPack"
	// PropertyCount is the number of decisions.
	PropertyCount = "concordCount"
	// PropertyFrom tells of a message that is published again in which packs its decisions were made, in order:
	// "pack=number,pack=number". Without it they are those of the pack.
	PropertyFrom = "concordFrom"
	// PropertyEpoch is the epoch of the node that sent it.
	PropertyEpoch = "concordEpoch"
	// PropertyContentType says how to read the body.
	PropertyContentType = mq.PropertyContentType
	// PropertySpecVersion is the version of CloudEvents.
	PropertySpecVersion = "ce_specversion"

	propertyProbe = "concordProbe"
)

// ContentType is that of a batch of CloudEvents.
const ContentType = "application/cloudevents-batch+json; charset=UTF-8"

// tagOf makes a tag of a transaction group: RocketMQ's tags have no blanks, and || means "or".
func tagOf(group string) string {
	tag := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '|' || r == '*' {
			return '_'
		}
		return r
	}, group)
	if len(tag) > 127 {
		tag = strings.ToValidUTF8(tag[:127], "")
	}
	if tag == "" {
		return "default"
	}
	return tag
}

// bodySize is how many bytes the body of a message has, before it is compressed.
func bodySize(entries []orchestrator.OutboxEntry) int {
	size := 2 + max(len(entries)-1, 0)
	for _, e := range entries {
		size += len(e.Event)
	}
	return size
}

// body joins the events of entries to a JSON array.
func body(dst []byte, entries []orchestrator.OutboxEntry) []byte {
	dst = append(dst, '[')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e.Event...)
	}
	return append(dst, ']')
}

// eventStart is how events begin.
const eventStart = `{"specversion":"1.0","id":"`

// xidOf reads the xid of an event. All begin alike, so that the common case needs no decoder.
func xidOf(event []byte) string {
	if rest, ok := bytes.CutPrefix(event[:min(len(event), 400)], []byte(eventStart)); ok {
		end := bytes.IndexByte(rest, '"')
		if slash := bytes.LastIndexByte(rest[:max(end, 0)], '/'); slash > 0 && bytes.IndexByte(rest[:end], '\\') < 0 {
			return string(rest[:slash])
		}
	}
	var e struct {
		Subject string `json:"subject"`
	}
	_ = json.Unmarshal(event, &e) // what is not an event has no xid
	return e.Subject
}

// keysBytesMax bounds the keys of a message, by which its decisions are found: all properties together have 32 KiB.
const keysBytesMax = 24 << 10

// properties of a pack's message. A delay or timer property never gets in: on a transactional message it would send
// the half to the broker's schedule (section 1.5 of the reference), so only names of ours are set.
func (l *Log) properties(p *pack) map[string]string {
	keys := make([]string, 0, len(p.entries))
	for _, e := range p.entries {
		if xid := xidOf(e.Event); xid != "" && !strings.ContainsFunc(xid, unicode.IsSpace) {
			keys = append(keys, xid)
		}
	}
	all := map[string]string{
		primitive.PropertyTags: p.key.tag,
		PropertyPack:           string(p.id),
		PropertyCount:          strconv.Itoa(len(p.entries)),
		PropertyEpoch:          strconv.FormatInt(l.opts.Epoch(), 10),
		PropertyContentType:    ContentType,
		PropertySpecVersion:    "1.0",
	}
	if joined := strings.Join(keys, primitive.PropertyKeySeparator); len(joined) < keysBytesMax {
		all[primitive.PropertyKeys] = joined
	}
	if from := origins(p); from != "" {
		all[PropertyFrom] = from
	}
	if len(p.entries) == 1 { // each of several has its own, in its event
		if trace := mq.Trace(p.entries[0].Event); trace != "" {
			all[mq.PropertyTrace] = trace
		}
	}
	return all
}

// origins makes the property of that name: "" if all entries are the pack's own.
func origins(p *pack) string {
	if !slices.ContainsFunc(p.entries, func(e orchestrator.OutboxEntry) bool { return e.Pack != p.id && e.Pack != "" }) {
		return ""
	}
	var from []byte
	for at := 0; at < len(p.entries); {
		pack, n := p.entries[at].Pack, 0
		for ; at < len(p.entries) && p.entries[at].Pack == pack; at++ {
			n++
		}
		if len(from) > 0 {
			from = append(from, ',')
		}
		from = append(append(from, pack...), '=')
		from = strconv.AppendInt(from, int64(n), 10)
	}
	return string(from)
}

// spansOf tells where the entries of a message's n decisions are.
func spansOf(m *primitive.MessageExt, n int) []span {
	own := span{pack: orchestrator.PackID(m.GetProperty(PropertyPack)), n: n}
	from := m.GetProperty(PropertyFrom)
	if from == "" {
		own.whole = m.GetProperty(PropertyCount) == strconv.Itoa(n)
		return []span{own}
	}
	var all []span
	sum := 0
	for one := range strings.SplitSeq(from, ",") {
		pack, number, _ := strings.Cut(one, "=")
		k, err := strconv.Atoi(number)
		if err != nil || k <= 0 || k > n-sum {
			return []span{{n: n}}
		}
		all = append(all, span{pack: orchestrator.PackID(pack), n: k})
		sum += k
	}
	if sum != n {
		return []span{{n: n}}
	}
	return all
}

// compressFrom is the size from which bodies are compressed: much of what a message of many decisions costs the broker
// is the bytes that it writes, twice, and hands on.
const compressFrom = 4 << 10

// bodies are buffers in which bodies grow before they are compressed.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// compress makes the compressed body of a message; false: it would not be smaller. The library takes it as it is.
func compress(m *primitive.Message, entries []orchestrator.OutboxEntry) bool {
	buffer := bodies.Get().(*[]byte)
	defer bodies.Put(buffer)
	*buffer = body((*buffer)[:0], entries)
	m.CompressedBody = deflate.AppendZlib(nil, *buffer)
	m.Compress = m.CompressedBody != nil
	m.Body = m.CompressedBody // the library looks whether there is one
	return m.Compress
}

// message makes a fresh message of a pack; the library changes it, so that each attempt needs its own.
func (l *Log) message(p *pack) *primitive.Message {
	m := primitive.NewMessage(p.key.topic, nil)
	if bodySize(p.entries) < compressFrom || !compress(m, p.entries) {
		m.Body = body(make([]byte, 0, bodySize(p.entries)), p.entries)
	}
	m.Queue = &primitive.MessageQueue{Topic: p.queue.topic, BrokerName: p.queue.broker, QueueId: p.queue.id}
	m.WithProperties(l.properties(p))
	return m
}

// Decided is one decision of a message.
type Decided struct {
	XID   txn.XID
	Event []byte
}

// Decode reads the decisions of a message's body.
func Decode(body []byte) ([]Decided, error) {
	var events []json.RawMessage
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("body is no batch of events: %w", err)
	}
	all := make([]Decided, 0, len(events))
	for _, e := range events {
		xid, ok := txn.ParseXID(xidOf(e))
		if !ok {
			return nil, fmt.Errorf("event without an xid: %.80q", e)
		}
		all = append(all, Decided{XID: xid, Event: e})
	}
	return all, nil
}

// idsOf returns the transactions of a message: from its keys if there are as many as it should have, else from its
// body.
func idsOf(count, keys string, m *primitive.MessageExt) ([]int64, error) {
	fields := strings.Fields(keys)
	if n, err := strconv.Atoi(count); err == nil && n == len(fields) && n > 0 {
		ids := make([]int64, 0, n)
		for _, k := range fields {
			if xid, ok := txn.ParseXID(k); ok {
				ids = append(ids, xid.ID)
			}
		}
		if len(ids) == n {
			return ids, nil
		}
	}
	body, err := bodyOf(m)
	if err != nil {
		return nil, err
	}
	all, err := Decode(body)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(all))
	for i, d := range all {
		ids[i] = d.XID.ID
	}
	return ids, nil
}
