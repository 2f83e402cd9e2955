//go:build parts

package main

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// TestTraceOfATransactionAcrossTwoNodes begins on one node and decides on the other; RocketMQ has either drive it.
func TestTraceOfATransactionAcrossTwoNodes(t *testing.T) {
	t.Parallel()
	const traceID, clientSpan = "5bf92f3577b34da6a3ce929d0e0e4736", "10f067aa0ba902b7"
	collector := collectSpans(t)
	var handed sync.Map
	called := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handed.Store(r.Header.Get("traceparent"), true)
	}))
	t.Cleanup(called.Close)
	s := newSite(t, shared)
	flags := []string{"--trace-endpoint", collector.server.URL, "--trace-sample", "0"}
	a, b := s.node("a", flags...), s.node("b", flags...)
	begun := a.call("/api/v1/transactions", "00-"+traceID+"-"+clientSpan+"-01", `{"name":"order"}`)
	path := "/api/v1/transactions/" + begun["xid"].(string)
	b.call(path+"/branches", "", `{"kind":"http","commitUrl":"`+called.URL+`/commit"}`)
	b.call(path+"/commit", "", `{"waitMs":0}`)
	root := collector.until("transaction")
	for _, name := range []string{"begin", "register HTTP", "decide commit", "record decision", "half message", "drive"} {
		collector.until(name)
	}
	for _, p := range []*process{a, b} { // so that all is sent
		p.signal(syscall.SIGTERM)
		p.wait()
	}
	checkTree(t, collector, root, traceID, clientSpan)
	record, half := collector.named("record decision")[0], collector.named("half message")[0]
	if !slices.Equal(half.ParentSpanId, record.SpanId) {
		t.Errorf("the half message is not below its decision:\n%s", collector.draw())
	}
	attempts := collector.named("commit HTTP")
	last := attempts[len(attempts)-1]
	if _, found := handed.Load("00-" + traceID + "-" + hex.EncodeToString(last.SpanId) + "-01"); !found {
		t.Errorf("the participant was not handed the span %x of its attempt", last.SpanId)
	}
}
