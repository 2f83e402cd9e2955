package tm

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// span is that of a transaction that was launched, if the caller's context has one to be under: no provider of traces
// is looked for elsewhere.
type span struct{ trace.Span }

func startSpan(ctx context.Context, name string) (context.Context, span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, span{}
	}
	ctx, s := parent.TracerProvider().Tracer("github.com/concord-tx/concord/client/tm").Start(ctx, "transaction "+name)
	return ctx, span{s}
}

func (s span) end(e End) {
	if s.Span == nil {
		return
	}
	s.SetAttributes(attribute.String("concord.xid", e.XID), attribute.String("concord.outcome", e.Outcome.String()),
		attribute.String("concord.status", e.Status.String()))
	if e.Err != nil {
		s.SetStatus(codes.Error, e.Outcome.String())
	}
	s.End()
}
