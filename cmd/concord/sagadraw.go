package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// How a run is drawn: 80 letters wide, the bars take what the columns leave.
const (
	drawWidth   = 80
	nameWidth   = 20
	stateWidth  = 11
	barMin      = 14
	eventsShown = 30
	loopShown   = 8 // items of a loop; of a longer one those that went the same way are one line
)

// runRow is a line of the chart.
type runRow struct {
	name, state string
	attempts    int
	from, to    time.Time // zero: not known
	said        string
	undo        bool
	items       int // of a loop that this line stands for
}

// label is what stands in front of a line: a compensation is below its step.
func (x *runRow) label() string {
	switch {
	case x.undo:
		return "  └ undo"
	case x.items > 1:
		return fmt.Sprintf("%s × %d", x.name, x.items)
	}
	return x.name
}

// drawRun draws a run: what it is, its steps over time, what it waits for, what happened, and what can be done.
func drawRun(to io.Writer, r *sagaRun, all bool) error {
	var b strings.Builder
	word := r.word()
	if d := took(r.BeganAt, r.EndedAt); d != "" {
		word += " in " + d
	}
	fmt.Fprintf(&b, "%s  %s version %d  %s\n", r.XID, r.Saga, r.Version, word)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", name, text)
		}
	}
	line("key", r.Key)
	line("application", r.Application)
	line("began", moment(r.BeganAt))
	if r.DecidedAt == "" {
		line("deadline", moment(r.DeadlineAt))
	} else if r.Cause != "" {
		line("decided", moment(r.DecidedAt)+", "+r.Cause)
	}
	if r.Late {
		line("late", lateText(r))
	}
	line("input", oneLine(compactJSON(r.Input), drawWidth-15))
	line("output", oneLine(compactJSON(r.Output), drawWidth-15))
	line("failure", r.Failure)
	if r.Heuristic {
		line("heuristic", "a person has said of a step that it is done, or undone")
	}
	if rows := rowsOf(r, all); len(rows) > 0 {
		b.WriteString("\n")
		drawChart(&b, r, rows)
	}
	drawWaitsOf(&b, r)
	drawRepliesOf(&b, r)
	if r.Stuck && r.Explanation != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Explanation)
	}
	drawEvents(&b, r, all)
	drawActions(&b, r)
	_, err := io.WriteString(to, harmless(b.String()))
	return err
}

// lateText says for how long a run has gone on after its deadline, which is shown above it as long as it goes on.
func lateText(r *sagaRun) string {
	by := span(time.Duration(r.LateMs) * time.Millisecond)
	if r.DecidedAt == "" {
		return by + "; it goes on all the same"
	}
	return by + " after its deadline, " + r.DeadlineAt
}

// harmless replaces what a terminal would take for commands: texts may come from anybody.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return '?'
		}
		return r
	}, text)
}

