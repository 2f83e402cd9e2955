package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// health answers as long as the process does.
func (s *Server) health(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons"`
	// Degraded is what does not work as it should, although new work is welcome.
	Degraded []Reason `json:"degraded"`
}

// ready answers 200 if new work is welcome, otherwise 503 and why not.
func (s *Server) ready(c *gin.Context) {
	reasons := s.reasons()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	degraded := []Reason{}
	if s.o.Degraded != nil {
		degraded = append(degraded, s.o.Degraded()...)
	}
	c.JSON(status, readiness{Ready: len(reasons) == 0, Reasons: reasons, Degraded: degraded})
}

// reasons is never nil, so that JSON shows a list.
func (s *Server) reasons() []Reason {
	reasons := []Reason{}
	if s.o.Ready != nil {
		reasons = append(reasons, s.o.Ready()...)
	}
	return reasons
}
