package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Events is what the API needs of a decision log that keeps its events itself.
type Events interface {
	Groups() []orchestrator.EventGroup
	Subscribe(ctx context.Context, group string, topics []string, fromOldest bool) error
	Remove(ctx context.Context, group string) error
	Poll(ctx context.Context, group string, limit int, wait time.Duration) ([]orchestrator.EventDelivery, error)
	Ack(group string, receipts ...string) error
	Nack(ctx context.Context, group, receipt, reason string) error
	Seek(ctx context.Context, group string, seq uint64) error
	SeekTime(ctx context.Context, group string, at txn.Millis) error
	DeadLetters(group string, after uint64, limit int) ([]orchestrator.EventLetter, error)
	Replay(ctx context.Context, group string, seq uint64) error
	Discard(ctx context.Context, group string, seq uint64) error
	Bounds() (first, next uint64)
	Read(seq uint64, yield func(orchestrator.EventEntry) bool) error
	Watch(wake func()) (stop func())
}

// EventGroup is how a consumer group looks.
type EventGroup struct {
	Name   string   `json:"name"`
	Topics []string `json:"topics"` // empty: all decisions
	// Offset is the lowest entry that is not settled, End the one after the newest entry.
	Offset   uint64 `json:"offset"`
	End      uint64 `json:"end"`
	InFlight int    `json:"inFlight"`
}

// EventEntry is how an entry of the log looks.
type EventEntry struct {
	Seq   uint64          `json:"seq"`
	Topic string          `json:"topic"`
	At    string          `json:"at"`
	Event json.RawMessage `json:"event"`
}

// EventDelivery is how a delivery looks.
type EventDelivery struct {
	// Delivery is what the answer to it is given with.
	Delivery string `json:"delivery"`
	Attempt  int    `json:"attempt"`
	EventEntry
}

const (
	// pollWaitMax bounds how long a poll waits; it is below answerWait.
	pollWaitMax = 20 * time.Second
	// contentTypeBatch is the content type of a JSON array of CloudEvents.
	contentTypeBatch = "application/cloudevents-batch+json"
	// deliveriesHeader carries the ids of the deliveries of a batch, in its order.
	deliveriesHeader = "Concord-Deliveries"
)

// withEvents calls handle, or says where the events are.
func (s *Server) withEvents(handle func(c *gin.Context, e Events)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.o.Events == nil {
			s.refuse(c, Problem{
				Status: http.StatusConflict, Code: "eventsElsewhere",
				Title:  "This server does not keep the events of decisions itself.",
				Detail: cmp.Or(s.o.EventsElsewhere, "It publishes none."),
			})
			return
		}
		handle(c, s.o.Events)
	}
}

// eventRoutes are the routes under /api/v1/events.
func (s *Server) eventRoutes(v1 *gin.RouterGroup) {
	v1.GET("/events", s.withEvents(s.listEvents))
	v1.GET("/events/stream", s.withEvents(s.streamEvents))
	v1.GET("/events/groups", s.withEvents(s.listGroups))
	v1.GET("/events/groups/:group", s.withEvents(s.showGroup))
	v1.PUT("/events/groups/:group", s.withEvents(s.putGroup))
	v1.DELETE("/events/groups/:group", s.withEvents(s.deleteGroup))
	v1.POST("/events/groups/:group/poll", s.withEvents(s.pollGroup))
	v1.POST("/events/groups/:group/ack", s.withEvents(s.ackGroup))
	v1.POST("/events/groups/:group/nack", s.withEvents(s.nackGroup))
	v1.POST("/events/groups/:group/seek", s.withEvents(s.seekGroup))
	s.letterRoutes(v1)
}

func viewGroup(g orchestrator.EventGroup) EventGroup {
	return EventGroup{
		Name: g.Name, Topics: append([]string{}, g.Topics...), Offset: g.Offset, End: g.End, InFlight: g.InFlight,
	}
}

func viewEntry(e orchestrator.EventEntry) EventEntry {
	return EventEntry{Seq: e.Seq, Topic: e.Topic, At: when(e.At), Event: e.Event}
}

// answerEvents answers with events in them, whose bytes stay as they are: other encoders would escape some.
func answerEvents(c *gin.Context, body any) { c.PureJSON(http.StatusOK, body) }

// listGroups answers GET /api/v1/events/groups.
func (s *Server) listGroups(c *gin.Context, e Events) {
	out := Page[EventGroup]{Items: []EventGroup{}}
	for _, g := range e.Groups() {
		out.Items = append(out.Items, viewGroup(g))
	}
	c.JSON(http.StatusOK, out)
}

// showGroup answers GET /api/v1/events/groups/{group}.
func (s *Server) showGroup(c *gin.Context, e Events) { s.answerGroup(c, e, http.StatusOK) }

func (s *Server) answerGroup(c *gin.Context, e Events, status int) {
	for _, g := range e.Groups() {
		if g.Name == c.Param("group") {
			c.JSON(status, viewGroup(g))
			return
		}
	}
	s.fail(c, orchestrator.ErrNoGroup)
}

// groupBody is the body of a subscription.
type groupBody struct {
	Topics []string `json:"topics"`
	From   string   `json:"from"`
}

// Where a new group, or a reader, begins.
const (
	fromOldest = "oldest"
	fromNext   = "next"
)

// topicsMax bounds the topics of a group.
const topicsMax = 64

