package mq

import (
	"strconv"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// EventTypeHeuristic is the CloudEvents type of the event that tells of a person's heuristic operation.
const EventTypeHeuristic = "io.concord.heuristic"

const suffixNotice = "-heuristic"

// NoticeTopic returns the topic on which heuristic operations are told; "" stands for the usual prefix.
func NoticeTopic(prefix string) string {
	if prefix == "" {
		prefix = TopicPrefix
	}
	return prefix + suffixNotice
}

// Notice is a heuristic operation.
type Notice struct {
	// ID is that of the branch by which the event is published; it makes the event's id.
	ID        int64
	Operation txn.Operation
	// Actor is who did it and why.
	Actor string
	At    txn.Millis
}

// AppendNotice appends the event of a heuristic operation on g to dst: one JSON object, as heuristic.schema.json
// describes it.
func AppendNotice(dst []byte, g *txn.Global, n Notice) []byte {
	dst = append(dst, `{"specversion":"1.0","id":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, "/h"...)
	dst = strconv.AppendInt(dst, n.ID, 10)
	dst = append(dst, `","source":"`+EventSource+`","type":"`+EventTypeHeuristic+`","subject":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, `","time":`...)
	dst = appendTime(dst, n.At)
	dst = append(dst, `,"datacontenttype":"application/json","data":{"xid":"`...)
	dst = appendXID(dst, g.XID)
	dst = append(dst, `","outcome":"`...)
	dst = append(dst, g.Status.Outcome().String()...)
	dst = append(dst, `","action":"`...)
	dst = append(dst, n.Operation.Action.String()...)
	dst = append(dst, `","actor":`...)
	dst = appendText(dst, n.Actor)
	dst = append(dst, `,"application":`...)
	dst = appendText(dst, g.Application)
	dst = append(dst, `,"group":`...)
	dst = appendText(dst, g.Group)
	dst = append(dst, `,"name":`...)
	dst = appendText(dst, g.Name)
	dst = append(dst, `,"branches":[`...)
	first := true
	for _, b := range g.Branches {
		if n.Operation.BranchID != 0 && b.ID != n.Operation.BranchID ||
			n.Operation.BranchID == 0 && (b.LockKey == "" || b.Released) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"id":"`...)
		dst = strconv.AppendInt(dst, b.ID, 10)
		dst = append(dst, `","kind":"`...)
		dst = append(dst, b.Kind.String()...)
		dst = append(dst, `","resource":`...)
		dst = appendText(dst, b.Resource)
		dst = append(dst, '}')
	}
	return append(dst, "]}}"...)
}
