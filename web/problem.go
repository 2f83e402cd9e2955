package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web/access"
)

// Problem is the answer to a request that was not carried out: RFC 9457, with a stable code.
type Problem struct {
	// Type is a reference that never changes its meaning: "urn:concord:error:" and the code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code is for programs.
	Code string `json:"code"`
	// Retryable says that the same request may succeed later, and that sending it again is safe.
	Retryable bool `json:"retryable"`
	// RequestID finds the request in the log.
	RequestID string `json:"requestId,omitempty"`
}

// Error returns the problem in words.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + " " + p.Detail
}

// The problems that are HTTP's own; the runtime's are in orchestrator/errors.go.
var (
	problemNoRoute = Problem{
		Status: http.StatusNotFound, Code: "routeNotFound",
		Title: "There is nothing at this address; /openapi.yaml lists what there is.",
	}
	problemNoMethod = Problem{
		Status: http.StatusMethodNotAllowed, Code: "methodNotAllowed",
		Title: "This address does not take this method.",
	}
	problemInternal = Problem{
		Status: http.StatusInternalServerError, Code: "internal",
		Title: "Concord has a defect; its log has the details.",
	}
	problemClosed = Problem{
		Status: http.StatusForbidden, Code: "apiClosed",
		Title:  "The API has no keys yet, so it is closed.",
		Detail: "Only /healthz, /readyz and /metrics answer. Start the server with --dev to open the API on loopback.",
	}
	problemForeignHost = Problem{
		Status: http.StatusForbidden, Code: "hostNotAllowed",
		Title:  "The API answers only to a loopback host name.",
		Detail: "Use http://127.0.0.1 or http://localhost.",
	}
	problemCrossSite = Problem{
		Status: http.StatusForbidden, Code: "crossSite",
		Title: "Requests from pages of other sites are refused.",
	}
	problemArgument = Problem{
		Status: http.StatusBadRequest, Code: "argumentInvalid",
		Title: "The request is not understood.",
	}
	problemBodyLarge = Problem{
		Status: http.StatusRequestEntityTooLarge, Code: "requestTooLarge",
		Title: "The body is over the limit web.bodyBytesMax.",
	}
)

// refuse answers with a problem.
func (s *Server) refuse(c *gin.Context, p Problem) {
	s.complete(c, &p)
	if c.GetBool(forPeople) {
		refuseOnPage(c, &p)
		return
	}
	c.AbortWithStatusJSON(p.Status, p)
}

// complete fills in what all problems have, and says that one is the answer.
func (s *Server) complete(c *gin.Context, p *Problem) {
	p.Type = "urn:concord:error:" + p.Code
	p.RequestID = c.Writer.Header().Get(requestIDHeader)
	c.Set(retryableKey, p.Retryable)
	if t := s.tracingOf(c); t != nil {
		t.code = p.Code
	}
	c.Header("Content-Type", "application/problem+json")
}

// argumentError says what is wrong with a request.
type argumentError struct{ text string }

// Error returns what is wrong.
func (e *argumentError) Error() string { return e.text }

// fail answers with what an error means.
func (s *Server) fail(c *gin.Context, err error) {
	var argument *argumentError
	var large *http.MaxBytesError
	var refusal *access.Refusal
	switch {
	case errors.As(err, &refusal):
		s.deny(c, err)
		return
	case errors.As(err, &argument):
		p := problemArgument
		p.Detail = argument.text
		s.refuse(c, p)
		return
	case errors.As(err, &large):
		s.refuse(c, problemBodyLarge)
		return
	}
	info := orchestrator.Describe(err)
	p := Problem{Status: info.HTTP, Code: string(info.Code), Title: info.Sentence, Retryable: info.Retryable}
	switch {
	case info.HTTP >= http.StatusInternalServerError:
		s.o.Logger.WarnContext(c, "http request failed", "path", c.Request.URL.Path, "err", err)
	case !bare(err):
		p.Detail = err.Error()
	}
	s.refuse(c, p)
}

// bare reports whether an error is nothing but one of the runtime's sentinels, whose row says it better.
func bare(err error) bool {
	return slices.Contains([]error{
		orchestrator.ErrNotFound, orchestrator.ErrConflict, orchestrator.ErrTooLarge, orchestrator.ErrCursor,
	}, err)
}
