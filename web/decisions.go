package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Decisions is what the API needs to show what was published.
type Decisions interface {
	// Decisions returns published decisions in the order of the log; next is "" at the end. A page may be short, even
	// empty, and still have a next. Errors: orchestrator.ErrCursor, ErrUnavailable, faults, [*PlaceError].
	Decisions(ctx context.Context, q DecisionQuery) (page []PublishedDecision, next string, err error)
}

// DecisionQuery selects published decisions. Zero fields select all.
type DecisionQuery struct {
	XID int64
	// Key is the whole xid if it is known, for logs with an index.
	Key     string
	Outcome txn.Outcome
	// From and Until bound when they were published, as far as the log knows: from ≤ t < until; 0 is no bound.
	From, Until txn.Millis
	// Place is where in the log to begin, in the words of the log; "" is its beginning. A cursor goes before it.
	Place string
	// Newest asks for the newest first, where the log can be read so; it counts for cursors, too.
	Newest bool
	Limit  int
	Cursor string
}

// PlaceError says what a log takes for a place in it.
type PlaceError struct{ Text string }

// Error says it.
func (e *PlaceError) Error() string { return e.Text }

// PublishedDecision is one copy of a decision in the log.
type PublishedDecision struct {
	XID     txn.XID
	Outcome txn.Outcome
	At      txn.Millis
	Topic   string
	// Broker and Queue say where Offset counts; on one machine there is one log, and they are "" and 0.
	Broker string
	Queue  int
	Offset int64
	// Pack is the message that carried it, "" on one machine.
	Pack  string
	Event []byte
}

// DecisionEntry is how a published decision looks.
type DecisionEntry struct {
	XID     string          `json:"xid"`
	Outcome string          `json:"outcome"` // commit or rollback
	At      string          `json:"at"`
	Topic   string          `json:"topic"`
	Broker  string          `json:"broker,omitempty"`
	Queue   int             `json:"queue"`
	Offset  int64           `json:"offset"`
	Pack    string          `json:"pack,omitempty"`
	Event   json.RawMessage `json:"event"`
}

// DecisionReport compares what is stored with what was published.
type DecisionReport struct {
	XID     string `json:"xid"`
	Status  string `json:"status"`
	Outcome string `json:"outcome"` // commit, rollback or undecided
	Cause   string `json:"cause,omitempty"`
	// DecidedAt is when it was decided.
	DecidedAt string `json:"decidedAt,omitempty"`
	// Published are the copies that were found. None may mean that the log has not kept it.
	Published []DecisionCopy `json:"published"`
	// Agrees is true if each copy says what is stored, and all are the same, byte by byte.
	Agrees bool `json:"agrees"`
}

// DecisionCopy is one copy of a decision.
type DecisionCopy struct {
	DecisionEntry
	// SHA256 is that of the event's bytes; Agrees says that it says what is stored.
	SHA256 string `json:"sha256"`
	Agrees bool   `json:"agrees"`
}

// decisionLog returns what shows decisions, or nil.
func (s *Server) decisionLog() Decisions {
	switch {
	case s.o.Decisions != nil:
		return s.o.Decisions
	case s.o.Events != nil:
		return ownDecisions{s.o.Events}
	}
	return nil
}

func (s *Server) withDecisions(handle func(c *gin.Context, d Decisions)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if d := s.decisionLog(); d != nil {
			handle(c, d)
			return
		}
		s.refuse(c, Problem{
			Status: http.StatusConflict, Code: "decisionsNotPublished", Title: "This server publishes no decisions.",
			Detail: s.o.EventsElsewhere,
		})
	}
}

// decisionRoutes are the routes under /api/v1/decisions.
func (s *Server) decisionRoutes(v1 *gin.RouterGroup) {
	v1.GET("/decisions", s.withDecisions(s.listDecisions))
	v1.GET("/decisions/stream", func(c *gin.Context) {
		if s.o.DecisionStream != nil {
			s.streamFollowed(c, s.o.DecisionStream)
			return
		}
		s.withEvents(s.streamDecisions)(c)
	})
	v1.GET("/decisions/halves", s.listHalves)
	v1.GET("/decisions/:xid", s.withDecisions(s.showDecision))
}

