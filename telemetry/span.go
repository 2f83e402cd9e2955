package telemetry

import (
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scopeName names the instrumentation in what is sent.
const scopeName = "github.com/concord-tx/concord"

// span is one finished span. The SDK's own are begun and ended by the same code; ours are known when they are over, and
// have ids that were computed, so we bring our own values to the SDK's exporter.
type span struct {
	sdk.ReadOnlySpan // nil: it has a method that only the SDK can have, which exporters do not call

	source     *source
	trace      trace.TraceID
	id, parent trace.SpanID
	// remote says that the parent is a client's.
	remote     bool
	name       string
	kind       trace.SpanKind
	from, to   time.Time
	attributes []attribute.KeyValue
	links      []sdk.Link
	status     sdk.Status
}

// source is what all spans of a process have in common.
type source struct {
	resource *resource.Resource
	scope    instrumentation.Scope
}

func (s *span) context(id trace.SpanID, remote bool) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: s.trace, SpanID: id, TraceFlags: trace.FlagsSampled, Remote: remote,
	})
}

// Name implements the SDK's interface, as all that follow.
func (s *span) Name() string { return s.name }

// SpanContext returns who it is.
func (s *span) SpanContext() trace.SpanContext { return s.context(s.id, false) }

// Parent returns what it is below.
func (s *span) Parent() trace.SpanContext {
	if !s.parent.IsValid() {
		return trace.SpanContext{}
	}
	return s.context(s.parent, s.remote)
}

// SpanKind returns its role.
func (s *span) SpanKind() trace.SpanKind { return s.kind }

// StartTime returns when it began.
func (s *span) StartTime() time.Time { return s.from }

// EndTime returns when it ended.
func (s *span) EndTime() time.Time { return s.to }

// Attributes returns the facts.
func (s *span) Attributes() []attribute.KeyValue { return s.attributes }

// Links returns spans of other traces.
func (s *span) Links() []sdk.Link { return s.links }

// Events returns none.
func (s *span) Events() []sdk.Event { return nil }

// Status says whether it is an error.
func (s *span) Status() sdk.Status { return s.status }

// InstrumentationScope names us.
func (s *span) InstrumentationScope() instrumentation.Scope { return s.source.scope }

// InstrumentationLibrary names us, by an older name.
func (s *span) InstrumentationLibrary() instrumentation.Scope { return s.source.scope }

// Resource says which process it is of.
func (s *span) Resource() *resource.Resource { return s.source.resource }

// DroppedAttributes returns 0.
func (s *span) DroppedAttributes() int { return 0 }

// DroppedLinks returns 0.
func (s *span) DroppedLinks() int { return 0 }

// DroppedEvents returns 0.
func (s *span) DroppedEvents() int { return 0 }

// ChildSpanCount returns 0: nobody counts them.
func (s *span) ChildSpanCount() int { return 0 }

// fail marks it as an error.
func (s *span) fail(text string) { s.status = sdk.Status{Code: codes.Error, Description: valid(text)} }

// add adds facts. Their texts may be what somebody else wrote.
func (s *span) add(all ...attribute.KeyValue) {
	for i := range all {
		if v := all[i].Value; v.Type() == attribute.STRING && !utf8.ValidString(v.AsString()) {
			all[i].Value = attribute.StringValue(valid(v.AsString()))
		}
	}
	s.attributes = append(s.attributes, all...)
}

// valid returns a text that can be sent: a batch with one that is not UTF-8 is lost as a whole.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
