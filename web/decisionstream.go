package web

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

// DecisionStream gives decisions as they are published, where they are kept by a broker.
type DecisionStream interface {
	// FollowDecisions gives decisions to yield from a place on: "oldest", "next", or the place of a step. It ends with
	// ctx, with yield's first error, which it returns, or when nobody answers for a while. Before that yield is called
	// every few seconds, with an empty step if there is nothing new. Errors: orchestrator.ErrCursor, ErrUnavailable.
	FollowDecisions(ctx context.Context, from string, yield func(DecisionStep) error) error
}

// DecisionStep is what is new. Place is behind it; it is short enough for a header. With a Gap there are no decisions.
type DecisionStep struct {
	Decisions []PublishedDecision
	Place     string
	Gap       *DecisionGap
}

// DecisionGap says that messages of a queue are gone, or that it was made anew: First is the oldest that is there.
type DecisionGap struct {
	Topic  string `json:"topic"`
	Broker string `json:"broker"`
	Queue  int    `json:"queue"`
	First  int64  `json:"first"`
}

// followersMax bounds the streams of a node that read a broker: each asks all queues some times a second.
const followersMax = 16

// streamFollowed answers GET /api/v1/decisions/stream where a broker keeps the decisions.
func (s *Server) streamFollowed(c *gin.Context, d DecisionStream) {
	p := s.parameters(c, "from")
	from := cmp.Or(p.text("from"), fromNext)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	from = cmp.Or(c.GetHeader("Last-Event-ID"), from)
	if s.followers.Add(1) > followersMax {
		s.followers.Add(-1)
		s.fail(c, orchestrator.ErrBusy)
		return
	}
	defer s.followers.Add(-1)
	s.streaming(c, func(ctx context.Context, st *stream) error { return st.followDecisions(ctx, d, from) })
}

// followDecisions writes decisions until ctx ends. The place behind a step is the id of its last decision, so that a
// reader that was cut off gets again what it has not got all of.
func (st *stream) followDecisions(ctx context.Context, d DecisionStream, from string) error {
	wrote := time.Now()
	return d.FollowDecisions(ctx, from, func(step DecisionStep) error {
		if step.Gap != nil {
			raw, err := json.Marshal(step.Gap)
			if err != nil {
				return err
			}
			st.buf = append(append(append(st.buf, "event: gap\ndata: "...), raw...), "\n\n"...)
		}
		for i := range step.Decisions {
			id := ""
			if i == len(step.Decisions)-1 {
				id = step.Place
			}
			st.event(id, st.mask.raw(step.Decisions[i].Event))
		}
		quiet := len(step.Decisions) == 0 && step.Gap == nil
		switch {
		case quiet && !st.begun && len(st.buf) == 0: // now the place is known, so that nothing that comes is missed
			st.buf = append(append(append(st.buf, "id: "...), step.Place...), "\n: alive\n\n"...)
		case quiet && len(st.buf) == 0 && time.Since(wrote) < st.quiet, !quiet && len(st.buf) < chunkBytesMax:
			return nil
		case len(st.buf) == 0:
			st.buf = append(st.buf, ": alive\n\n"...)
		}
		wrote = time.Now()
		return st.flush()
	})
}