// listDecisions answers GET /api/v1/decisions.
func (s *Server) listDecisions(c *gin.Context, d Decisions) {
	p := s.parameters(c, "xid", "outcome", "since", "until", "from", "limit", "cursor", "order")
	q := DecisionQuery{
		Newest: p.newest(),
		From:   p.time("since"), Until: p.time("until"), Place: p.text("from"), Cursor: p.text("cursor"),
		Limit: cmp.Or(p.limit(), orchestrator.PageItemsDefault),
	}
	switch text := p.text("outcome"); text {
	case "":
	case txn.Commit.String():
		q.Outcome = txn.Commit
	case txn.Rollback.String():
		q.Outcome = txn.Rollback
	default:
		p.fail("outcome is commit or rollback, not %q", text)
	}
	if text := p.text("xid"); text != "" {
		id, err := xidOf(text)
		if err != nil && p.err == nil {
			p.err = err
		}
		q.XID = id
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	if q.XID != 0 {
		q.Key = s.keyOf(c, q.XID, p.text("xid"))
	}
	all, next, err := d.Decisions(c, q)
	if wrong, ok := errors.AsType[*PlaceError](err); ok {
		err = &argumentError{wrong.Text}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[DecisionEntry]{Items: []DecisionEntry{}, Next: next}
	for _, x := range all {
		entry := viewDecision(x)
		entry.Event = s.maskFor(c).raw(entry.Event)
		out.Items = append(out.Items, entry)
	}
	answerEvents(c, out)
}

// keyOf returns the whole xid of a transaction: as it is stored, else as it was asked for, "" if that was the number
// alone.
func (s *Server) keyOf(ctx context.Context, id int64, text string) string {
	g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	if err == nil {
		return g.XID.String()
	}
	if xid, ok := txn.ParseXID(text); ok && xid.Prefix != "" {
		return xid.String()
	}
	return ""
}

func viewDecision(d PublishedDecision) DecisionEntry {
	return DecisionEntry{
		XID: d.XID.String(), Outcome: d.Outcome.String(), At: when(d.At), Topic: d.Topic, Broker: d.Broker, Queue: d.Queue,
		Offset: d.Offset, Pack: d.Pack, Event: d.Event,
	}
}

// streamDecisions answers GET /api/v1/decisions/stream.
func (s *Server) streamDecisions(c *gin.Context, e Events) {
	p := s.parameters(c, "from")
	from := p.from(e, fromNext)
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		last, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			p.fail("Last-Event-ID is the number of an entry, not %q", id)
		}
		from = last + 1
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	s.streaming(c, func(ctx context.Context, st *stream) error { return st.read(ctx, e, from, nil) })
}

const (
	// publishedBefore and publishedAfter are how far from its decision a copy is looked for, copiesMax how many are shown.
	publishedBefore = 10 * time.Second
	publishedAfter  = 10 * time.Minute
	copiesMax       = 20
)

// showDecision answers GET /api/v1/decisions/{xid}.
func (s *Server) showDecision(c *gin.Context, d Decisions) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	id, err := xidOf(c.Param("xid"))
	var g *txn.Global
	if err == nil {
		g, err = await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := DecisionReport{
		XID: g.XID.String(), Status: g.Status.String(), Outcome: g.Status.Outcome().String(), Cause: g.Cause.String(),
		DecidedAt: when(g.DecidedAt), Published: []DecisionCopy{},
	}
	q := DecisionQuery{
		XID: id, Key: g.XID.String(), From: g.DecidedAt.Add(-publishedBefore),
		Until: g.DecidedAt.Add(publishedAfter), Limit: copiesMax,
	}
	hidden, same, whole := s.maskFor(c), true, []byte(nil)
	for g.Status.Decided() {
		all, next, err := d.Decisions(c, q)
		if err != nil {
			s.fail(c, err)
			return
		}
		for _, x := range all {
			sum := sha256.Sum256(x.Event)
			entry := viewDecision(x)
			entry.Event = hidden.raw(entry.Event)
			same = same && (len(out.Published) == 0 || bytes.Equal(x.Event, whole))
			whole = x.Event
			out.Published = append(out.Published, DecisionCopy{
				DecisionEntry: entry, SHA256: hex.EncodeToString(sum[:]), Agrees: saysStored(x.Event, g),
			})
		}
		if q.Cursor = next; next == "" || len(out.Published) >= copiesMax {
			break
		}
	}
	out.Agrees = len(out.Published) > 0
	for _, x := range out.Published {
		out.Agrees = out.Agrees && x.Agrees && same
	}
	answerEvents(c, out)
}

// saysStored reports whether an event says of a decision what is stored of it.
func saysStored(event []byte, g *txn.Global) bool {
	var e struct {
		Subject string `json:"subject"`
		Data    struct {
			XID       string    `json:"xid"`
			Outcome   string    `json:"outcome"`
			Cause     string    `json:"cause"`
			DecidedAt time.Time `json:"decidedAt"`
		} `json:"data"`
	}
	if json.Unmarshal(event, &e) != nil {
		return false
	}
	xid := g.XID.String()
	return e.Subject == xid && e.Data.XID == xid && e.Data.Outcome == g.Status.Outcome().String() &&
		e.Data.Cause == g.Cause.String() && txn.MillisOf(e.Data.DecidedAt) == g.DecidedAt
}

// ownDecisions shows the decisions of a log that keeps its events itself.
type ownDecisions struct{ log Events }

// Decisions implements [Decisions]. The cursor is the number of an entry: the next one, or the one before which the
// newest of the rest is.
func (o ownDecisions) Decisions(_ context.Context, q DecisionQuery) (all []PublishedDecision, next string, err error) {
	from, err := o.begin(&q)
	if err != nil {
		return nil, "", err
	}
	read := o.log.Read
	if q.Newest {
		read = func(before uint64, yield func(orchestrator.EventEntry) bool) error {
			return readNewest(o.log, before, yield)
		}
	}
	scanned, size, more := 0, 0, false
	at := from
	err = read(from, func(x orchestrator.EventEntry) bool {
		if !q.Newest && q.Until > 0 && x.At >= q.Until.Add(publishedBefore) ||
			q.Newest && q.From > 0 && x.At < q.From.Add(-publishedBefore) {
			return false
		}
		if more = len(all) == q.Limit || scanned == scannedMax || size > pageBytesMax; more {
			return false
		}
		scanned++
		if at = x.Seq + 1; q.Newest {
			at = x.Seq
		}
		if d, ok := o.wants(&x, &q); ok {
			size += len(d.Event)
			all = append(all, d)
		}
		return true
	})
	if more {
		next = strconv.FormatUint(at, 10)
	}
	return all, next, err
}

// begin is the entry at which a query begins, or before which if the newest is first.
func (o ownDecisions) begin(q *DecisionQuery) (uint64, error) {
	first, end := o.log.Bounds()
	switch {
	case q.Cursor != "":
		from, err := strconv.ParseUint(q.Cursor, 10, 64)
		if err != nil {
			return 0, orchestrator.ErrCursor
		}
		return from, nil
	case q.Place != "":
		return o.place(q, first, end)
	case q.Newest && q.Until > 0:
		return o.since(first, end, q.Until.Add(publishedBefore))
	case q.Newest:
		return end, nil
	case q.From > 0:
		return o.since(first, end, q.From.Add(-publishedBefore))
	}
	return first, nil
}

// place is where a query begins that names an entry. With the newest first that entry is the first one shown, too.
func (o ownDecisions) place(q *DecisionQuery, first, end uint64) (uint64, error) {
	at, err := strconv.ParseUint(q.Place, 10, 64)
	if err != nil {
		return 0, &PlaceError{fmt.Sprintf("from is the number of an entry of the log, such as %d, not %q", first, q.Place)}
	}
	rest := *q
	if rest.Place = ""; q.Newest {
		before, err := o.begin(&rest)
		return min(before, min(at, end)+1), err
	}
	from, err := o.begin(&rest)
	return max(from, at), err
}

// wants returns the decision of an entry if it is one that is asked for.
func (o ownDecisions) wants(x *orchestrator.EventEntry, q *DecisionQuery) (d PublishedDecision, ok bool) {
	if x.XID == 0 || q.XID != 0 && x.XID != q.XID || x.At < q.From || q.Until > 0 && x.At >= q.Until {
		return d, false
	}
	var e struct {
		Subject string `json:"subject"`
		Data    struct {
			Outcome string `json:"outcome"`
		} `json:"data"`
	}
	_ = json.Unmarshal(x.Event, &e) // what is no event is shown with what is known
	d = PublishedDecision{At: x.At, Topic: x.Topic, Offset: int64(x.Seq), Event: x.Event}
	if d.XID, ok = txn.ParseXID(e.Subject); !ok {
		d.XID = txn.XID{ID: x.XID}
	}
	switch e.Data.Outcome {
	case txn.Commit.String():
		d.Outcome = txn.Commit
	case txn.Rollback.String():
		d.Outcome = txn.Rollback
	}
	return d, q.Outcome == 0 || q.Outcome == d.Outcome
}

// since finds the first entry that is not older than a time. Entries are in order of time, but for moments.
func (o ownDecisions) since(first, end uint64, at txn.Millis) (uint64, error) {
	if end <= first {
		return first, nil
	}
	var err error
	n := sort.Search(int(end-first), func(i int) bool {
		found := txn.Millis(0)
		e := o.log.Read(first+uint64(i), func(x orchestrator.EventEntry) bool { found = x.At; return false })
		if e != nil && err == nil {
			err = e
		}
		return found == 0 || found >= at
	})
	return first + uint64(n), err
}
