package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
)

// JournalEntryView is one line of the journal of what people did, with its time and its hash for readers.
type JournalEntryView struct {
	journal.Entry
	At   string `json:"at"`
	Hash string `json:"hash"`
}

// journalRoutes are those of the journal.
func (s *Server) journalRoutes(v1 *gin.RouterGroup) {
	v1.GET("/journal", s.withJournal(s.listJournal))
	v1.GET("/journal/export", s.withJournal(s.exportJournal))
	v1.GET("/journal/verify", s.withJournal(s.verifyJournal))
}

func (s *Server) withJournal(handle func(*gin.Context, *journal.Journal)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.o.Journal == nil {
			s.refuse(c, Problem{
				Status: http.StatusConflict, Code: "journalMissing", Title: "This server keeps no journal.",
			})
			return
		}
		handle(c, s.o.Journal)
	}
}

// draft is what a handler adds to the entry of its request.
type draft struct {
	target        string
	before, after any
}

// draftKey is the key of the draft in a context.
type draftKey struct{}

// note adds to the journal's entry of this request what it is done to, and how that looked before and after: views
// without secrets, or nil.
func note(ctx context.Context, target string, before, after any) {
	if d, ok := ctx.Value(draftKey{}).(*draft); ok {
		*d = draft{target, before, after}
	}
}

// entry begins an entry with who asks and from where.
func (s *Server) entry(c *gin.Context, p *access.Principal) journal.Entry {
	if p == nil {
		p = &access.Principal{}
	}
	return journal.Entry{
		Who: cmp.Or(p.ID, "nobody"), Name: p.Name, How: p.Kind.String(), Address: c.ClientIP(),
		RequestID: c.Writer.Header().Get(requestIDHeader),
	}
}

// recordLimit bounds the writing of an entry, which goes on when the client is gone.
const recordLimit = 10 * time.Second

// record writes an entry if there is a journal.
func (s *Server) record(ctx context.Context, e *journal.Entry) error {
	if s.o.Journal == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	return s.o.Journal.Record(ctx, e)
}

// keeps reports whether what a principal asks for is written into the journal. What applications do in their work is
// not: it is in the histories of the transactions. In development mode nobody is told from an application.
func keeps(r rule, p *access.Principal) bool {
	if p.Kind == access.Developer {
		return r.action != "" && r.role != access.Decider && r.role != access.Service
	}
	return r.action != "" && p.Person()
}

// journaled writes what people do: what is asked for before it is done, and what came of it before it is answered.
// Without the first entry nothing is done.
func (s *Server) journaled(c *gin.Context) {
	r, _ := s.ruleOf(c)
	p := access.From(c)
	if s.o.Journal == nil || !keeps(r, p) {
		return
	}
	why, err := reasonOf(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	intent := s.entry(c, p)
	intent.Action, intent.Phase, intent.Target, intent.Why = r.action, journal.Intent, targetOf(c), why
	if err := s.record(c, &intent); err != nil {
		s.fail(c, err)
		return
	}
	d := &draft{target: intent.Target}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), draftKey{}, d))
	w := &held{ResponseWriter: c.Writer, status: http.StatusOK}
	c.Writer = w
	finished := false
	defer func() {
		c.Writer = w.ResponseWriter
		if !finished { // a panic, which is answered above
			w.status, w.body = http.StatusInternalServerError, bytes.Buffer{}
		}
		s.recordOutcome(c, intent, d, w)
		if finished {
			w.release()
		}
	}()
	c.Next()
	finished = true
}

// recordOutcome writes what came of an intent. That it was done stands, whatever comes of this.
func (s *Server) recordOutcome(c *gin.Context, intent journal.Entry, d *draft, w *held) {
	outcome := intent
	outcome.Phase, outcome.Of, outcome.Target, outcome.Status = journal.Outcome, intent.ID, d.target, w.status
	outcome.Before, outcome.After = side(d.before), side(d.after)
	var problem Problem
	if w.status >= http.StatusBadRequest && json.Unmarshal(w.body.Bytes(), &problem) == nil {
		outcome.Code = problem.Code
	}
	if err := s.record(c, &outcome); err != nil {
		s.o.Logger.ErrorContext(c, "outcome is missing in the journal", "intent", intent.ID, "status", w.status, "err", err)
	}
}

