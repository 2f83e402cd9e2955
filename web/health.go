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
}

// ready answers 200 if new work is welcome, otherwise 503 and why not.
func (s *Server) ready(c *gin.Context) {
	reasons := s.reasons()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	c.JSON(status, readiness{Ready: len(reasons) == 0, Reasons: reasons})
}

// reasons is never nil, so that JSON shows a list.
func (s *Server) reasons() []Reason {
	reasons := []Reason{}
	if s.o.Ready != nil {
		reasons = append(reasons, s.o.Ready()...)
	}
	return reasons
}
