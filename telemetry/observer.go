package telemetry

import (
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Tracing implements [orchestrator.Observer].
func (t *Telemetry) Tracing() bool { return t.exporter != nil }

// Trace implements [orchestrator.Observer]: a client's traceparent is kept as it is, sampled or not; without one a
// share of the transactions become roots.
func (t *Telemetry) Trace(xid txn.XID, given string) string {
	switch {
	case txn.ValidTrace(given):
		return given
	case !t.chosen():
		return ""
	}
	id := newTrace()
	return format(id, own(id, xid))
}

// chosen reports whether something that came without a traceparent is among the share that is traced.
func (t *Telemetry) chosen() bool {
	return t.sample > 0 && (t.sample >= 1 || rand.Float64() < t.sample)
}

// newTrace returns the id of a new trace.
func newTrace() (id trace.TraceID) {
	for !id.IsValid() {
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
	}
	return id
}

// HandOn implements [orchestrator.Observer]: what is not sampled is handed on as it came.
func (t *Telemetry) HandOn(xid txn.XID, kept string, branch int64, attempt uint32) string {
	if !sampled(kept) {
		return kept
	}
	id, ok := identify(xid, kept)
	switch {
	case !ok:
		return kept
	case attempt == 0:
		return format(id.trace, id.own)
	}
	return format(id.trace, id.child(t.salt, tagAttempt, branch, attempt))
}

// Observe implements [orchestrator.Observer].
func (t *Telemetry) Observe(s orchestrator.Step) {
	t.numbers.observe(&s)
	if t.exporter == nil || !sampled(s.Trace) {
		return
	}
	if id, ok := identify(s.XID, s.Trace); ok {
		t.enqueue(t.build(id, &s))
	}
}

// Half is how a message of decisions went out.
type Half struct {
	Pack, Topic, Broker string
	// Decisions are how many it has, Again says that it was published before.
	Decisions int
	Again     bool
	From, To  time.Time
	Sent      bool
	Err       error
}

// ObserveHalf takes the end of a half message. traces calls yield with the traceparent of each event in it.
func (t *Telemetry) ObserveHalf(h Half, traces func(yield func(traceparent string))) {
	t.numbers.half(&h)
	if t.exporter == nil {
		return
	}
	traces(func(parent string) {
		if !sampled(parent) {
			return
		}
		id, ok := parse(parent)
		if !ok {
			return
		}
		id.own = id.parent // events are handed on with the transaction's span
		s := t.span(&id, t.fresh(&id, tagHalf), "half message", trace.SpanKindProducer, h.From, h.To)
		if !h.Again {
			s.parent = id.child(t.salt, tagRecord, 0, 0)
		}
		s.add(attribute.String("messaging.system", "rocketmq"), attribute.String("messaging.operation.name", "send"),
			attribute.String("messaging.destination.name", h.Topic), attribute.String("concord.pack", h.Pack),
			attribute.String("concord.broker", h.Broker), attribute.Int("messaging.batch.message_count", h.Decisions),
			attribute.Bool("concord.again", h.Again), attribute.Bool("concord.sent", h.Sent))
		if h.Err != nil {
			s.fail(h.Err.Error())
		}
		t.enqueue(s)
	})
}

// fresh returns an id that no other span of the transaction has.
func (t *Telemetry) fresh(id *identity, tag uint64) trace.SpanID {
	return id.child(t.salt, tag, int64(t.counter.Add(1)), 0)
}

// span makes a span right below the transaction's.
func (t *Telemetry) span(
	id *identity, own trace.SpanID, name string, kind trace.SpanKind, from, to time.Time,
) *span {
	if from.IsZero() || from.After(to) {
		from = to
	}
	return &span{
		source: &t.source, trace: id.trace, id: own, parent: id.own, name: name, kind: kind, from: from, to: to,
	}
}

// build makes the span of a step.
func (t *Telemetry) build(id identity, s *orchestrator.Step) *span {
	var out *span
	begin := func(own trace.SpanID, name string, kind trace.SpanKind) {
		out = t.span(&id, own, name, kind, s.From, s.To)
	}
	switch s.Kind {
	case orchestrator.StepBegin:
		begin(id.child(t.salt, tagBegin, 0, 0), "begin", trace.SpanKindServer)
	case orchestrator.StepRegister:
		begin(id.child(t.salt, tagRegister, s.BranchID, 0), "register", trace.SpanKindServer)
		out.registered(s)
	case orchestrator.StepDecide:
		begin(id.child(t.salt, tagDecide, 0, 0), "decide", trace.SpanKindServer)
		if s.Global != nil {
			out.name += " " + s.Global.Status.Outcome().String()
			out.add(attribute.String("concord.cause", s.Global.Cause.String()))
		}
	case orchestrator.StepWrite:
		return t.write(&id, s)
	case orchestrator.StepDrive:
		begin(t.fresh(&id, tagDrive), "drive", trace.SpanKindConsumer)
	case orchestrator.StepAttempt:
		return t.attempt(&id, s)
	case orchestrator.StepLockWait:
		begin(t.fresh(&id, tagLockWait), "lock wait", trace.SpanKindInternal)
		out.add(attribute.Int64("concord.branch", s.BranchID), attribute.String("concord.resource", s.Row.Resource),
			attribute.String("concord.table", s.Row.Table), attribute.String("concord.holder", s.Holder.String()))
	case orchestrator.StepStuck:
		begin(t.fresh(&id, tagStuck), "stuck", trace.SpanKindInternal)
		out.fail("a person has to act: " + s.Global.Stuck.String())
	case orchestrator.StepEnd:
		return t.ended(&id, s)
	default:
		return nil
	}
	out.add(attribute.String("concord.xid", s.XID.String()))
	if s.Err != nil {
		out.fail(s.Err.Error())
	}
	return out
}

// registered adds what a branch is.
func (s *span) registered(step *orchestrator.Step) {
	s.add(attribute.Int64("concord.branch", step.BranchID))
	if b := step.Branch; b != nil {
		s.name += " " + b.Kind.String()
		s.add(attribute.String("concord.kind", b.Kind.String()), attribute.String("concord.resource", b.Resource),
			attribute.String("concord.client", b.Client))
	}
	if link, ok := parse(step.Link); ok && txn.ValidTrace(step.Link) {
		s.links = []sdk.Link{{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: link.trace, SpanID: link.parent, Remote: true,
		})}}
	}
}

