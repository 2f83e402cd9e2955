package web

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

// exportItemsMax bounds the transactions of an export.
const exportItemsMax = 100_000

// exportNext is the trailer of an export that has the cursor to go on with, where there is more than its limit.
const exportNext = "Concord-Next"

// exporter writes transactions in a form.
type exporter interface {
	write(*Transaction) error
	flush() error
}

// exportTransactions answers GET /api/v1/transactions/export: what a list would show, in one answer.
func (s *Server) exportTransactions(c *gin.Context) {
	p := s.parameters(c, selectionNames("format", "limit", "cursor")...)
	sel := selectionOf(p)
	format, most := cmp.Or(p.text("format"), "ndjson"), p.number("limit", exportItemsMax)
	if most < 1 || most > exportItemsMax {
		p.fail("limit is a number from 1 to %d, not %d", exportItemsMax, most)
	}
	mime := mimeOf(p, format)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	sel.query.Cursor = p.text("cursor")
	c.Header("Trailer", exportNext)
	w := attach(c, mime, "concord-transactions."+format)
	out := exporter(&ndjsonExport{json.NewEncoder(w)})
	if format == "csv" {
		out = newCSVExport(w)
	}
	next, err := s.export(c.Request.Context(), sel, int(most), out)
	if err == nil {
		c.Header(exportNext, next)
	}
	s.endExport(c, "transactions", err)
}

// mimeOf returns the type of an export's format.
func mimeOf(p *parameters, format string) string {
	mime := map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}[format]
	if mime == "" {
		p.fail("format is ndjson or csv, not %q", format)
	}
	return mime
}

// attach begins an answer that browsers store as a file.
func attach(c *gin.Context, mime, name string) io.Writer {
	c.Header("Content-Type", mime)
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	return &patient{c.Writer, http.NewResponseController(c.Writer)}
}

// endExport answers why an export has failed, if it has: as a problem if nothing is sent yet.
func (s *Server) endExport(c *gin.Context, what string, err error) {
	switch {
	case err == nil:
	case !c.Writer.Written():
		c.Writer.Header().Del("Content-Disposition")
		c.Writer.Header().Del("Trailer")
		s.failJob(c, err)
	default:
		s.o.Logger.WarnContext(c, "an export was cut off", "of", what, "err", err)
		panic(http.ErrAbortHandler) // so that nobody takes it for whole
	}
}

// exportJobItems answers GET /api/v1/jobs/{job}/items/export.
func (s *Server) exportJobItems(c *gin.Context) {
	p := s.parameters(c, "format", "result")
	format, result := cmp.Or(p.text("format"), "ndjson"), resultOf(p)
	mime := mimeOf(p, format)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	job, _, err := s.job(c, c.Param("job"))
	if err != nil {
		s.failJob(c, err)
		return
	}
	w := attach(c, mime, "concord-job-"+job.ID+"."+format)
	lines, sheet := json.NewEncoder(w), csv.NewWriter(w)
	if format == "csv" {
		_ = sheet.Write([]string{"xid", "result", "code", "detail"})
	}
	for n := 0; n*chunkItems < job.Total && err == nil; n++ {
		var items []JobItem
		items, err = s.results(c.Request.Context(), job.ID, n, result)
		for i := 0; i < len(items) && err == nil; i++ {
			if item := &items[i]; format == "csv" {
				err = sheet.Write([]string{item.XID, item.Result, item.Code, cellOf(item.Detail)})
			} else {
				err = lines.Encode(item)
			}
		}
	}
	if sheet.Flush(); err == nil {
		err = sheet.Error()
	}
	s.endExport(c, "a job's results", err)
}

// export writes at most so many transactions, and returns the cursor behind them if there are more.
func (s *Server) export(ctx context.Context, sel selection, most int, out exporter) (next string, err error) {
	for written := 0; ; {
		sel.query.Limit = min(most-written, orchestrator.PageItemsMax)
		page, err := s.selected(ctx, sel)
		if err != nil {
			return "", err
		}
		for _, g := range page.Items {
			view := viewTransaction(g)
			if err := out.write(&view); err != nil {
				return "", err
			}
			written++
		}
		if err := out.flush(); err != nil {
			return "", err
		}
		if sel.query.Cursor = page.Next; page.Next == "" || written >= most {
			return page.Next, nil
		}
	}
}

// ndjsonExport writes a line of JSON for each, as in a list.
type ndjsonExport struct{ *json.Encoder }

func (e *ndjsonExport) write(t *Transaction) error { return e.Encode(t) }
func (e *ndjsonExport) flush() error               { return nil }

// csvExport writes a line for each, for a spreadsheet.
type csvExport struct{ *csv.Writer }

func newCSVExport(w io.Writer) *csvExport {
	e := &csvExport{csv.NewWriter(w)}
	_ = e.Write([]string{
		"xid", "id", "status", "cause", "decision", "outcome", "stuck", "stuckReason", "heuristic", "application", "group",
		"name", "beganAt", "decidedAt", "endedAt", "deadline", "timeoutMs", "branchCount", "saga", "sagaVersion", "sagaKey",
	}) // what goes wrong is seen at the flush
	return e
}

func (e *csvExport) write(t *Transaction) error {
	version := ""
	if t.Saga != "" {
		version = strconv.FormatUint(uint64(t.SagaVersion), 10)
	}
	cells := []string{
		t.XID, t.ID, t.Status, t.Cause, t.Decision, t.Outcome, strconv.FormatBool(t.Stuck), t.StuckReason,
		strconv.FormatBool(t.Heuristic), t.Application, t.Group, t.Name, t.BeganAt, t.DecidedAt, t.EndedAt, t.Deadline,
		strconv.FormatInt(t.TimeoutMs, 10), strconv.Itoa(t.BranchCount), t.Saga, version, t.SagaKey,
	}
	for i, text := range cells {
		cells[i] = cellOf(text)
	}
	return e.Write(cells)
}

// cellOf keeps a spreadsheet from taking a text for a formula.
func cellOf(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

func (e *csvExport) flush() error {
	e.Flush()
	return e.Error()
}
