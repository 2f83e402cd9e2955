package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web/access"
)

// How events are read without a group: a page at a time, or as a stream of server-sent events.

const (
	// scannedMax bounds the entries that one request for a page looks at, pageBytesMax what it takes.
	scannedMax   = 10_000
	pageBytesMax = 8 << 20
	// chunkEntries and chunkBytesMax bound what a stream writes at once.
	chunkEntries  = 256
	chunkBytesMax = 256 << 10
	// streamsMax bounds the streams that are open at once.
	streamsMax = 1000
	// streamWriteLimit is how long a reader may take to take a chunk before it is cut off.
	streamWriteLimit = 10 * time.Second
	// heartbeat is the time between two signs of life of a quiet stream.
	heartbeat = 15 * time.Second
)

// streamPath is the route of the stream, which alone may last longer than an answer.
const streamPath = "/api/v1/events/stream"

// topicFilter is what a reader wants: with topics what is on them, else all decisions.
type topicFilter []string

func (f topicFilter) wants(e *orchestrator.EventEntry) bool {
	if len(f) == 0 {
		return e.XID != 0
	}
	return slices.Contains(f, e.Topic)
}

func (p *parameters) topics() topicFilter {
	if text := p.text("topics"); text != "" {
		return strings.Split(text, ",")
	}
	return nil
}

// from reads where a reader begins.
func (p *parameters) from(e Events, absent string) uint64 {
	first, next := e.Bounds()
	switch cmp.Or(p.text("from"), absent) {
	case fromOldest:
		return first
	case fromNext:
		return next
	}
	return p.number("from", 0)
}

