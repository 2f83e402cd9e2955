package ginfence_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/fence/ginfence"
	"github.com/concord-tx/concord/client/fence/httpfence"
)

// twice is a fence whose database rolls the first attempt at each work back.
type twice struct{ *fencetest.Memory }

func (b twice) Guard(
	ctx context.Context, k fence.Key, e fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	return b.Memory.Guard(ctx, k, e, func(ctx context.Context) error { return errors.Join(work(ctx), work(ctx)) })
}

func post(t *testing.T, h http.Handler, operation, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/step", strings.NewReader(body))
	httpfence.Call{XID: "10.0.0.1:8091:7", Branch: 8, Operation: operation}.Name(r.URL)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestAHandlerOfGinRunsOnceBehindTheFence, also if it has to run again, and sees the body each time.
func TestAHandlerOfGinRunsOnceBehindTheFence(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	memory := &fencetest.Memory{}
	router, after := gin.New(), 0
	ran := 0
	router.Use(func(c *gin.Context) {
		c.Next()
		after++
		if c.Writer.Status() == 0 {
			t.Error("the middleware sees no status")
		}
	})
	router.POST("/step", ginfence.Handler(twice{memory}, httpfence.Options{}, func(c *gin.Context) {
		ran++
		body, err := io.ReadAll(c.Request.Body)
		call, ok := httpfence.FromContext(c.Request.Context())
		if err != nil || string(body) != "seven" || !ok || call.Branch != 8 {
			t.Errorf("%q, %v, %+v", body, err, call)
		}
		c.Header("X-Step", "yes")
		c.JSON(http.StatusCreated, gin.H{"operation": call.Operation})
		if !c.Writer.Written() || c.Writer.Size() == 0 || c.Writer.Status() != http.StatusCreated {
			t.Error("Gin does not know what it has written")
		}
	}))
	if code, text := post(t, router, "forward", "seven"); code != http.StatusCreated || text != `{"operation":"forward"}` {
		t.Errorf("%d %s", code, text)
	}
	if code, text := post(t, router, "forward", "seven"); code != http.StatusOK || text != "" {
		t.Errorf("a duplicate gets %d %s", code, text)
	}
	if code, _ := post(t, router, "compensate", "seven"); code != http.StatusCreated {
		t.Errorf("the compensation gets %d", code)
	}
	if code, text := post(t, router, "forward", "seven"); code != http.StatusConflict {
		t.Errorf("a late duplicate gets %d %s", code, text)
	}
	if ran != 4 || after != 4 {
		t.Errorf("the handler ran %d times, the middleware %d times", ran, after)
	}
}

// TestAFailureOfTheHandlerRollsBack, with each of Gin's ways to say so.
func TestAFailureOfTheHandlerRollsBack(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	for name, fail := range map[string]func(*gin.Context){
		"json":   func(c *gin.Context) { c.JSON(http.StatusConflict, gin.H{"detail": "no stock"}) },
		"status": func(c *gin.Context) { c.Status(http.StatusInternalServerError) },
		"abort":  func(c *gin.Context) { c.AbortWithStatus(http.StatusTooEarly) },
		"202":    func(c *gin.Context) { c.Status(http.StatusAccepted) },
	} {
		memory := &fencetest.Memory{}
		router := gin.New()
		router.POST("/step", ginfence.Handler(memory, httpfence.Options{}, fail))
		code, _ := post(t, router, "forward", "")
		state := memory.State(fence.Key{XID: "10.0.0.1:8091:7", Branch: 8})
		if state != fence.Absent || code < 202 {
			t.Errorf("%s: %d, and the fence is %s", name, code, state)
		}
	}
}

func ExampleHandler() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.POST("/reserve", ginfence.Handler(&fencetest.Memory{}, httpfence.Options{}, func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"place": "A4"}) // with sqlfence.Tx(c.Request.Context())
	}))
	for range 2 {
		r := httptest.NewRequest(http.MethodPost, "/reserve", nil)
		httpfence.Call{XID: "10.0.0.1:8091:7", Branch: 8, Operation: "forward"}.Name(r.URL)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"place":"A4"}
	// 200
}
