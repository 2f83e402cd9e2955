package definition

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/saga/limits"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	SeverityError   Severity = iota + 1 // the definition cannot be published
	SeverityWarning                     // it can, but is likely not what was meant
	SeverityHint                        // it could be simpler or clearer
)

// String returns the word for the severity.
func (s Severity) String() string { return word(int(s), "error", "warning", "hint") }

// MarshalText writes the word for the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Rule is the stable id of a rule of the lint, such as "unknown-key".
type Rule string

// The rules that Parse applies. Those of package validate come on top.
const (
	RuleSyntax       Rule = "syntax"        // neither YAML nor JSON
	RuleUnsupported  Rule = "unsupported"   // YAML that the language does not have: aliases, tags, several documents
	RuleUnknownKey   Rule = "unknown-key"   // a key that the language does not have
	RuleDuplicateKey Rule = "duplicate-key" // a key twice in one map
	RuleWrongType    Rule = "wrong-type"    // a list where a text belongs, and so on
	RuleMissing      Rule = "missing"       // a key that has to be there
	RuleConflict     Rule = "conflict"      // keys that exclude each other
	RuleBadValue     Rule = "bad-value"     // right type, wrong content
	RuleBadName      Rule = "bad-name"      // a name that is not one
	RuleLimit        Rule = "limit"         // more than a limit of saga/limits
	RuleExpression   Rule = "expression"    // an expression that is not closed or empty
)

// Finding is one thing that is wrong with a definition, or could be better.
type Finding struct {
	Rule     Rule     `json:"rule"`
	Severity Severity `json:"severity"`
	// Line and Column count from 1; 0: unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path is the JSON pointer of the element.
	Path string `json:"path,omitempty"`
	// Text says what is wrong, Advice what to do.
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// Sort orders findings by their place, then by severity and rule.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Path, b.Path))
	})
}

// Broken reports whether there is a finding of severity error.
func Broken(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == SeverityError })
}

// Closest returns which of the words was likely meant by one that is not among them, or "".
func Closest(meant string, words []string) string {
	best, distance := "", max(1, min(3, len(meant)/3))+1
	for _, w := range words {
		if d := editDistance(meant, w, distance); d < distance || d == distance && best == "" && d < 2 {
			best, distance = w, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove, change or swap with their neighbour, up to most.
func editDistance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > limits.NameBytesMax || len(b) > limits.NameBytesMax {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if lower(a[i-1]) == lower(b[j-1]) {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
