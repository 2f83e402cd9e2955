package web

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/playground"
)

// The playground of development mode: samples for whoever sees the console for the first time.

// PlaygroundView is what the playground has and does.
type PlaygroundView struct {
	Scenarios []*playground.Scenario `json:"scenarios"`
	// Runs are what was started, the newest first.
	Runs []playground.View `json:"runs"`
	// RunsMax is how many may be under way at once, RateMax the greatest rate, and SecondsMax the longest time.
	RunsMax    int `json:"runsMax"`
	RateMax    int `json:"rateMax"`
	SecondsMax int `json:"secondsMax"`
}

// playgroundBody is the body of POST /api/v1/playground/{scenario}.
type playgroundBody struct {
	Count   int    `json:"count"`
	Rate    int    `json:"rate"`
	Seconds int    `json:"seconds"`
	Failure string `json:"failure"`
}

var (
	problemNoPlayground = Problem{
		Status: http.StatusNotFound, Code: "playgroundMissing",
		Title: "There is a playground in development mode only: concord serve --dev.",
	}
	problemNoScenario = Problem{
		Status: http.StatusNotFound, Code: "scenarioNotFound", Title: "The playground has no such scenario.",
	}
	problemPlaygroundBusy = Problem{
		Status: http.StatusTooManyRequests, Code: "playgroundBusy", Retryable: true,
		Title: "The playground does as much as it does at once; stop something, or wait.",
	}
	problemNoPlay = Problem{
		Status: http.StatusNotFound, Code: "playgroundRunNotFound", Title: "The playground knows no such run.",
	}
)

// playgroundRoutes are those of the playground. Without one they answer that there is none.
func (s *Server) playgroundRoutes(v1 *gin.RouterGroup) {
	v1.GET("/playground", s.withPlayground(s.showPlayground))
	v1.POST("/playground/:scenario", s.withPlayground(s.play))
	v1.DELETE("/playground/runs/:run", s.withPlayground(s.stopPlaying))
}

func (s *Server) withPlayground(do func(c *gin.Context, p *playground.Playground)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.playground == nil {
			s.refuse(c, problemNoPlayground)
			return
		}
		do(c, s.playground)
	}
}

// runPlayground runs it until ctx ends or the function that is returned is called, which waits for its end.
func (s *Server) runPlayground(ctx context.Context) func() {
	if s.playground == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { _ = s.playground.Run(ctx) }) // it returns nil
	return func() {
		cancel()
		group.Wait()
	}
}

// showPlayground answers GET /api/v1/playground.
func (s *Server) showPlayground(c *gin.Context, p *playground.Playground) {
	if q := s.parameters(c); q.err != nil {
		s.fail(c, q.err)
		return
	}
	c.JSON(http.StatusOK, PlaygroundView{
		Scenarios: p.Scenarios(), Runs: p.Runs(), RunsMax: playground.RunsMax, RateMax: playground.RateMax,
		SecondsMax: int(playground.TimeMax.Seconds()),
	})
}

// play answers POST /api/v1/playground/{scenario}.
func (s *Server) play(c *gin.Context, p *playground.Playground) {
	var body playgroundBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	run, err := p.Start(c.Param("scenario"), playground.Wish{
		Count: body.Count, Rate: body.Rate, Seconds: body.Seconds, Failure: body.Failure,
	})
	switch {
	case errors.Is(err, playground.ErrUnknown):
		s.refuse(c, problemNoScenario)
	case errors.Is(err, playground.ErrBusy):
		s.refuse(c, problemPlaygroundBusy)
	case err != nil:
		s.fail(c, &argumentError{err.Error()})
	default:
		note(c, run.Scenario, nil, nil)
		c.JSON(http.StatusAccepted, run)
	}
}

// stopPlaying answers DELETE /api/v1/playground/runs/{run}.
func (s *Server) stopPlaying(c *gin.Context, p *playground.Playground) {
	run, found := p.Stop(c.Param("run"))
	if !found {
		s.refuse(c, problemNoPlay)
		return
	}
	note(c, run.Scenario, nil, nil)
	c.JSON(http.StatusAccepted, run)
}
