package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/telemetry"
	"github.com/concord-tx/concord/web"
)

// openTelemetry builds what observes the coordinator. It sends nothing before sendTraces.
func (n *node) openTelemetry(ctx context.Context, o *orchestrator.Options) (err error) {
	c := n.config.Trace
	n.telemetry, err = telemetry.New(ctx, telemetry.Options{
		Endpoint: c.Endpoint, Sample: float64(c.Sample), Headers: c.HeaderMap(), Instance: n.advertise,
		Version: buildVersion().Version, Logger: n.logger,
	})
	if err != nil {
		return fmt.Errorf("open traces: %w", err)
	}
	o.Observer = n.telemetry
	n.observeRequests()
	return nil
}

// sendTraces sends traces until the returned function is called, which returns when what is left is sent. It is called
// when nothing else runs any more, because all parts make spans until their end.
func (n *node) sendTraces(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.telemetry.Run(ctx) // always nil
	}()
	return func() {
		cancel()
		<-ended
	}
}

// requestKinds are the requests of Seata clients whose answers are timed.
func requestKinds() []seata.TypeCode {
	return []seata.TypeCode{
		seata.TypeGlobalBegin, seata.TypeGlobalCommit, seata.TypeGlobalRollback, seata.TypeGlobalStatus,
		seata.TypeGlobalReport, seata.TypeBranchRegister, seata.TypeBranchReport, seata.TypeGlobalLockQuery,
	}
}

// observeRequests has the answers to Seata clients timed.
func (n *node) observeRequests() {
	var kinds [32][2]prometheus.Observer
	for _, kind := range requestKinds() {
		kinds[kind][0], kinds[kind][1] = n.telemetry.Requests(kind.String())
	}
	n.seata.Observe(func(request seata.TypeCode, failed bool, took time.Duration) {
		i := 0
		if failed {
			i = 1
		}
		if request >= 0 && int(request) < len(kinds) && kinds[request][i] != nil {
			kinds[request][i].Observe(took.Seconds())
		}
	})
}

// latency is how long transactions took lately.
func (n *node) latency() web.Latency {
	r := n.telemetry.Recent()
	return web.Latency{
		Ended: r.Ended, P50Ms: r.P50.Milliseconds(), P95Ms: r.P95.Milliseconds(), P99Ms: r.P99.Milliseconds(),
	}
}

// collectors are the metrics that telemetry feeds.
func (n *node) collectors() []prometheus.Collector { return n.telemetry.Collectors() }

// observeHalf tells the telemetry how a message of decisions went out.
func observeHalf(t *telemetry.Telemetry) func(rocketmq.Half) {
	return func(h rocketmq.Half) {
		again := len(h.Entries) > 0 && h.Entries[0].Pack != h.Pack
		t.ObserveHalf(telemetry.Half{
			Pack: string(h.Pack), Topic: h.Topic, Broker: h.Broker, Decisions: len(h.Entries), Again: again, From: h.From,
			To: h.To, Sent: h.Sent, Err: h.Err,
		}, func(yield func(string)) {
			for _, e := range h.Entries {
				yield(mq.Trace(e.Event))
			}
		})
	}
}

// requestSpans tells the telemetry of requests to the API.
type requestSpans struct{ telemetry *telemetry.Telemetry }

// Enter implements web.Tracer.
func (r requestSpans) Enter(traceparent string) string { return r.telemetry.EnterRequest(traceparent) }

// Leave implements web.Tracer.
func (r requestSpans) Leave(s web.RequestSpan) { r.telemetry.ObserveRequest(telemetry.Request(s)) }

// webTraces adds who makes spans of requests, if anything is traced.
func (n *node) webTraces(o *web.Options) {
	if n.telemetry.Tracing() {
		o.Tracer = requestSpans{n.telemetry}
	}
}