// listEvents answers GET /api/v1/events.
func (s *Server) listEvents(c *gin.Context, e Events) {
	p := s.parameters(c, "from", "topics", "limit", "cursor", "order")
	limit, topics, newest := cmp.Or(p.limit(), orchestrator.PageItemsDefault), p.topics(), p.newest()
	from, read := p.from(e, fromOldest), e.Read
	if newest { // its cursor is the entry before which it goes on
		from = p.from(e, fromNext)
		read = func(before uint64, yield func(orchestrator.EventEntry) bool) error {
			return readNewest(e, before, yield)
		}
	}
	if p.text("cursor") != "" {
		from = p.number("cursor", 0)
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	out := Page[EventEntry]{Items: []EventEntry{}}
	scanned, size, next, more := 0, 0, from, false
	hidden := s.maskFor(c)
	err := read(from, func(x orchestrator.EventEntry) bool {
		if more = len(out.Items) == limit || scanned == scannedMax || size > pageBytesMax; more {
			return false
		}
		scanned++
		if next = x.Seq + 1; newest {
			next = x.Seq
		}
		if topics.wants(&x) {
			entry := viewEntry(x)
			entry.Event = hidden.raw(entry.Event)
			out.Items = append(out.Items, entry)
			size += len(x.Event)
		}
		return true
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	if more {
		out.Next = strconv.FormatUint(next, 10)
	}
	answerEvents(c, out)
}

// streamEvents answers GET /api/v1/events/stream.
func (s *Server) streamEvents(c *gin.Context, e Events) {
	p := s.parameters(c, "group", "from", "topics")
	topics, group := p.topics(), p.text("group")
	from := p.from(e, fromNext)
	if id := c.GetHeader("Last-Event-ID"); id != "" && group == "" {
		last, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			p.fail("Last-Event-ID is the number of an entry, not %q", id)
		}
		from = last + 1
	}
	if group != "" && (p.text("from") != "" || len(topics) > 0) {
		p.fail("a group has its own topics and its own place; from and topics do not go with it")
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	if group != "" && s.fromElsewhere(c.Request) {
		s.refuse(c, problemCrossSite)
		return
	}
	if group != "" { // to read as a group is to take deliveries
		if err := must(c, access.Service); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.streaming(c, func(ctx context.Context, st *stream) error {
		if group != "" {
			return st.follow(ctx, e, group)
		}
		return st.read(ctx, e, from, topics)
	})
}

// streaming runs a stream of server-sent events until its reader goes, it ends, or the server stops.
func (s *Server) streaming(c *gin.Context, write func(ctx context.Context, st *stream) error) {
	if s.streams.Add(1) > streamsMax {
		s.streams.Add(-1)
		s.fail(c, orchestrator.ErrBusy)
		return
	}
	defer s.streams.Add(-1)
	st := s.openStream(c)
	ctx, cancel := s.untilClosing(c)
	defer cancel()
	switch err := write(ctx, st); {
	case err == nil || c.Request.Context().Err() != nil:
	case st.begun:
		s.o.Logger.DebugContext(c, "stream ended", "err", err)
	default:
		s.fail(c, err)
	}
}

// fromElsewhere reports whether another site's page asks. Reading as a group takes deliveries, so that it is no safe
// request although a browser's EventSource can only GET.
func (s *Server) fromElsewhere(r *http.Request) bool {
	unsafe := *r
	unsafe.Method = http.MethodPost
	return s.crossing.Check(&unsafe) != nil
}

// stream writes server-sent events.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration
	quiet time.Duration // time without a write after which a sign of life is due
	buf   []byte
	begun bool
	mask  *mask // of events that are shown, and not delivered
}

func (s *Server) openStream(c *gin.Context) *stream {
	st := &stream{
		w: c.Writer, rc: http.NewResponseController(c.Writer), limit: cmp.Or(s.o.StreamWriteLimit, streamWriteLimit),
		quiet: cmp.Or(s.o.Heartbeat, heartbeat), mask: s.maskFor(c),
	}
	_ = st.rc.SetReadDeadline(time.Time{}) // else it would end the request; where it is not supported there is none
	return st
}

// event adds an event; one without an id leaves that of the event before. JSON has no line breaks, so that one data
// line is enough.
func (st *stream) event(id string, event []byte) {
	if id != "" {
		st.buf = append(append(append(st.buf, "id: "...), id...), '\n')
	}
	for line := range bytes.SplitSeq(event, []byte("\n")) {
		st.buf = append(append(append(st.buf, "data: "...), line...), '\n')
	}
	st.buf = append(st.buf, '\n')
}

// flush writes what was added. The reader is cut off if it does not take it in time: nothing is kept for it here.
func (st *stream) flush() error {
	if !st.begun {
		st.begun = true
		h := st.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // proxies that gather answers would hold events back
		st.w.WriteHeader(http.StatusOK)
	}
	if err := st.rc.SetWriteDeadline(time.Now().Add(st.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := st.w.Write(st.buf)
	st.buf = st.buf[:0]
	if err == nil {
		err = st.rc.Flush()
	}
	return err
}

func (st *stream) alive() error {
	st.buf = append(st.buf, ": alive\n\n"...)
	return st.flush()
}

// read writes entries from a place on until ctx ends; the ids are their numbers.
func (st *stream) read(ctx context.Context, e Events, from uint64, topics topicFilter) error {
	wake := make(chan struct{}, 1)
	stop := e.Watch(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	defer stop()
	if first, next := e.Bounds(); from < first || from > next {
		from = first // what lies between is past retention, or the place is one of another log
		st.buf = append(st.buf, "event: gap\ndata: {\"first\":"...)
		st.buf = strconv.AppendUint(st.buf, first, 10)
		st.buf = append(st.buf, "}\n\n"...)
	}
	if err := st.alive(); err != nil {
		return err
	}
	timer := time.NewTimer(st.quiet)
	defer timer.Stop()
	for ctx.Err() == nil {
		scanned := 0
		err := e.Read(from, func(x orchestrator.EventEntry) bool {
			if scanned++; scanned > chunkEntries || len(st.buf) > chunkBytesMax {
				return false
			}
			from = x.Seq + 1
			if topics.wants(&x) {
				st.event(strconv.FormatUint(x.Seq, 10), st.mask.raw(x.Event))
			}
			return true
		})
		if err == nil && len(st.buf) > 0 {
			err = st.flush()
			timer.Reset(st.quiet)
		}
		if err != nil {
			return err
		}
		if scanned > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
			if err := st.alive(); err != nil {
				return err
			}
			timer.Reset(st.quiet)
		}
	}
	return nil
}

// follow writes what a group is given until ctx ends; the ids are those of the deliveries, to be answered with ack.
func (st *stream) follow(ctx context.Context, e Events, group string) error {
	if !slices.ContainsFunc(e.Groups(), func(g orchestrator.EventGroup) bool { return g.Name == group }) {
		return orchestrator.ErrNoGroup
	}
	if err := st.alive(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		got, err := e.Poll(ctx, group, chunkEntries, st.quiet)
		if err != nil {
			return err
		}
		if len(got) == 0 {
			if err := st.alive(); err != nil {
				return err
			}
			continue
		}
		for _, d := range got {
			st.event(d.Receipt, d.Event)
			if len(st.buf) < chunkBytesMax {
				continue
			}
			if err := st.flush(); err != nil {
				return err
			}
		}
		if err := st.flush(); err != nil {
			return err
		}
	}
	return nil
}

// untilClosing returns the context of a request that waits: it ends with the request, and when the server begins to
// shut down, which would wait for it otherwise.
func (s *Server) untilClosing(c *gin.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.Request.Context())
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
