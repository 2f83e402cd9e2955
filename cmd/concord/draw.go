package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-tx/concord/web"
)

// table writes rows in columns, or a sentence if there are none.
func (a *app) table(empty, header string, rows int, row func(w io.Writer, i int)) error {
	if rows == 0 {
		_, err := fmt.Fprintln(a.stdout, empty)
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, header)
	for i := range rows {
		row(w, i)
	}
	return w.Flush()
}

// sayPartial says that waits on other nodes are missing from what was printed, if they are.
func (a *app) sayPartial(partial bool) error {
	if !partial {
		return nil
	}
	_, err := fmt.Fprintln(a.stderr, "Waits on other nodes are missing: they cannot be read now.")
	return err
}

func (a *app) drawTransactions(page any) error {
	items := page.(web.Page[web.Transaction]).Items
	return a.table("No transaction matches.", "XID\tSTATUS\tBEGAN\tAPPLICATION\tNAME\tBRANCHES\tNEXT ATTEMPT", len(items),
		func(w io.Writer, i int) {
			g := &items[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", g.XID, statusOf(g), ago(g.BeganAt), dash(g.Application),
				dash(g.Name), g.BranchCount, dash(in(g.NextAttemptAt)))
		})
}

// statusOf adds that it is stuck.
func statusOf(g *web.Transaction) string {
	if g.Stuck {
		return g.Status + " STUCK (" + g.StuckReason + ")"
	}
	return g.Status
}

func (a *app) drawLocks(page any) error {
	items := page.(web.Page[web.Lock]).Items
	return a.table("No locked row matches.", "RESOURCE\tTABLE\tKEY\tHOLDER\tSTATUS\tSINCE", len(items),
		func(w io.Writer, i int) {
			l := &items[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Resource, dash(l.Table), l.PK, l.Holder, l.HolderStatus,
				ago(l.Since))
		})
}

func (a *app) drawWaits(page any) error {
	items := page.(web.Page[web.Wait]).Items
	return a.table("Nobody waits for a row.", "WAITS\tFOR\tRESOURCE\tTABLE\tKEY\tHELD BY\tNODE", len(items),
		func(w io.Writer, i int) {
			x := &items[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Waiter,
				time.Duration(x.WaitMs)*time.Millisecond, x.Resource, dash(x.Table), x.PK, x.Holder, dash(x.Node))
		})
}

func (a *app) drawHistory(items []web.HistoryEntry) error {
	return a.table("Nothing is recorded.", "TIME\tEVENT\tBRANCH\tTEXT", len(items), func(w io.Writer, i int) {
		e := &items[i]
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.At, e.Event, dash(e.Branch), e.Text)
	})
}

// drawDetail draws one transaction: what it is, what it waits for, its branches, its locks.
func (a *app) drawDetail(g *web.TransactionDetail) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", g.XID, statusOf(&g.Transaction))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", name, text)
		}
	}
	line("name", g.Name)
	line("application", g.Application)
	line("group", g.Group)
	line("began", moment(g.BeganAt))
	if g.DecidedAt == "" {
		line("deadline", moment(g.Deadline))
	} else {
		line("decided", moment(g.DecidedAt)+", "+g.Cause)
	}
	line("ended", moment(g.EndedAt))
	line("next attempt", moment(g.NextAttemptAt))
	fmt.Fprintf(&b, "\n%s\n", g.Explanation)
	if g.Advice != "" {
		fmt.Fprintf(&b, "What to do: %s\n", g.Advice)
	}
	if len(g.Branches) > 0 {
		b.WriteString("\n")
		drawBranches(&b, g.Branches)
	}
	drawHeld(&b, g)
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func drawBranches(b *strings.Builder, branches []web.Branch) {
	b.WriteString("branches\n")
	w := tabwriter.NewWriter(b, 0, 4, 2, ' ', 0)
	for i := range branches {
		x := &branches[i]
		fork, stem := "├─", "│ "
		if i == len(branches)-1 {
			fork, stem = "└─", "  "
		}
		facts := []string{"registered " + ago(x.RegisteredAt)}
		if x.Attempts > 0 {
			facts = append(facts, fmt.Sprintf("attempts %d", x.Attempts))
		}
		switch {
		case x.InFlightUntil != "":
			facts = append(facts, "answer awaited, given up "+in(x.InFlightUntil))
		case x.NextAttemptAt != "":
			facts = append(facts, "next "+in(x.NextAttemptAt))
		}
		if x.LockedRows > 0 {
			facts = append(facts, "locks "+rows(x.LockedRows))
		}
		_, _ = fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", fork, x.ID, x.Kind, x.State, x.Resource)
		_, _ = fmt.Fprintf(w, "%s\t\t\t%s; by %s\n", stem, strings.Join(facts, ", "), dash(x.Client))
		if x.Failure != "" {
			_, _ = fmt.Fprintf(w, "%s\t\t\tsaid %q\n", stem, x.Failure)
		}
	}
	_ = w.Flush() // writes to memory
}

func drawHeld(b *strings.Builder, g *web.TransactionDetail) {
	if g.LockCount == 0 {
		return
	}
	fmt.Fprintf(b, "\nlocks %s\n", rows(g.LockCount))
	for i := range g.Locks {
		l := &g.Locks[i]
		fmt.Fprintf(b, "   %s  %s:%s\n", l.Resource, l.Table, l.PK)
	}
	if g.LockCount > len(g.Locks) {
		fmt.Fprintf(b, "   … %d more: concord locks --holder %s\n", g.LockCount-len(g.Locks), g.XID)
	}
}

// moment shows a time and how far away it is.
func moment(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ""
	}
	if time.Until(t) > 0 {
		return text + " (" + in(text) + ")"
	}
	return text + " (" + ago(text) + ")"
}

// ago shows how long ago a time was.
func ago(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "-"
	}
	return short(time.Since(t)) + " ago"
}

// in shows how far ahead a time is.
func in(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return ""
	case time.Until(t) <= 0:
		return "now"
	}
	return "in " + short(time.Until(t))
}

// short shows a duration with as much detail as a person wants.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d.Round(time.Second) < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func rows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
