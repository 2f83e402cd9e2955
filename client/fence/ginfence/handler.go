package ginfence

import (
	"bufio"
	"errors"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/httpfence"
)

// Handler puts a fence in front of a handler, as httpfence.Handler does:
//
//	router.POST("/confirm", ginfence.Handler(store, httpfence.Options{Secrets: secrets}, confirm))
//
// What next writes is held back until its local transaction has ended, which it finds in the context of c.Request. It
// may run again for the same gin.Context, so it should set there only what it would set again. Middleware that has
// run before it, such as that of package gintx, works as usual; middleware that changes the body must not be used,
// since bodies are signed.
func Handler(b fence.Barrier, o httpfence.Options, next gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		real, request := c.Writer, c.Request
		defer func() { c.Writer, c.Request = real, request }()
		httpfence.Handler(b, o, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.Writer, c.Request = &writer{ResponseWriter: real, to: w}, r
			defer func() { c.Writer, c.Request = real, request }()
			next(c)
			c.Writer.WriteHeaderNow()
		})).ServeHTTP(real, request)
	}
}

// writer is Gin's idea of a response, on one that is held back.
type writer struct {
	gin.ResponseWriter
	to     http.ResponseWriter
	status int
	size   int
	sent   bool
}

// errHeld says what cannot be done with an answer that is held back.
var errHeld = errors.New("ginfence: the answer is held back until the local transaction has ended")

// Header returns the headers of the held answer.
func (w *writer) Header() http.Header { return w.to.Header() }

// WriteHeader notes the status; as with Gin it may be changed until something is written.
func (w *writer) WriteHeader(status int) {
	if status > 0 && !w.sent {
		w.status = status
	}
}

// WriteHeaderNow fixes the status.
func (w *writer) WriteHeaderNow() {
	if !w.sent {
		w.sent = true
		w.to.WriteHeader(w.Status())
	}
}

// Write appends to the body.
func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeaderNow()
	n, err := w.to.Write(b)
	w.size += n
	return n, err
}

// WriteString appends to the body.
func (w *writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Status returns the status, 200 if none was set.
func (w *writer) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// Size returns the length of the body so far.
func (w *writer) Size() int { return w.size }

// Written reports whether the status is fixed.
func (w *writer) Written() bool { return w.sent }

// Flush does nothing: nothing is sent before the local transaction has ended.
func (w *writer) Flush() {}

// Hijack is refused.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errHeld }