// side is a view as JSON.
func side(view any) json.RawMessage {
	if view == nil {
		return nil
	}
	raw, err := json.Marshal(view)
	if err != nil {
		return nil
	}
	return raw
}

// targetOf names what the path names.
func targetOf(c *gin.Context) string {
	var parts []string
	for _, p := range c.Params {
		parts = append(parts, p.Value)
	}
	return strings.Join(parts, "/")
}

// reasonOf returns the reason in a body, and leaves the body to the handler.
func reasonOf(c *gin.Context) (string, error) {
	raw, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return "", err
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(raw))
	var body struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(raw, &body) // what is wrong with it, the handler says
	return clean(body.Reason, 1024), nil
}

// listJournal answers GET /api/v1/journal.
func (s *Server) listJournal(c *gin.Context, j *journal.Journal) {
	p := s.parameters(c, "who", "action", "target", "since", "until", "limit", "cursor")
	q := journal.Query{
		Who: p.text("who"), Action: p.text("action"), Target: p.text("target"), Since: p.time("since"),
		Until: p.time("until"), Limit: p.limit(), Before: p.number("cursor", 0),
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	page, err := j.List(c, q)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[JournalEntryView]{Items: []JournalEntryView{}}
	for _, e := range page.Items {
		out.Items = append(out.Items, viewJournalEntry(e))
	}
	if page.Next != 0 {
		out.Next = fmt.Sprint(page.Next)
	}
	c.JSON(http.StatusOK, out)
}

func viewJournalEntry(e *journal.Entry) JournalEntryView {
	return JournalEntryView{Entry: *e, At: when(e.At), Hash: e.Hash}
}

// exportWrite bounds how long a reader of an export may take for each piece.
const exportWrite = 30 * time.Second

// patient gives the reader of a long answer time for each piece, instead of one time for all.
type patient struct {
	gin.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (w *patient) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(exportWrite)) // a writer without deadlines needs none
	return w.ResponseWriter.Write(p)
}

// exportJournal answers GET /api/v1/journal/export.
func (s *Server) exportJournal(c *gin.Context, j *journal.Journal) {
	p := s.parameters(c, "format", "after")
	format, after := cmp.Or(p.text("format"), "ndjson"), p.number("after", 0)
	export, mime := j.ExportNDJSON, "application/x-ndjson"
	switch format {
	case "ndjson":
	case "csv":
		export, mime = j.ExportCSV, "text/csv; charset=utf-8"
	default:
		p.fail("format is ndjson or csv, not %q", format)
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	c.Header("Content-Type", mime)
	c.Header("Content-Disposition", `attachment; filename="concord-journal.`+format+`"`)
	w := &patient{c.Writer, http.NewResponseController(c.Writer)}
	err := export(c.Request.Context(), w, after)
	switch {
	case err == nil:
	case !c.Writer.Written():
		c.Writer.Header().Del("Content-Disposition")
		s.fail(c, err)
	default:
		s.o.Logger.WarnContext(c, "export of the journal was cut off", "err", err)
		panic(http.ErrAbortHandler) // so that nobody takes it for whole
	}
}

// verifyLimit leaves time to answer how far the check has come.
const verifyLimit = answerWait * 2 / 3

// verifyJournal answers GET /api/v1/journal/verify.
func (s *Server) verifyJournal(c *gin.Context, j *journal.Journal) {
	p := s.parameters(c, "after", "seq", "hash")
	anchor := journal.Anchor{Seq: p.number("seq", 0), Hash: p.text("hash")}
	after := p.number("after", 0)
	if (anchor.Seq == 0) != (anchor.Hash == "") {
		p.fail("seq and hash belong together")
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), verifyLimit)
	defer cancel()
	report, err := j.Verify(ctx, after, anchor)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, report)
}