// putGroup answers PUT /api/v1/events/groups/{group}.
func (s *Server) putGroup(c *gin.Context, e Events) {
	var body groupBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	name := c.Param("group")
	switch {
	case clean(name, 255) != name:
		s.fail(c, &argumentError{"the name of a group is printable and not longer than 255 bytes"})
		return
	case len(body.Topics) > topicsMax:
		s.fail(c, &argumentError{fmt.Sprintf("a group has at most %d topics", topicsMax)})
		return
	case body.From != "" && body.From != fromOldest && body.From != fromNext:
		s.fail(c, &argumentError{fmt.Sprintf("from is %s or %s, not %q", fromOldest, fromNext, body.From)})
		return
	}
	for _, topic := range body.Topics {
		if topic == "" || clean(topic, 255) != topic {
			s.fail(c, &argumentError{fmt.Sprintf("%q is not the name of a topic", topic)})
			return
		}
	}
	if err := e.Subscribe(c, name, body.Topics, body.From == fromOldest); err != nil {
		s.fail(c, err)
		return
	}
	s.answerGroup(c, e, http.StatusOK)
}

// deleteGroup answers DELETE /api/v1/events/groups/{group}.
func (s *Server) deleteGroup(c *gin.Context, e Events) {
	if s.fourEyes(FourEyesDiscard) { // its dead letters end with it
		s.askToDiscard(c, "")
		return
	}
	s.done(c, e.Remove(c, c.Param("group")))
}

// done answers what has nothing to show.
func (s *Server) done(c *gin.Context, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// pollGroup answers POST /api/v1/events/groups/{group}/poll.
func (s *Server) pollGroup(c *gin.Context, e Events) {
	p := s.parameters(c, "wait", "limit")
	limit, wait := p.limit(), p.duration("wait", pollWaitMax)
	if limit == 0 {
		limit = orchestrator.PageItemsDefault
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	ctx, cancel := s.untilClosing(c)
	defer cancel()
	got, err := e.Poll(ctx, c.Param("group"), limit, wait)
	if err != nil && ctx.Err() == nil {
		s.fail(c, err)
		return
	}
	if strings.Contains(c.GetHeader("Accept"), contentTypeBatch) {
		answerBatch(c, got)
		return
	}
	out := Page[EventDelivery]{Items: []EventDelivery{}}
	for _, d := range got {
		out.Items = append(out.Items, EventDelivery{
			Delivery: d.Receipt, Attempt: d.Attempt, EventEntry: viewEntry(d.EventEntry),
		})
	}
	answerEvents(c, out)
}

// answerBatch answers in the form that a message on RocketMQ has; the ids of the deliveries are in a header.
func answerBatch(c *gin.Context, got []orchestrator.EventDelivery) {
	size := 2
	for _, d := range got {
		size += len(d.Event) + 1
	}
	body, ids := append(make([]byte, 0, size), '['), make([]string, 0, len(got))
	for i, d := range got {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, d.Event...)
		ids = append(ids, d.Receipt)
	}
	c.Header(deliveriesHeader, strings.Join(ids, " "))
	c.Data(http.StatusOK, contentTypeBatch, append(body, ']'))
}

// answersBody is the body of an answer to deliveries.
type answersBody struct {
	Deliveries []string `json:"deliveries"`
	Reason     string   `json:"reason"`
}

func (s *Server) readAnswers(c *gin.Context) (body answersBody, ok bool) {
	err := readBody(c, &body)
	if err == nil && len(body.Deliveries) == 0 {
		err = &argumentError{"deliveries is empty: it lists what the poll called delivery"}
	}
	if err != nil {
		s.fail(c, err)
	}
	return body, err == nil
}

// ackGroup answers POST /api/v1/events/groups/{group}/ack.
func (s *Server) ackGroup(c *gin.Context, e Events) {
	body, ok := s.readAnswers(c)
	if !ok {
		return
	}
	if body.Reason != "" {
		s.fail(c, &argumentError{"reason goes with nack"})
		return
	}
	s.done(c, e.Ack(c.Param("group"), body.Deliveries...))
}

// nackGroup answers POST /api/v1/events/groups/{group}/nack.
func (s *Server) nackGroup(c *gin.Context, e Events) {
	body, ok := s.readAnswers(c)
	if !ok {
		return
	}
	for _, receipt := range body.Deliveries {
		if err := e.Nack(c, c.Param("group"), receipt, body.Reason); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.done(c, nil)
}

// seekBody says where a group goes on.
type seekBody struct {
	To string `json:"to"`
}

// seekGroup answers POST /api/v1/events/groups/{group}/seek.
func (s *Server) seekGroup(c *gin.Context, e Events) {
	var body seekBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	group := c.Param("group")
	first, next := e.Bounds()
	var err error
	if seq, number := strconv.ParseUint(body.To, 10, 64); number == nil {
		err = e.Seek(c, group, seq)
	} else if body.To == fromOldest {
		err = e.Seek(c, group, first)
	} else if body.To == fromNext {
		err = e.Seek(c, group, next)
	} else if at, ok := parseTime(body.To, s.o.Clock.Now()); ok {
		err = e.SeekTime(c, group, at)
	} else {
		err = &argumentError{fmt.Sprintf("to is oldest, next, the number of an entry, a time or an age such as 15m, not %q",
			body.To)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.answerGroup(c, e, http.StatusOK)
}
