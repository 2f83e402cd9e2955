package journal

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Query selects entries. Zero fields select all.
type Query struct {
	// Who is the id or the name of a principal, Action a name or its first part, Target what it was done to.
	Who, Action, Target string
	// Since and Until bound At: since ≤ At < until.
	Since, Until txn.Millis
	// Before is the entry before which the list begins, going back in time; 0 begins with the last.
	Before uint64
	// Limit is at most orchestrator.PageItemsMax; 0 means orchestrator.PageItemsDefault.
	Limit int
}

// Page is a part of the journal, the newest first. Next is where to go on, 0 at the end; a page may be short of
// entries, or empty, and have a Next.
type Page struct {
	Items []*Entry
	Next  uint64
}

// scanMax is how many entries are looked at for one page.
const scanMax = 10 * orchestrator.PageItemsMax

// List returns entries, the newest first.
func (j *Journal) List(ctx context.Context, q Query) (Page, error) {
	limit := min(q.Limit, orchestrator.PageItemsMax)
	if limit <= 0 {
		limit = orchestrator.PageItemsDefault
	}
	page, after := Page{Items: []*Entry{}}, ""
	if q.Before != 0 {
		after = keyOf(q.Before)
	}
	for seen := 0; seen < scanMax; {
		docs, err := j.o.Documents.ListDocuments(ctx, orchestrator.DocumentQuery{
			Kind: kind, Newest: true, After: after, Limit: orchestrator.PageItemsMax,
		})
		if err != nil {
			return Page{}, fmt.Errorf("read the journal: %w", err)
		}
		for _, d := range docs {
			e, err := decode(d)
			if err != nil {
				return Page{}, fmt.Errorf("read the journal: %w", err)
			}
			if e.At < q.Since {
				page.Next = 0
				return page, nil // the clock of a cluster does not go back by more than a lease
			}
			if q.wants(e) {
				page.Items = append(page.Items, e)
			}
			page.Next, after = e.Seq, d.Key
			if len(page.Items) == limit {
				return page, nil
			}
		}
		if len(docs) == 0 {
			page.Next = 0
			return page, nil
		}
		seen += len(docs)
	}
	return page, nil
}

func (q *Query) wants(e *Entry) bool {
	return (q.Who == "" || q.Who == e.Who || q.Who == e.Name) &&
		(q.Action == "" || q.Action == e.Action || strings.HasPrefix(e.Action, q.Action+".")) &&
		(q.Target == "" || q.Target == e.Target) &&
		(q.Until == 0 || e.At < q.Until)
}

// each hands over all entries behind one in their order, as they are stored.
func (j *Journal) each(ctx context.Context, after uint64, do func(orchestrator.Document) error) error {
	from := ""
	if after > 0 {
		from = keyOf(after)
	}
	for {
		docs, err := j.o.Documents.ListDocuments(ctx, orchestrator.DocumentQuery{
			Kind: kind, After: from, Limit: orchestrator.PageItemsMax,
		})
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		if len(docs) == 0 {
			return nil
		}
		for _, d := range docs {
			if err := do(d); err != nil {
				return err
			}
			from = d.Key
		}
	}
}

// ExportNDJSON writes all entries behind one, a JSON object {"hash","entry"} per line: with these bytes everybody can
// check the chain, since a hash is that of the bytes of its entry.
func (j *Journal) ExportNDJSON(ctx context.Context, w io.Writer, after uint64) error {
	return j.each(ctx, after, func(d orchestrator.Document) error {
		_, err := w.Write(append(append([]byte(nil), d.Value...), '\n'))
		return err
	})
}

// csvHeader names the columns of ExportCSV.
var csvHeader = [...]string{
	"seq", "at", "who", "name", "how", "action", "target", "phase", "of", "why", "before", "after", "status", "code",
	"address", "requestId", "node", "id", "prev", "hash",
}

// ExportCSV writes all entries behind one for a spreadsheet.
func (j *Journal) ExportCSV(ctx context.Context, w io.Writer, after uint64) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvHeader[:]); err != nil {
		return err
	}
	err := j.each(ctx, after, func(d orchestrator.Document) error {
		e, err := decode(d)
		if err != nil {
			return err
		}
		cells := []string{
			strconv.FormatUint(e.Seq, 10), e.At.Time().UTC().Format(time.RFC3339Nano), e.Who, e.Name, e.How, e.Action,
			e.Target, string(e.Phase), e.Of, e.Why, string(e.Before), string(e.After), strconv.Itoa(e.Status), e.Code,
			e.Address, e.RequestID, e.Node, e.ID, e.Prev, e.Hash,
		}
		for i := range cells {
			cells[i] = cell(cells[i])
		}
		return out.Write(cells)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
