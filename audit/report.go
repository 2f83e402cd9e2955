package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Verdict is what came out for an invariant.
type Verdict string

// The verdicts.
const (
	// Holds: every part that could be run found nothing.
	Holds Verdict = "holds"
	// Violated: a part has found something.
	Violated Verdict = "violated"
	// NotCheckable: no part could be run with the inputs that were given.
	NotCheckable Verdict = "not checkable from the given inputs"
	// Empty: parts were run, but there was nothing to compare.
	Empty Verdict = "nothing to check"
)

// Report is the result of an audit.
type Report struct {
	// At is the store's time, 0 without a store.
	At     txn.Millis `json:"at"`
	AtRest bool       `json:"atRest"`
	// Inputs are the sources that were read.
	Inputs     []string `json:"inputs"`
	Stories    int      `json:"transactions"`
	Violations int64    `json:"violations"`
	Results    []Result `json:"invariants"`
}

// Result is what came out for one invariant.
type Result struct {
	Name    string  `json:"name"`
	Text    string  `json:"text"`
	Verdict Verdict `json:"verdict"`
	Checked int64   `json:"checked"`
	// Total counts all violations; Violations has the first of each part.
	Total      int64       `json:"violations"`
	Violations []Violation `json:"found,omitempty"`
	Parts      []PartDone  `json:"parts"`
}

// PartDone is what came out for one part.
type PartDone struct {
	Name       string `json:"name"`
	What       string `json:"what"`
	Checked    int64  `json:"checked"`
	Violations int64  `json:"violations"`
	// NotRun says why the part was not run; "" if it was.
	NotRun string `json:"notRun,omitempty"`
}

// Judge runs all invariants.
func Judge(e *Evidence) *Report {
	r := &Report{At: e.Now, AtRest: e.AtRest, Inputs: e.Have.Names(), Stories: len(e.Stories)}
	all := e.sorted()
	known := slices.DeleteFunc(slices.Clone(all), func(s *Story) bool { return e.forgotten(s.ID) })
	for _, inv := range Invariants() {
		result := judge(e, all, known, inv)
		r.Violations += result.Total
		r.Results = append(r.Results, result)
	}
	return r
}

func judge(e *Evidence, all, known []*Story, inv Invariant) Result {
	result := Result{Name: inv.Name, Text: inv.Text, Verdict: NotCheckable}
	ran := false
	for _, part := range inv.Parts {
		done := PartDone{Name: part.Name, What: part.What}
		switch missing := part.Needs &^ e.Have; {
		case missing != 0:
			done.NotRun = "needs " + strings.Join(missing.Names(), ", ")
		case part.Rest && !e.AtRest:
			done.NotRun = "the cluster is not at rest"
		default:
			ran = true
			f := &Findings{stories: all}
			if part.Needs&Records != 0 {
				f.stories = known
			}
			part.Check(e, f)
			done.Checked, done.Violations = f.checked, f.total
			for _, v := range f.violations {
				v.Invariant, v.Text, v.Part = inv.Name, inv.Text, part.Name
				result.Violations = append(result.Violations, v)
			}
		}
		result.Checked += done.Checked
		result.Total += done.Violations
		result.Parts = append(result.Parts, done)
	}
	switch {
	case result.Total > 0:
		result.Verdict = Violated
	case ran && result.Checked > 0:
		result.Verdict = Holds
	case ran:
		result.Verdict = Empty
	}
	return result
}

// Clean reports whether nothing is violated.
func (r *Report) Clean() bool { return r.Violations == 0 }

// Unchecked lists the invariants for which no part could be run or had something to compare.
func (r *Report) Unchecked() []string {
	var out []string
	for _, result := range r.Results {
		if result.Verdict == NotCheckable || result.Verdict == Empty {
			out = append(out, result.Name)
		}
	}
	return out
}

// Write draws the report for people.
func (r *Report) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "INVARIANT\tVERDICT\tCHECKED\tVIOLATIONS\tCHECKED FROM")
	for _, result := range r.Results {
		for i, part := range result.Parts {
			name, verdict := "", ""
			if i == 0 {
				name, verdict = result.Name, string(result.Verdict)
			}
			if part.NotRun != "" {
				_, _ = fmt.Fprintf(w, "%s\t%s\t-\t-\tnot checked (%s): %s\n", name, verdict, part.NotRun, part.What)
				continue
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", name, verdict, part.Checked, part.Violations, part.What)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	state := "running"
	if r.AtRest {
		state = "at rest"
	}
	_, err := fmt.Fprintf(out, "\n%d transactions of a cluster that is %s, from: %s\n", r.Stories, state,
		strings.Join(r.Inputs, ", "))
	if err != nil {
		return err
	}
	for _, result := range r.Results {
		if err := writeViolations(out, &result); err != nil {
			return err
		}
	}
	if r.Clean() {
		_, err = fmt.Fprintln(out, "No violation was found.")
	} else {
		_, err = fmt.Fprintf(out, "\n%d violations were found.\n", r.Violations)
	}
	return err
}

// writeViolations lists what was found for one invariant.
func writeViolations(out io.Writer, r *Result) error {
	if len(r.Violations) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(out, "\n%s is violated. %s.\n", r.Name, r.Text); err != nil {
		return err
	}
	for _, v := range r.Violations {
		where := v.XID
		if where == "" {
			where = "(no single transaction)"
		}
		if _, err := fmt.Fprintf(out, "  %s: %s [%s]\n", where, v.Evidence, v.Part); err != nil {
			return err
		}
	}
	if more := r.Total - int64(len(r.Violations)); more > 0 {
		_, err := fmt.Fprintf(out, "  and %d more\n", more)
		return err
	}
	return nil
}