// compactJSON is a value on one line, "" for none.
func compactJSON(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// rowsOf makes the lines of the chart. Items of a loop that went the same way are one line unless all are wanted.
func rowsOf(r *sagaRun, all bool) []runRow {
	var rows []runRow
	items, gathered, ends := map[string]int{}, map[string]int{}, undoEnds(r)
	for i := range r.Steps {
		items[loopOf(r.Steps[i].Name)]++
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		row := runRow{
			name: s.Name, state: s.State, attempts: s.Attempts, from: parsed(s.StartedAt), to: parsed(s.EndedAt),
			said: s.Failure, items: 1,
		}
		loop := loopOf(s.Name)
		if all || items[loop] < loopShown || s.Failure != "" || s.EndedAt == "" {
			rows = append(append(rows, row), undoRow(s, r, ends)...)
			continue
		}
		key := loop + " " + s.State
		if s.Undo != nil {
			key += " " + s.Undo.State
		}
		at, found := gathered[key]
		if !found {
			gathered[key], row.name = len(rows), loop
			rows = append(append(rows, row), undoRow(s, r, ends)...)
			continue
		}
		rows[at].join(&row)
		if undo := undoRow(s, r, ends); undo != nil {
			rows[at+1].join(&undo[0])
		}
	}
	return rows
}

// join makes one line of two.
func (x *runRow) join(o *runRow) {
	x.items += o.items
	x.attempts += o.attempts
	if x.to.Before(o.to) {
		x.to = o.to
	}
	if !o.from.IsZero() && o.from.Before(x.from) {
		x.from = o.from
	}
}

// loopOf returns the name of a step without the index of its item and its turn.
func loopOf(name string) string {
	if i := strings.LastIndexAny(name, "[#"); i > 0 && !strings.Contains(name[i:], "/") {
		return name[:i]
	}
	return name
}

// undoEnds are the times at which compensations ended, sorted.
func undoEnds(r *sagaRun) (ends []time.Time) {
	for i := range r.Steps {
		if u := r.Steps[i].Undo; u != nil && u.EndedAt != "" {
			ends = append(ends, parsed(u.EndedAt))
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends
}

// undoRow is the line of a compensation, if there is one. They are carried out one after the other, so it began when
// the one before ended.
func undoRow(s *runStep, r *sagaRun, ends []time.Time) []runRow {
	u := s.Undo
	if u == nil || u.State == "" {
		return nil
	}
	row := runRow{
		name: s.Name, state: u.State, attempts: u.Attempts, from: parsed(r.DecidedAt), to: parsed(u.EndedAt),
		said: u.Failure, undo: true, items: 1,
	}
	if done := parsed(s.EndedAt); done.After(row.from) {
		row.from = done // it was under way when the run was decided
	}
	before := len(ends)
	if !row.to.IsZero() {
		before, _ = slices.BinarySearchFunc(ends, row.to, time.Time.Compare)
	}
	if before > 0 && ends[before-1].After(row.from) {
		row.from = ends[before-1]
	}
	if u.Attempts == 0 && row.to.IsZero() {
		row.from = time.Time{} // its turn has not come
	}
	return []runRow{row}
}

func parsed(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text) // the zero time is not known
	return t
}

// drawChart draws the lines with bars over the time from the begin to the end, or to now.
func drawChart(b *strings.Builder, r *sagaRun, rows []runRow) {
	start, end := parsed(r.BeganAt), parsed(r.EndedAt)
	for i := range rows {
		if end.Before(rows[i].to) {
			end = rows[i].to
		}
	}
	if r.EndedAt == "" {
		end = time.Now()
	}
	name := 4
	for i := range rows {
		name = max(name, utf8.RuneCountInString(rows[i].label()))
	}
	name = min(name, nameWidth)
	bar := max(drawWidth-name-stateWidth-5-8-4, barMin)
	whole := max(end.Sub(start), time.Millisecond)
	scale := "0 " + strings.Repeat("─", max(bar-3-utf8.RuneCountInString(span(whole)), 1)) + " " + span(whole)
	fmt.Fprintf(b, "%-*s %-*s %5s %8s %s\n", name, "STEP", stateWidth, "STATE", "TRIES", "TIME", scale)
	for i := range rows {
		x := &rows[i]
		fill := "█"
		if x.undo {
			fill = "▒"
		}
		duration, until := "", x.to
		if until.IsZero() && !x.from.IsZero() && r.EndedAt == "" {
			until = end
		}
		drawn := ""
		if !x.from.IsZero() && !until.IsZero() {
			duration = span(max(until.Sub(x.from), 0))
			drawn = barOf(x.from.Sub(start), until.Sub(start), whole, bar, fill)
		}
		attempts := ""
		if x.attempts > 0 {
			attempts = fmt.Sprint(x.attempts)
		}
		text := fmt.Sprintf("%s %-*s %5s %8s %s", padded(x.label(), name), stateWidth, x.state, attempts, duration, drawn)
		fmt.Fprintln(b, strings.TrimRight(text, " "))
		if x.said != "" {
			fmt.Fprintf(b, "%*s said: %s\n", name, "", oneLine(x.said, drawWidth-name-7))
		}
	}
}

// padded fills a name up, or shortens it in the middle.
func padded(name string, width int) string {
	letters := []rune(name)
	if over := len(letters) - width; over > 0 {
		cut := width / 2
		letters = slices.Concat(letters[:cut], []rune("…"), letters[cut+over+1:])
	}
	return string(letters) + strings.Repeat(" ", max(width-len(letters), 0))
}

// barOf draws a bar on a scale; the shortest is one letter.
func barOf(from, to, whole time.Duration, width int, fill string) string {
	place := func(d time.Duration) int { return min(max(int(int64(width)*int64(d)/int64(whole)), 0), width) }
	first := min(place(from), width-1)
	last := max(place(to), first+1)
	return strings.Repeat(" ", first) + strings.Repeat(fill, last-first)
}

// waitText says what a run waits for.
func waitText(w *runWait) string {
	text := fmt.Sprintf("%s waits for the signal %s", w.Step, cmp.Or(w.Name, w.Step))
	switch w.Kind {
	case "approval":
		text = w.Step + " waits for an approval"
		if len(w.By) > 0 {
			text += " by " + strings.Join(w.By, " or ")
		}
	case waitTimer:
		text = w.Step + " waits for its time"
	}
	if w.Until != "" {
		text += ", until " + moment(w.Until)
	}
	return text
}

// howToAnswer is the command that ends a wait, "" if there is none.
func howToAnswer(xid string, w *runWait) string {
	switch w.Kind {
	case "approval":
		return fmt.Sprintf("concord saga approve %s %s", xid, w.Step)
	case waitTimer:
		return ""
	}
	return fmt.Sprintf("concord saga signal %s %s", xid, cmp.Or(w.Name, w.Step))
}

func drawWaitsOf(b *strings.Builder, r *sagaRun) {
	for i := range r.Waits {
		w := &r.Waits[i]
		fmt.Fprintf(b, "\n%s\n", waitText(w))
		if w.Prompt != "" {
			fmt.Fprintf(b, "  %q\n", w.Prompt)
		}
		if how := howToAnswer(r.XID, w); how != "" {
			fmt.Fprintf(b, "  %s\n", how)
		}
	}
}

// drawRepliesOf says which steps have sent their messages, and wait for the replies.
func drawRepliesOf(b *strings.Builder, r *sagaRun) {
	n := 0
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Kind != "message" || s.State != "running" || s.NextAttemptAt == "" {
			continue
		}
		if n++; n <= loopShown {
			fmt.Fprintf(b, "\n%s waits for the reply to its message; without one this attempt ends at %s\n", s.Name,
				moment(s.NextAttemptAt))
		}
	}
	if n > loopShown {
		fmt.Fprintf(b, "\n%d more wait for replies\n", n-loopShown)
	}
}

// drawEvents lists what happened, with the time since the begin.
func drawEvents(b *strings.Builder, r *sagaRun, all bool) {
	events := r.Timeline
	if len(events) == 0 {
		return
	}
	b.WriteString("\nwhat happened\n")
	if n := len(events) - eventsShown; n > 0 && !all {
		fmt.Fprintf(b, "   … %d before: concord saga run %s --all\n", n, r.XID)
		events = events[n:]
	}
	name := 0
	for i := range events {
		name = max(name, utf8.RuneCountInString(events[i].Step))
	}
	name = min(name, nameWidth)
	for i := range events {
		e := &events[i]
		text := padded(e.Step, name) + "  " + eventWord(e)
		if e.Attempt > 1 {
			text += fmt.Sprintf(", attempt %d", e.Attempt)
		}
		if e.Text != "" && e.Text != e.Step {
			text += ": " + oneLine(e.Text, drawWidth)
		}
		if e.Actor != "" {
			text += " by " + e.Actor
		}
		fmt.Fprintf(b, "  %8s  %s\n", "+"+cmp.Or(took(r.BeganAt, e.At), "?"), clipped(text, drawWidth-12))
	}
}

// eventWord says in the words of sagas what happened.
func eventWord(e *runEvent) string {
	switch e.Event {
	case "began":
		return "begins"
	case "stepStarted":
		return "starts"
	case "stepDone":
		return "done"
	case "stepRefused":
		return "refused"
	case "attemptFailed":
		return "failed"
	case "retriesUsedUp":
		return "attempts are used up"
	case "signal":
		return "answered"
	case "finished":
		return "undone"
	case "refused": // stepRefused is that of a step
		return "undo refused"
	case "rollbackDecided":
		return "to be compensated"
	case "commitDecided":
		return "all is done"
	case "retryRequested":
		return "tried again"
	case "ended":
		return "ends"
	}
	return e.Event
}

// drawActions says what a person can do, if something waits for one.
func drawActions(b *strings.Builder, r *sagaRun) {
	actions := slices.DeleteFunc(slices.Clone(r.Actions), func(action string) bool {
		return action == "signal" || action == "approve" || // said with the wait
			action == "resume" && slices.Contains(r.Actions, "retry") // the same, if all steps are meant
	})
	if r.ended() || len(actions) == 0 {
		return
	}
	b.WriteString("\nwhat you can do\n")
	if len(r.Waits) == 0 && !r.Stuck {
		fmt.Fprintf(b, "  concord tx why %s\n", r.XID) // whether a worker polls, for instance
	}
	for _, action := range actions {
		switch action {
		case "skip":
			if r.Stuck && r.StuckReason == "refused" && r.DecidedAt == "" {
				fmt.Fprintf(b, "  concord saga skip %s --run --reason \"...\"\n", r.XID)
				fmt.Fprintf(b, "  concord saga move %s --to VERSION\n", r.XID)
			}
			fmt.Fprintf(b, "  concord saga skip %s STEP --reason \"...\"\n", r.XID)
		case "cancel":
			fmt.Fprintf(b, "  concord saga cancel %s --reason \"...\"\n", r.XID)
		default:
			fmt.Fprintf(b, "  concord saga %s %s\n", action, r.XID)
		}
	}
}
