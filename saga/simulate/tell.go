package simulate

import (
	"encoding/json"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// since is the time since the begin in milliseconds.
func (r *run) since() int64 { return int64(r.now - r.begin) }

// event adds a line to the timeline.
func (r *run) event(step, event string, attempt uint32, text string) {
	r.result.Timeline = append(r.result.Timeline, Event{
		At: r.now.Time(), AfterMs: r.since(), Step: step, Event: event, Attempt: attempt, Text: text,
	})
}

// tell takes over what the history says since the last time.
func (r *run) tell() {
	news := r.g.History[r.told:].Entries()
	r.told = len(r.g.History)
	for _, e := range news {
		b, _ := r.g.Branch(e.Branch)
		if b == nil || b.Step == nil {
			r.event("", e.Kind.String(), 0, e.Text)
			continue
		}
		attempt := b.Attempts
		if e.Kind == txn.HistoryStarted {
			attempt = 0
		}
		text := e.Text
		if rest, numbered := strings.CutPrefix(text, txn.AttemptPrefix); e.Kind == txn.HistoryAttempt && numbered {
			_, text, _ = strings.Cut(rest, ": ") // the number is known
		}
		if text == b.Step.Name {
			text = ""
		}
		r.event(b.Step.Name, e.Kind.String(), attempt, text)
		r.place(b, e.Kind)
	}
}

// place notes what became of a step.
func (r *run) place(b *txn.Branch, kind txn.HistoryKind) {
	at, name := r.since(), b.Step.Name
	i, known := r.places[b.ID]
	if !known {
		i = len(r.result.Steps)
		r.places[b.ID] = i
		r.result.Steps = append(r.result.Steps, Step{
			Name: name, Kind: kindOf(r.model.program.StepOf(name)), State: "running", FromMs: at,
		})
	}
	s := &r.result.Steps[i]
	ended := func(state, word string) {
		s.State, s.ToMs, s.Failure = state, &at, b.Failure
		r.result.Order = append(r.result.Order, name+word)
	}
	switch kind {
	case txn.HistoryStepDone:
		ended("done", "")
	case txn.HistoryStepRefused:
		ended("refused", " refused")
	case txn.HistoryRetriesUsed:
		if b.Step.GaveUp && s.ToMs == nil {
			ended("gaveUp", " gave up")
		}
	case txn.HistoryFinished:
		s.State, s.UndoToMs, s.Failure = "undone", &at, ""
		r.result.Order = append(r.result.Order, name+undoSuffix)
	case txn.HistoryRefused:
		s.State, s.UndoToMs, s.Failure = "undoRefused", &at, b.Failure
		r.result.Order = append(r.result.Order, name+undoSuffix+" refused")
	}
}

func kindOf(s *definition.Step) string {
	if s == nil {
		return ""
	}
	return s.Kind.String()
}

// finish says how it ended.
func (r *run) finish() {
	res := r.result
	res.TookMs = r.since()
	switch {
	case r.g.Status == txn.Committed:
		res.End, res.Output = EndDone, json.RawMessage(r.g.Saga.Result)
		if len(res.Output) == 0 {
			res.Output = nil
		}
	case r.g.Status == txn.RolledBack:
		res.End, res.Left = EndCompensated, r.left()
	case r.g.Stuck != 0:
		res.End = EndStuck
	default:
		res.End = EndRunning
	}
	res.Failure = r.g.Saga.Failure
	for _, b := range r.g.Branches {
		if res.End == EndStuck && res.Failure == "" && b.Failure != "" {
			res.Failure = "step " + b.Step.Name + ": " + b.Failure
		}
	}
	for _, b := range r.g.Branches {
		i, known := r.places[b.ID]
		if !known {
			continue
		}
		s := &res.Steps[i]
		if s.Attempts = b.Attempts; s.UndoFromMs != nil {
			s.Attempts, s.UndoAttempts = b.Step.Tries, b.Attempts
		} else if b.Attempts == 0 {
			s.Attempts = b.Step.Tries
		}
		switch {
		case res.End != EndStuck && res.End != EndRunning && s.State == "running":
			s.State = "stopped"
		case b.State == txn.Refused:
			s.State, s.Failure = "undoRefused", b.Failure
		case s.State == "running" || s.UndoFromMs != nil && s.UndoToMs == nil:
			s.Failure = b.Failure
		}
	}
}

// left are the steps that may have run and were not undone.
func (r *run) left() (out []string) {
	for _, b := range r.g.Branches {
		ran := b.Step.Seq > 0 || b.Step.GaveUp || b.State == txn.Finished && b.Step.Tries > 0 && !b.Step.Undo
		s := r.model.program.StepOf(b.Step.Name)
		changes := s != nil && b.Kind != txn.StepTimer && b.Kind != txn.StepSignal && !s.ReadOnly &&
			(s.Kind != definition.KindCall || s.Call.Method != "GET")
		if ran && changes && !b.Step.Undo {
			out = append(out, b.Step.Name)
		}
	}
	return out
}
