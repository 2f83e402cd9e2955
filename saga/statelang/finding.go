package statelang

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	// Note is worth knowing.
	Note Severity = iota + 1
	// Warning: it can be run, but probably does not do what is meant.
	Warning
	// Error: it is not sound, and is not imported.
	Error
)

// String returns the severity in a word.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "unknown"
}

// Finding is something that is wrong with a definition.
type Finding struct {
	Rule     Rule
	Severity Severity
	At       Position
	// State is the name of the state that it concerns, if it is one.
	State string
	// Text says what is wrong, Advice what to do.
	Text, Advice string
	// Upstream names what refuses the definition in Seata for this reason: one of its three rules, or "parser".
	// It is empty where Seata reads it without a word.
	Upstream string
}

// String returns the finding in a line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.At, f.Severity, f.Text, f.Rule)
}

// Report is the outcome of a check.
type Report struct {
	// Findings are in the order of the document.
	Findings []Finding
}

// Sound reports whether nothing is an error.
func (r Report) Sound() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Error })
}

// Upstream reports whether Seata reads the definition, and what refuses it otherwise: of several what Seata asks first.
func (r Report) Upstream() (reads bool, refusedBy string) {
	for _, by := range []string{upstreamParser, upstreamNames, upstreamFinite, upstreamNoRecursed} {
		if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Upstream == by }) {
			return false, by
		}
	}
	return true, ""
}

// What refuses a definition in Seata.
const (
	upstreamParser     = "parser"
	upstreamNames      = "StateNameExistsRule"
	upstreamFinite     = "FiniteTerminationRule"
	upstreamNoRecursed = "NoRecursiveSubStateMachineRule"
)

// sortFindings brings findings into the order of the document.
func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
	})
}
