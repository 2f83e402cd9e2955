package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Queues is where the queues of decisions begin and end, and where Concord's own consumers are in them.
type Queues struct {
	// Group is the consumer group of the coordinators.
	Group  string
	Queues []Queue
	// Silent are the brokers that have not answered in time.
	Silent []SilentBroker
}

// Queue is one queue of a topic on a broker.
type Queue struct {
	Topic, Broker string
	Number        int
	// Oldest is the offset of the oldest entry that is there, End the one after the newest.
	Oldest, End int64
	// Committed is the offset at which the group goes on, -1 if it has none. Lag is what the group has not read.
	Committed, Lag int64
}

// SilentBroker is a broker that has not answered, and why.
type SilentBroker struct {
	Broker string `json:"broker"`
	Reason string `json:"reason"`
}

// QueuesView is how queues look.
type QueuesView struct {
	// At is when the answer is from: it is kept for a moment.
	At    string      `json:"at"`
	Items []QueueView `json:"items"`
	// Partial is true if queues of the silent brokers may be missing.
	Partial bool           `json:"partial"`
	Silent  []SilentBroker `json:"silent"`
}

// QueueView is how a queue looks, with one group; a row without a group is the log of one machine itself.
type QueueView struct {
	Topic  string `json:"topic,omitempty"`
	Broker string `json:"broker,omitempty"`
	Queue  int    `json:"queue"`
	Group  string `json:"group,omitempty"`
	Oldest int64  `json:"oldest"`
	End    int64  `json:"end"`
	// Committed is absent if the group has none.
	Committed *int64 `json:"committed,omitempty"`
	Lag       *int64 `json:"lag,omitempty"`
}

const (
	// queuesWithin bounds the question to all brokers, and queuesKept how long their answer serves others who ask.
	queuesWithin = 4 * time.Second
	queuesKept   = txn.Millis(2000)
)

// queueCache keeps the brokers' last answer, so that many pages cost one question.
type queueCache struct {
	token chan struct{}
	at    txn.Millis
	view  QueuesView
	err   error
}

// listQueues answers GET /api/v1/queues.
func (s *Server) listQueues(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	if s.o.Queues == nil {
		s.withDecisions(s.listOwnQueues)(c)
		return
	}
	select {
	case s.queues.token <- struct{}{}:
	case <-c.Request.Context().Done():
		s.fail(c, c.Request.Context().Err())
		return
	}
	view, err := s.askQueues(context.WithoutCancel(c.Request.Context()))
	<-s.queues.token
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, view)
}

// askQueues asks the brokers unless their answer is fresh. Whoever calls it holds the token. It does not end with the
// request that happens to be the first.
func (s *Server) askQueues(ctx context.Context) (QueuesView, error) {
	q := &s.queues
	if now := s.o.Clock.Now(); q.at > 0 && now >= q.at && now < q.at+queuesKept {
		return q.view, q.err
	}
	ctx, cancel := context.WithTimeout(ctx, queuesWithin)
	defer cancel()
	found, err := s.o.Queues(ctx)
	q.at, q.err = s.o.Clock.Now(), err
	q.view = QueuesView{
		At: when(q.at), Items: []QueueView{}, Partial: len(found.Silent) > 0,
		Silent: append([]SilentBroker{}, found.Silent...),
	}
	for _, x := range found.Queues {
		row := QueueView{
			Topic: x.Topic, Broker: x.Broker, Queue: x.Number, Group: found.Group, Oldest: x.Oldest, End: x.End, Lag: &x.Lag,
		}
		if x.Committed >= 0 {
			row.Committed = &x.Committed
		}
		q.view.Items = append(q.view.Items, row)
	}
	return q.view, q.err
}

// listOwnQueues is the answer of one machine: its log, and the groups that read it.
func (s *Server) listOwnQueues(c *gin.Context, _ Decisions) {
	view := QueuesView{At: when(s.o.Clock.Now()), Items: []QueueView{}, Silent: []SilentBroker{}}
	if s.o.Events == nil {
		c.JSON(http.StatusOK, view)
		return
	}
	groups := s.o.Events.Groups()
	first, end := s.o.Events.Bounds()
	view.Items = append(view.Items, QueueView{Oldest: int64(first), End: int64(end)})
	for _, g := range groups {
		committed, lag := int64(g.Offset), int64(g.End)-int64(g.Offset)
		view.Items = append(view.Items, QueueView{
			Group: g.Name, Oldest: int64(first), End: int64(g.End), Committed: &committed, Lag: &lag,
		})
	}
	c.JSON(http.StatusOK, view)
}
