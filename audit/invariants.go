package audit

import "fmt"

// Invariant is one rule that every cluster keeps, with the ways in which it is checked.
type Invariant struct {
	// Name is that of docs, Text says it in words.
	Name, Text string
	Parts      []Part
}

// Part is one way to check an invariant: a pure function over the evidence.
type Part struct {
	// Name is unique: the invariant's, a slash, and a word.
	Name string
	// What says what is compared, for the report.
	What  string
	Needs Source
	// Rest says that the part is sound only when the cluster is at rest.
	Rest  bool
	Check func(e *Evidence, f *Findings)
}

// Violation says that an invariant does not hold.
type Violation struct {
	Invariant string `json:"invariant"`
	Text      string `json:"text"`
	Part      string `json:"part"`
	XID       string `json:"xid,omitempty"`
	Evidence  string `json:"evidence"`
}

// violationsKeptMax is how many violations of one part are kept; the others are counted.
const violationsKeptMax = 100

// Findings gathers what one part finds.
type Findings struct {
	stories    []*Story
	checked    int64
	total      int64
	violations []Violation
}

// count says that n more things were compared.
func (f *Findings) count(n int) { f.checked += int64(n) }

// fail says that the invariant does not hold for a story; nil: for none in particular.
func (f *Findings) fail(s *Story, format string, args ...any) {
	f.total++
	if len(f.violations) >= violationsKeptMax {
		return
	}
	v := Violation{Evidence: fmt.Sprintf(format, args...)}
	if s != nil {
		v.XID = s.name()
	}
	f.violations = append(f.violations, v)
}

// name is the xid, or the id if no source has its text.
func (s *Story) name() string {
	switch {
	case s.Record != nil:
		return s.Record.XID
	case len(s.Calls) > 0:
		return s.Calls[0].XID
	case len(s.Published) > 0:
		return s.Published[0].Event.XID.String()
	}
	return fmt.Sprintf("id %d", s.ID)
}

// Invariants lists all that are checked.
func Invariants() []Invariant {
	out := append(outcomeInvariants(), stateInvariants()...)
	out = append(out, lockInvariants()...)
	out = append(out, effectInvariants()...)
	out = append(out, topicInvariants()...)
	return append(out, endInvariants()...)
}

// each is a part's function that looks at one story after the other. check says whether there was something to compare.
func each(check func(e *Evidence, s *Story, f *Findings) bool) func(*Evidence, *Findings) {
	return func(e *Evidence, f *Findings) {
		for _, s := range f.stories {
			if check(e, s, f) {
				f.count(1)
			}
		}
	}
}
