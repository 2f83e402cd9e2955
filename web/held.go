package web

import (
	"bytes"

	"github.com/gin-gonic/gin"
)

// held keeps an answer back until what must be written first is written: an entry of the journal, the reply to a keyed
// request.
type held struct {
	gin.ResponseWriter
	status int
	wrote  bool
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *held) WriteHeader(status int) { w.status, w.wrote = status, true }

// WriteHeaderNow implements gin.ResponseWriter.
func (w *held) WriteHeaderNow() { w.wrote = true }

// Write implements io.Writer.
func (w *held) Write(p []byte) (int, error) {
	w.wrote = true
	return w.body.Write(p)
}

// WriteString implements io.StringWriter.
func (w *held) WriteString(p string) (int, error) {
	w.wrote = true
	return w.body.WriteString(p)
}

// Flush implements http.Flusher: nothing leaves before its time.
func (w *held) Flush() {}

// Status implements gin.ResponseWriter.
func (w *held) Status() int { return w.status }

// Size implements gin.ResponseWriter.
func (w *held) Size() int { return w.body.Len() }

// Written implements gin.ResponseWriter.
func (w *held) Written() bool { return w.wrote }

// release sends the answer.
func (w *held) release() {
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(w.body.Bytes()) // who is gone finds the outcome in the journal
}