// write makes the span of a durable write, below the step that it is part of.
func (t *Telemetry) write(id *identity, s *orchestrator.Step) *span {
	out := t.span(id, trace.SpanID{}, "store write", trace.SpanKindClient, s.From, s.To)
	switch s.Within {
	case orchestrator.StepRegister:
		out.parent = id.child(t.salt, tagRegister, s.BranchID, 0)
	case orchestrator.StepAttempt:
		if s.Reply.Attempt > 0 {
			out.parent = id.child(t.salt, tagAttempt, s.BranchID, s.Reply.Attempt)
		}
	case orchestrator.StepDecide:
		out.name, out.kind, out.parent = "record decision", trace.SpanKindProducer, id.child(t.salt, tagDecide, 0, 0)
		out.id = id.child(t.salt, tagRecord, 0, 0)
	}
	if !out.id.IsValid() {
		out.id = t.fresh(id, tagWrite)
	}
	if s.Err != nil {
		out.fail(s.Err.Error())
	}
	return out
}

// attempt makes the span of an attempt at a branch's phase two, or of a participant's report.
func (t *Telemetry) attempt(id *identity, s *orchestrator.Step) *span {
	r := &s.Reply
	name, kind := operation(r.Op), trace.SpanKindClient
	own := id.child(t.salt, tagAttempt, r.BranchID, r.Attempt)
	if r.Attempt == 0 {
		name, kind, own = "report", trace.SpanKindServer, t.fresh(id, tagReport)
	}
	out := t.span(id, own, name, kind, s.From, s.To)
	out.add(attribute.String("concord.xid", s.XID.String()), attribute.Int64("concord.branch", r.BranchID),
		attribute.Int64("concord.attempt", int64(r.Attempt)), attribute.String("concord.result", r.Result.String()))
	if b := s.Branch; b != nil {
		out.name += " " + b.Kind.String()
		out.add(attribute.String("concord.kind", b.Kind.String()), attribute.String("concord.resource", b.Resource))
		if b.Kind == txn.Topic && r.Attempt > 0 {
			out.kind = trace.SpanKindProducer
			out.add(attribute.String("messaging.destination.name", b.Resource))
		}
	}
	switch r.Result {
	case txn.ResultDone, txn.ResultPublished, txn.ResultOngoing:
	default:
		out.fail(r.Text)
	}
	return out
}

// operation is what a participant was asked for.
func operation(o txn.Outcome) string {
	if o == 0 {
		return "check"
	}
	return o.String()
}

// ended makes the span of the transaction itself.
func (t *Telemetry) ended(id *identity, s *orchestrator.Step) *span {
	g := s.Global
	// Times in records are whole milliseconds: the end is rounded up, so that the children are within.
	end := g.EndedAt.Add(time.Millisecond)
	out := t.span(id, id.own, "transaction", trace.SpanKindInternal, g.BeganAt.Time(), end.Time())
	out.parent, out.remote = id.parent, true
	out.add(attribute.String("concord.xid", g.XID.String()), attribute.String("concord.name", g.Name),
		attribute.String("concord.application", g.Application), attribute.String("concord.group", g.Group),
		attribute.String("concord.outcome", g.Status.Outcome().String()),
		attribute.String("concord.cause", g.Cause.String()), attribute.Int("concord.branches", len(g.Branches)),
		attribute.Bool("concord.heuristic", g.Heuristic))
	switch {
	case g.Heuristic:
		out.fail("a person has skipped a branch or released rows")
	case g.Cause == txn.CauseTimeout:
		out.fail("timed out after " + g.Timeout.String())
	}
	return out
}

var _ orchestrator.Observer = (*Telemetry)(nil)
