package web

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Halves are the half messages that have no end, and the decisions whose message nobody has read.
type Halves struct {
	// InFlight halves of this node wait for their pack to be stored.
	InFlight int
	// Pending counts decisions whose message is not known to be read, OldestAt is when the oldest was decided.
	Pending  int64
	OldestAt txn.Millis
	// GivenUp are halves that brokers have put aside because they got no answer; those of decided packs were published
	// again. More says that there are more than are shown.
	GivenUp []GivenUpHalf
	More    bool
}

// GivenUpHalf is one that a broker has put aside.
type GivenUpHalf struct {
	Broker   string
	Queue    int
	Offset   int64
	Pack     string
	XIDs     []string
	StoredAt txn.Millis
	// Checks is how often the broker has asked before.
	Checks int
}

// HalvesView is how they look.
type HalvesView struct {
	InFlight int               `json:"inFlight"`
	Pending  int64             `json:"pending"`
	OldestAt string            `json:"oldestAt,omitempty"`
	AgeMs    int64             `json:"ageMs,omitempty"`
	GivenUp  []GivenUpHalfView `json:"givenUp"`
	More     bool              `json:"more"`
}

// GivenUpHalfView is how one looks.
type GivenUpHalfView struct {
	Broker   string   `json:"broker"`
	Queue    int      `json:"queue"`
	Offset   int64    `json:"offset"`
	Pack     string   `json:"pack"`
	XIDs     []string `json:"xids"`
	StoredAt string   `json:"storedAt"`
	Checks   int      `json:"checks"`
}

// listHalves answers GET /api/v1/decisions/halves.
func (s *Server) listHalves(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	out := HalvesView{GivenUp: []GivenUpHalfView{}}
	if s.o.Halves == nil { // one machine: decision and event are one write, so that there are no halves
		c.JSON(http.StatusOK, out)
		return
	}
	ctx, cancel := context.WithTimeout(c, answerWait/2)
	defer cancel()
	h, err := s.o.Halves(ctx)
	if err != nil {
		s.fail(c, err)
		return
	}
	out.InFlight, out.Pending, out.OldestAt, out.More = h.InFlight, h.Pending, when(h.OldestAt), h.More
	if h.OldestAt > 0 {
		out.AgeMs = int64(max(s.o.Clock.Now()-h.OldestAt, 0))
	}
	for _, x := range h.GivenUp {
		out.GivenUp = append(out.GivenUp, GivenUpHalfView{
			Broker: x.Broker, Queue: x.Queue, Offset: x.Offset, Pack: x.Pack, XIDs: append([]string{}, x.XIDs...),
			StoredAt: when(x.StoredAt), Checks: x.Checks,
		})
	}
	c.JSON(http.StatusOK, out)
}
