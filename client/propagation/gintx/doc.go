// Package gintx gives the handlers of Gin the transaction and the trace of their requests; see package propagation for
// what is read, what is checked, and whom an xid is taken from.
//
//	r := gin.New()
//	r.Use(gintx.Middleware(propagation.Options{}))
//
// Handlers pass c.Request.Context() on, or c itself if the engine has ContextWithFallback.
package gintx
