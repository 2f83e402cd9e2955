package catalog

import (
	"context"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/validate"
)

// Language is one in which sagas are written. It keeps nothing between two calls, and is called concurrently.
type Language interface {
	// Name is kept with each version: "concord", "seata".
	Name() string

	// Recognise reports whether a text is meant to be in this language, however wrong it may be. It is quick.
	Recognise(text []byte) bool

	// Check reads, checks and explores a text. What is wrong with it is in the review; the error is a fault, also one of
	// sagas. Language and Subs of the review are the catalog's.
	Check(ctx context.Context, text []byte, sagas Lookup) (Review, error)

	// Steps lists the steps of a text that was sound once, in the order of the document. The error says why it cannot be
	// read any more.
	Steps(text []byte) ([]Step, error)

	// Compile has a version ready to run. The error says why it cannot be read any more, or is one of sagas.
	Compile(p *Published, sagas Lookup) (Compiled, error)
}

// Lookup finds a published saga. Version 0 is the newest for Check, and for Compile the one that was the newest when
// the saga was published. Errors: [orchestrator.ErrNoDocument], faults.
type Lookup func(name string, version uint32) (Published, error)

// Compiled is a version that is ready to run. It does not change.
type Compiled struct {
	// Planner says how its runs go on.
	Planner txn.Planner
	// Deadline is how long a run may take; 0: as long as runs do that say nothing.
	Deadline time.Duration
	// Verbatim has inputs be kept as they are written: 7.0 is another number than 7.
	Verbatim bool
	// CheckInput says what is wrong with an input, which is JSON; nil: any will do.
	CheckInput func(input []byte) []validate.Problem
	// CheckValue says the same of an input that is read already, as expressions read it; nil where that is not enough.
	CheckValue func(value any) []validate.Problem
	// CheckSignal says what is wrong with the data, which are JSON, of a signal for the step that a branch of that name
	// is; nil: any will do.
	CheckSignal func(branch string, data []byte) []validate.Problem
}

// Review is what was found in a text.
type Review struct {
	// Name and Title are of the saga, as far as they can be read; Language is the name of its language.
	Name, Title, Language string
	// Digest is that of what the text means; "" if that cannot be said.
	Digest   string
	Findings []definition.Finding
	// Report is that of the exploration; nil if there was none, because of the findings or because the language has none.
	Report *explore.Report
	// Subs are the versions of sub-sagas that were looked at.
	Subs map[string]uint32
	// Steps and Services are of a state machine of Seata, as far as it can be read; nil of other texts.
	Steps    []Step
	Services []Service
}

// Service is what a state machine calls, which has to be bound to a target.
type Service struct {
	// Name is that by which it is bound; States are those that call it; Target is where it is, "" if it is not bound.
	Name   string   `json:"name"`
	States []string `json:"states"`
	Target string   `json:"target,omitempty"`
}

// Sound reports whether the definition may be published.
func (r *Review) Sound() bool {
	explored := r.Report == nil || len(r.Report.Failures) == 0
	return r.Digest != "" && explored && !definition.Broken(r.Findings)
}

// Step is what a graph shows of a step.
type Step struct {
	ID string `json:"id"`
	// Kind is a word of the language, Title for people.
	Kind  string `json:"kind"`
	Title string `json:"title,omitempty"`
	// Target is what the step turns to: a URL, topic, task, saga or signal, as it is written.
	Target string `json:"target,omitempty"`
	// After are the steps before it, whichever way they are said in the document, as it says them: "way.card" is a case
	// of a choice. The way from a step that names this one in OnRefused is gone if that was refused.
	After []string `json:"after"`
	// When is its condition, ForEach the list that it runs over; Repeat says that it is asked again and again.
	When    string `json:"when,omitempty"`
	ForEach string `json:"forEach,omitempty"`
	Repeat  bool   `json:"repeat,omitempty"`
	// Cases are the ways of a choice.
	Cases []string `json:"cases,omitempty"`
	// OnRefused is compensate, continue, or the id of the step that follows then.
	OnRefused string `json:"onRefused,omitempty"`
	// Compensate is the kind of what undoes it, "" if nothing does.
	Compensate string `json:"compensate,omitempty"`
	ReadOnly   bool   `json:"readOnly,omitempty"`
	Pivot      bool   `json:"pivot,omitempty"`
}
