package tc

import (
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Observer is told of each request that was answered: its type, whether the answer says that it failed, and how long
// that took from the frame to the answer. It is called by any goroutine and returns at once.
type Observer func(request seata.TypeCode, failed bool, took time.Duration)

// Observe has f told of requests. It must be called before Run; without it no clock is read.
func (s *Server) Observe(f Observer) { s.observer = f }

// beganAt is when a request came, zero if nobody wants to know.
func (s *Server) beganAt() time.Time {
	if s.observer == nil {
		return time.Time{}
	}
	return time.Now()
}

// observe tells of the end of o, of which msg is the answer; nil is none.
func (s *Server) observe(o *operation, msg seata.Message) {
	if s.observer == nil {
		return
	}
	failed := msg == nil
	if answer, ok := msg.(interface{ Failed() bool }); ok {
		failed = answer.Failed()
	}
	s.observer(o.kind, failed, time.Since(o.began))
}
