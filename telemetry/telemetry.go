package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Options are the parameters of [New]. Zero fields take the defaults; without an endpoint nothing is traced.
type Options struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP; where it has no path, it is /v1/traces.
	Endpoint string
	// Sample is the share of the transactions without a traceparent of their own that are traced, from 0 to 1.
	Sample float64
	// Headers are sent with each request to the collector.
	Headers map[string]string
	// Instance and Version are those of this node.
	Instance, Version string
	// QueueMax bounds the spans that wait to be sent; beyond it they are dropped. Default 16,384.
	QueueMax int
	// Every is the longest that a span waits to be sent. Default 1 s.
	Every  time.Duration
	Logger *slog.Logger // nil: discarded
}

const (
	batchMax = 512
	// exportWithin bounds one request to the collector with its repetitions, flushWithin the last ones.
	exportWithin = 15 * time.Second
	flushWithin  = 5 * time.Second
	// troubleToldEvery spaces the log lines about a collector that does not take spans.
	troubleToldEvery = time.Minute
)

// Telemetry observes a coordinator. All methods may be called concurrently.
type Telemetry struct {
	exporter sdk.SpanExporter // nil: nothing is traced
	sample   float64
	salt     uint64
	source   source
	every    time.Duration
	logger   *slog.Logger
	queue    chan *span
	counter  atomic.Uint64
	numbers  *numbers

	sent, dropped, failures atomic.Int64
}

// New builds it. Nothing is sent before [Telemetry.Run]. An error says what is wrong with the options.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{sample: o.Sample, salt: rand.Uint64(), every: o.Every, logger: o.Logger}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	if t.every == 0 {
		t.every = time.Second
	}
	t.numbers = newNumbers(t)
	if o.Endpoint == "" {
		return t, nil
	}
	endpoint, err := collectorURL(o.Endpoint)
	if err != nil {
		return nil, err
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(endpoint),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithTimeout(exportWithin),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportWithin,
		}),
	}
	if len(o.Headers) > 0 { // else those of the standard variable count
		options = append(options, otlptracehttp.WithHeaders(o.Headers))
	}
	t.exporter = otlptracehttp.NewUnstarted(options...)
	// What the standard variables OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say comes last, so it counts.
	t.source.scope = instrumentation.Scope{Name: scopeName, Version: o.Version}
	t.source.resource, err = resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "concord"), attribute.String("service.version", o.Version),
		attribute.String("service.instance.id", o.Instance),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read the standard variables of OpenTelemetry: %w", err)
	}
	if o.QueueMax == 0 {
		o.QueueMax = 16 << 10
	}
	t.queue = make(chan *span, o.QueueMax)
	return t, nil
}

// collectorURL completes the address of a collector.
func collectorURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%q is not the URL of a collector, such as http://127.0.0.1:4318", text)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// enqueue has a span sent, or drops it. nil is nothing.
func (t *Telemetry) enqueue(s *span) {
	if s == nil {
		return
	}
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
	}
}

// Run sends spans until ctx ends, and then, for some seconds at most, what is left. It returns nil: a collector that
// cannot be reached is no reason to end anything else.
func (t *Telemetry) Run(ctx context.Context) error {
	if t.exporter == nil {
		<-ctx.Done()
		return nil
	}
	if starter, ok := t.exporter.(interface{ Start(context.Context) error }); ok {
		if err := starter.Start(ctx); err != nil {
			t.logger.Warn("traces are not sent", "err", err)
		}
	}
	// What is being sent when ctx ends is let finish: cut off, it may have come, and would be sent twice.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(flushWithin, cancel) })()
	batch := make([]sdk.ReadOnlySpan, 0, batchMax)
	var told time.Time
	flush := func() {
		t.export(sending, batch, &told)
		batch = batch[:0]
	}
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			flush()
		case s := <-t.queue:
			if batch = append(batch, s); len(batch) == batchMax {
				flush()
			}
		}
	}
	for len(t.queue) > 0 {
		if batch = append(batch, <-t.queue); len(batch) == batchMax {
			flush()
		}
	}
	flush()
	if err := t.exporter.Shutdown(sending); err != nil {
		t.logger.Debug("exporter of traces was not shut down", "err", err)
	}
	return nil
}

// export sends a batch. What cannot be sent is lost, and counted.
func (t *Telemetry) export(ctx context.Context, batch []sdk.ReadOnlySpan, told *time.Time) {
	if len(batch) == 0 {
		return
	}
	err := t.exporter.ExportSpans(ctx, batch)
	if err == nil {
		t.sent.Add(int64(len(batch)))
		return
	}
	t.failures.Add(1)
	t.dropped.Add(int64(len(batch)))
	if time.Since(*told) > troubleToldEvery {
		*told = time.Now()
		t.logger.Warn("the collector does not take traces", "spans", len(batch), "err", err)
	}
}
