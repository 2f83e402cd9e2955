package gintx

import (
	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/client/propagation"
)

// Middleware returns a middleware that puts the transaction and the trace of a request's headers into the request's
// context. It belongs before whatever works in transactions.
func Middleware(o propagation.Options) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request = o.Request(c.Request)
		c.Next()
	}
}
