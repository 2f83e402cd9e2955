package gintx_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/propagation/gintx"
)

func engine(o propagation.Options) *gin.Engine {
	r := gin.New()
	r.ContextWithFallback = true
	r.Use(gintx.Middleware(o))
	r.GET("/xid", func(c *gin.Context) {
		c.String(http.StatusOK, "%s %s", client.XID(c.Request.Context()), client.XID(c))
	})
	return r
}

func TestHandlersOfGinHaveTheTransaction(t *testing.T) {
	t.Parallel()
	const xid = "10.0.0.1:8091:7"
	r := engine(propagation.Options{})
	for header, want := range map[string]string{xid: xid + " " + xid, "": " ", "nonsense": " "} {
		request := httptest.NewRequest(http.MethodGet, "/xid", nil)
		request.Header.Set("TX_XID", header)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, request)
		if w.Body.String() != want {
			t.Errorf("%q: %q", header, w.Body)
		}
	}
}

func ExampleMiddleware() {
	r := gin.New()
	r.Use(gintx.Middleware(propagation.Options{}))
	r.GET("/", func(c *gin.Context) { fmt.Println("in", client.XID(c.Request.Context())) })

	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("TX_XID", "10.0.0.1:8091:7") // as a service of Seata sends it
	r.ServeHTTP(httptest.NewRecorder(), request)
	// Output: in 10.0.0.1:8091:7
}
