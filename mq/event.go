package mq

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The topics on which decisions are published, with the usual prefix.
const (
	TopicCommit   = TopicPrefix + suffixCommit
	TopicRollback = TopicPrefix + suffixRollback
)

// TopicPrefix is what the names of the topics begin with where nothing else is configured.
const TopicPrefix = "concord"

const (
	suffixCommit   = "-commit"
	suffixRollback = "-rollback"
)

// The CloudEvents attributes of a decision.
const (
	EventSource       = "/concord"
	EventTypeCommit   = "io.concord.decision.commit"
	EventTypeRollback = "io.concord.decision.rollback"
)

// transactionsPath is where the API has a transaction; see web/openapi.yaml.
const transactionsPath = "/api/v1/transactions/"

// branchBytesMax is how much the branches of an event may hold; beyond it they are listed by id only.
const branchBytesMax = 256 << 10

// Topic returns the topic of an outcome, with the usual prefix.
func Topic(o txn.Outcome) string { return TopicWith(TopicPrefix, o) }

// TopicWith returns the topic of an outcome; "" stands for the usual prefix.
func TopicWith(prefix string, o txn.Outcome) string {
	if prefix == "" {
		prefix = TopicPrefix
	}
	if o == txn.Commit {
		return prefix + suffixCommit
	}
	return prefix + suffixRollback
}

// EventType returns the CloudEvents type of an outcome.
func EventType(o txn.Outcome) string {
	if o == txn.Commit {
		return EventTypeCommit
	}
	return EventTypeRollback
}

// AppendDecision is [AppendDecisionBy] where there is one machine only, and no epochs.
func AppendDecision(dst []byte, g *txn.Global) []byte { return AppendDecisionBy(dst, g, 0) }

// AppendDecisionBy appends the event of g's decision to dst: one JSON object, as decision.schema.json describes it. The
// epoch is that of the node that decided. The id is the xid and the version that carries the decision, so duplicates
// are recognised by it. Ids of branches are strings: they do not fit into the numbers of JavaScript.
func AppendDecisionBy(dst []byte, g *txn.Global, epoch int64) []byte {
	o := g.Status.Outcome()
	dst = append(dst, `{"specversion":"1.0","id":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, g.Version, 10)
	dst = append(dst, `","source":"`+EventSource+`","type":"`...)
	dst = append(dst, EventType(o)...)
	dst = append(dst, `","subject":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, `","time":`...)
	dst = appendTime(dst, g.DecidedAt)
	if txn.ValidTrace(g.Trace) {
		dst = append(dst, `,"traceparent":"`...)
		dst = append(dst, g.Trace...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"datacontenttype":"application/json","data":{"xid":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, `","outcome":"`...)
	dst = append(dst, o.String()...)
	dst = append(dst, `","cause":"`...)
	dst = append(dst, g.Cause.String()...)
	dst = append(dst, `","application":`...)
	dst = appendText(dst, g.Application)
	dst = append(dst, `,"group":`...)
	dst = appendText(dst, g.Group)
	dst = append(dst, `,"name":`...)
	dst = appendText(dst, g.Name)
	if g.Data != "" {
		dst = append(dst, `,"data":`...)
		dst = appendText(dst, g.Data)
	}
	dst = append(dst, `,"beganAt":`...)
	dst = appendTime(dst, g.BeganAt)
	dst = append(dst, `,"decidedAt":`...)
	dst = appendTime(dst, g.DecidedAt)
	dst = append(dst, `,"epoch":`...)
	dst = strconv.AppendInt(dst, epoch, 10)
	dst = append(dst, `,"branches":`...)
	mark := len(dst)
	whole := true
	if dst, whole = appendBranches(dst, g, true); !whole {
		dst, _ = appendBranches(dst[:mark], g, false)
		dst = append(dst, `,"truncated":true,"href":"`+transactionsPath...)
		dst = strconv.AppendInt(dst, g.XID.ID, 10)
		dst = append(dst, '"')
	}
	return append(dst, "}}"...)
}

// Describe appends the event of the decision that ch carries to dst: that of [AppendDecisionBy], with the traceparent
// that ch has for its readers.
func Describe(dst []byte, ch *orchestrator.Change, epoch int64) []byte {
	g := ch.Global
	if ch.Trace != "" && ch.Trace != g.Trace {
		handed := *g
		handed.Trace = ch.Trace
		g = &handed
	}
	return AppendDecisionBy(dst, g, epoch)
}

// traceKey stands before the traceparent of an event. Inside of texts quotes are escaped, so nothing else looks like
// it.
const traceKey = `,"traceparent":"`

// Trace returns the traceparent of an event that was made here, or "".
func Trace(event []byte) string {
	_, rest, found := bytes.Cut(event, []byte(traceKey))
	end := bytes.IndexByte(rest, '"')
	if !found || end < 0 {
		return ""
	}
	return string(rest[:end])
}

// appendBranches appends the list of branches, or gives up when it becomes too long.
func appendBranches(dst []byte, g *txn.Global, whole bool) ([]byte, bool) {
	mark := len(dst)
	dst = append(dst, '[')
	for i, b := range g.Branches {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":"`...)
		dst = strconv.AppendInt(dst, b.ID, 10)
		dst = append(dst, '"')
		if whole {
			if len(dst)-mark+len(b.Resource)+len(b.Data) > branchBytesMax {
				return dst, false
			}
			dst = append(dst, `,"kind":"`...)
			dst = append(dst, b.Kind.String()...)
			dst = append(dst, `","resource":`...)
			dst = appendText(dst, b.Resource)
			dst = append(dst, `,"data":`...)
			dst = appendText(dst, b.Data)
			if len(dst)-mark > branchBytesMax {
				return dst, false
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), true
}

// appendXID appends an xid inside of quotes.
func appendXID(dst []byte, x txn.XID) []byte {
	dst = appendEscaped(dst, x.Prefix)
	dst = append(dst, ':')
	return strconv.AppendInt(dst, x.ID, 10)
}

// appendTime appends an RFC 3339 time in UTC, in quotes; null if there is none.
func appendTime(dst []byte, m txn.Millis) []byte {
	if m == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = m.Time().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendText appends s as a JSON string.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// plain says of each byte whether it stands for itself inside a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendEscaped appends s as it stands inside a JSON string. What is not UTF-8 becomes U+FFFD, byte by byte.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += size
		from = i
	}
	return append(dst, s[from:]...)
}
