package web

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// SagaRunItem is how a run looks in a list.
type SagaRunItem struct {
	XID         string `json:"xid"`
	Saga        string `json:"saga"`
	Version     uint32 `json:"version"`
	Key         string `json:"key,omitempty"`
	Application string `json:"application"`
	Status      string `json:"status"`
	// Outcome is done, failed or running.
	Outcome     string `json:"outcome"`
	Stuck       bool   `json:"stuck"`
	StuckReason string `json:"stuckReason,omitempty"`
	Cause       string `json:"cause,omitempty"`
	// Heuristic is true if a person has said of a step that it is done, or undone.
	Heuristic bool `json:"heuristic,omitempty"`
	// Late is true if it was not decided when its deadline passed; LateMs is how long it has gone on since, or went on.
	Late       bool   `json:"late"`
	LateMs     int64  `json:"lateMs,omitempty"`
	BeganAt    string `json:"beganAt"`
	DeadlineAt string `json:"deadlineAt"`
	DecidedAt  string `json:"decidedAt,omitempty"`
	EndedAt    string `json:"endedAt,omitempty"`
	// Failure is why it is rolled back, or stuck behind its pivot.
	Failure string `json:"failure,omitempty"`
}

// SagaRun is how one run looks.
type SagaRun struct {
	SagaRunItem
	Explanation string          `json:"explanation"`
	Advice      string          `json:"advice,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`
	Output      json.RawMessage `json:"output,omitempty"`
	Steps       []SagaRunStep   `json:"steps"`
	Waits       []SagaWait      `json:"waits"`
	Timeline    []SagaEvent     `json:"timeline"`
	// Actions are what is allowed now: cancel, retry, resume, skip, signal, approve.
	Actions []string `json:"actions"`
}

// SagaRunStep is a step that has begun.
type SagaRunStep struct {
	Branch string `json:"branch"`
	// Name is that of the branch, with items, turns and sub-sagas; ID the step's in the definition, with sub-sagas.
	Name  string `json:"name"`
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
	Pivot bool   `json:"pivot,omitempty"`
	// ByHand is true if a person has said that it is done.
	ByHand    bool   `json:"byHand,omitempty"`
	Attempts  uint32 `json:"attempts"`
	StartedAt string `json:"startedAt"`
	EndedAt   string `json:"endedAt,omitempty"`
	// NextAttemptAt is when it is tried again, or would be if no reply to its message has come by then. Until is when its
	// time is up, or a timer is over.
	NextAttemptAt string          `json:"nextAttemptAt,omitempty"`
	Until         string          `json:"until,omitempty"`
	Code          uint16          `json:"code,omitempty"`
	Answer        json.RawMessage `json:"answer,omitempty"`
	Failure       string          `json:"failure,omitempty"`
	Undo          *SagaUndo       `json:"undo,omitempty"`
}

// SagaUndo is how far the undoing of a step is.
type SagaUndo struct {
	State         string `json:"state"`
	Attempts      uint32 `json:"attempts"`
	EndedAt       string `json:"endedAt,omitempty"`
	NextAttemptAt string `json:"nextAttemptAt,omitempty"`
	Failure       string `json:"failure,omitempty"`
}

// SagaWait is something that a run waits for.
type SagaWait struct {
	Step string `json:"step"`
	// Kind is signal, approval or timer.
	Kind string `json:"kind"`
	// Name is that of the signal.
	Name string `json:"name,omitempty"`
	// Prompt, By and Data are what a person is asked, who may answer, and what they are shown.
	Prompt string          `json:"prompt,omitempty"`
	By     []string        `json:"by,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Until  string          `json:"until,omitempty"`
}

// SagaEvent is one thing that happened to a run.
type SagaEvent struct {
	At      string `json:"at"`
	Event   string `json:"event"`
	Step    string `json:"step,omitempty"`
	Attempt uint32 `json:"attempt,omitempty"`
	// TookMs is how long the answer of the attempt took; absent where that is not known.
	TookMs int64  `json:"tookMs,omitempty"`
	Text   string `json:"text,omitempty"`
	Actor  string `json:"actor,omitempty"`
}

// The states of a step, and of its undoing.
const (
	stepPending  = "pending"  // begun, and not asked for yet
	stepRunning  = "running"  // an attempt is under way
	stepWaiting  = "waiting"  // for a time, a signal, an approval, or its turn
	stepRetrying = "retrying" // the last attempt failed, or said that it goes on
	stepDone     = "done"
	stepRefused  = "refused"
	stepUnknown  = "unknown"   // given up, and nobody knows whether it has run
	stepLeft     = "abandoned" // not done, because the saga was decided
	stepSkipped  = "skipped"   // a person has said that it is undone
)

func viewRunItem(g *txn.Global, now txn.Millis) SagaRunItem {
	late, lateMs := lateness(g, now)
	return SagaRunItem{
		XID: g.XID.String(), Saga: g.Saga.Definition, Version: g.Saga.Version, Key: g.Saga.Key,
		Application: g.Application, Status: g.Status.String(), Outcome: outcomeOf(g), Stuck: g.Stuck != 0,
		StuckReason: g.Stuck.String(), Cause: g.Cause.String(), Heuristic: g.Heuristic, Late: late, LateMs: lateMs,
		BeganAt: when(g.BeganAt), DeadlineAt: when(g.Deadline()), DecidedAt: when(g.DecidedAt), EndedAt: when(g.EndedAt),
		Failure: g.Saga.Failure,
	}
}

// lateness says whether a run has gone on after its deadline, and for how many milliseconds: its definition says so, it
// has passed a pivot, or nobody could decide it in time. One that its deadline rolls back is not late.
func lateness(g *txn.Global, now txn.Millis) (late bool, ms int64) {
	if g.Status != txn.Active {
		now = g.DecidedAt
	}
	if now < g.Deadline() || g.Cause == txn.CauseTimeout {
		return false, 0
	}
	return true, int64(now - g.Deadline())
}

// viewRun shows a run, without the actions.
func viewRun(g *txn.Global, now txn.Millis) SagaRun {
	v := SagaRun{
		SagaRunItem: viewRunItem(g, now), Input: document(g.Data), Output: document(g.Saga.Result),
		Steps: []SagaRunStep{}, Waits: []SagaWait{}, Timeline: []SagaEvent{}, Actions: []string{},
	}
	v.Explanation, v.Advice = explain(g, now)
	past := pastOf(g)
	v.Timeline = past.timeline(g)
	for _, b := range g.Branches {
		if b.Step == nil {
			continue
		}
		v.Steps = append(v.Steps, viewStep(g, b, past.of[b.ID], now))
		if w, waits := viewWait(g, b); waits {
			v.Waits = append(v.Waits, w)
		}
	}
	return v
}

// document is an answer as JSON, nil if there is none.
func document(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(definition.AnswerJSON(text))
}

// marks are what is no part of a step's id in the name of a branch: the item of a loop and the turn of a repetition.
var marks = regexp.MustCompile(`\[\d+\]|#\d+`)

// stepKind is the word of the language for what a branch is.
func stepKind(b *txn.Branch) string {
	switch b.Kind {
	case txn.StepCall:
		return "call"
	case txn.StepMessage:
		return "message"
	case txn.StepWorker:
		return "worker"
	case txn.StepTimer:
		return "timer"
	}
	if b.Approval() {
		return "approval"
	}
	return "signal"
}

func viewStep(g *txn.Global, b *txn.Branch, past *stepPast, now txn.Millis) SagaRunStep {
	v := SagaRunStep{
		Branch: decimal(b.ID), Name: b.Step.Name, ID: marks.ReplaceAllString(b.Step.Name, ""), Kind: stepKind(b),
		Pivot: b.Step.Pivot, ByHand: past.byHand, Attempts: max(b.Step.Tries, past.tries), StartedAt: when(past.began),
		EndedAt: when(past.ended), Code: b.Step.Code, Answer: document(b.Step.Answer), Failure: past.failure,
	}
	v.State = stepState(g, b, now)
	if g.Status == txn.Active {
		v.Attempts = b.Attempts
		switch v.State {
		case stepPending, stepRunning, stepWaiting, stepRetrying:
			v.Failure, v.EndedAt, v.Until = b.Failure, "", when(b.Step.Until)
			if b.NextAt > now {
				v.NextAttemptAt = when(b.NextAt)
			}
			if b.State == txn.Published && v.State == stepRunning {
				v.NextAttemptAt = when(b.InFlightUntil) // if no reply has come by then
			}
		}
	}
	switch v.State {
	case stepDone:
		v.Failure = ""
	case stepRefused: // it is not undone, so these are attempts to go forward still
		v.Attempts = max(v.Attempts, b.Attempts)
	}
	undone := g.Status == txn.RollingBack || g.Status == txn.RolledBack
	spared := b.State == txn.Finished && b.Attempts == 0 && past.undone == 0 // the machine has seen to it; see txn.Chooser
	if undone && b.Step.Undo && !spared && v.State != stepRefused && v.State != stepLeft {
		v.Undo = viewUndo(b, past, now)
	}
	return v
}

// stepState says how far a step is, whatever became of it after the decision.
func stepState(g *txn.Global, b *txn.Branch, now txn.Millis) string {
	asked := b.Kind != txn.StepTimer && b.Kind != txn.StepSignal
	switch {
	case b.State == txn.PhaseOneFailed:
		return stepRefused
	case b.Step.Seq > 0:
		return stepDone
	case b.Step.GaveUp:
		return stepUnknown
	case g.Status != txn.Active && (b.Step.Tries == 0 || g.Status.Outcome() == txn.Commit):
		return stepLeft
	case g.Status != txn.Active && b.InFlight(now) && b.Attempts == 0:
		return stepRunning // what came of it is learned before it is undone
	case g.Status != txn.Active:
		return stepUnknown
	case !asked:
		return stepWaiting
	case b.InFlight(now):
		return stepRunning
	case b.Attempts > 0:
		return stepRetrying
	}
	return stepPending
}

func viewUndo(b *txn.Branch, past *stepPast, now txn.Millis) *SagaUndo {
	u := &SagaUndo{Attempts: b.Attempts, Failure: b.Failure, State: stepWaiting}
	switch {
	case b.State == txn.Finished:
		u.State, u.Failure, u.EndedAt = stepDone, "", when(past.undone)
	case b.State == txn.Skipped:
		u.State, u.EndedAt = stepSkipped, when(past.undone)
	case b.State == txn.Refused:
		u.State = stepRefused
	case b.Attempts == 0:
		u.Failure = ""
	case b.InFlight(now):
		u.State = stepRunning
	default:
		u.State, u.NextAttemptAt = stepRetrying, when(b.NextAt)
	}
	return u
}

// question is what an approval asks; see saga/plan.
type question struct {
	Prompt any             `json:"prompt"`
	By     []string        `json:"by"`
	Data   json.RawMessage `json:"data"`
}

// asks reads what an approval asks.
func asks(b *txn.Branch) (q question, prompt string) {
	if json.Unmarshal([]byte(b.Data), &q) != nil {
		return question{}, b.Data
	}
	if text, ok := q.Prompt.(string); ok {
		return q, text
	}
	text, _ := json.Marshal(q.Prompt) // it was read from JSON
	return q, string(text)
}

func viewWait(g *txn.Global, b *txn.Branch) (w SagaWait, waits bool) {
	if g.Status != txn.Active || b.State != txn.Registered || b.Kind != txn.StepTimer && b.Kind != txn.StepSignal {
		return w, false
	}
	w = SagaWait{Step: b.Step.Name, Kind: stepKind(b), Until: when(b.Step.Until)}
	switch {
	case b.Approval():
		q, prompt := asks(b)
		w.Prompt, w.By, w.Data = prompt, q.By, q.Data
	case b.Kind == txn.StepSignal:
		w.Name = b.Resource
	}
	return w, true
}

// stepPast is what the history tells of a step.
type stepPast struct {
	branch               *txn.Branch
	name                 string
	began, ended, undone txn.Millis
	tries                uint32 // of the last attempt to go forward that is told of
	failure              string
	byHand               bool
}

// past is what the history tells.
type past struct {
	entries []txn.HistoryEntry
	of      map[int64]*stepPast
}

// pastOf reads the history.
func pastOf(g *txn.Global) *past {
	p := &past{entries: g.History.Entries(), of: make(map[int64]*stepPast, len(g.Branches))}
	for _, b := range g.Branches {
		p.of[b.ID] = &stepPast{branch: b, began: b.RegisteredAt}
		if b.Step != nil {
			p.of[b.ID].name = b.Step.Name
		}
	}
	decided := false
	for _, e := range p.entries {
		decided = decided || e.Kind == txn.HistoryCommit || e.Kind == txn.HistoryRollback
		s := p.of[e.Branch]
		if s == nil {
			continue
		}
		switch e.Kind {
		case txn.HistoryStarted:
			s.began = e.At
		case txn.HistoryStepDone:
			s.ended, s.failure = e.At, ""
		case txn.HistoryStepRefused, txn.HistoryRetriesUsed:
			if !decided || e.Kind == txn.HistoryStepRefused {
				s.ended, s.failure = e.At, e.Text
			}
		case txn.HistoryAttempt:
			if n, text := attemptOf(e.Text); !decided {
				s.tries, s.failure = n, text
			}
		case txn.HistoryFinished:
			s.undone = e.At
		case txn.HistorySkipped:
			s.byHand = s.byHand || !decided
			if decided {
				s.undone = e.At
			}
		}
	}
	return p
}

// attemptOf takes the number of an attempt from the text that tells of it; see txn.Rules.
func attemptOf(text string) (n uint32, rest string) {
	number, rest, found := strings.Cut(strings.TrimPrefix(text, txn.AttemptPrefix), ": ")
	i, err := strconv.ParseUint(number, 10, 32)
	if !found || err != nil || !strings.HasPrefix(text, txn.AttemptPrefix) {
		return 0, text
	}
	return uint32(i), rest
}

// timeline tells the history in the words of sagas.
func (p *past) timeline(g *txn.Global) []SagaEvent {
	out := make([]SagaEvent, 0, len(p.entries))
	last := map[int64]uint32{}
	for _, e := range p.entries {
		v := SagaEvent{At: when(e.At), Event: e.Kind.String(), Text: e.Text, TookMs: e.Took.Milliseconds()}
		if s := p.of[e.Branch]; s != nil {
			if s.branch.Step == nil {
				continue // a notice to consumers, which is no step
			}
			v.Step = s.name
		}
		switch e.Kind {
		case txn.HistoryStarted:
			v.Text = ""
		case txn.HistoryAttempt:
			v.Attempt, v.Text = attemptOf(e.Text)
			last[e.Branch] = v.Attempt
		case txn.HistorySignal, txn.HistoryRetry, txn.HistorySkipped, txn.HistoryReleased:
			v.Actor, v.Text, _ = strings.Cut(e.Text, ": ")
		case txn.HistoryCommit, txn.HistoryRollback:
			p.decision(g, &v)
			clear(last) // attempts at undoing are counted anew
		case txn.HistoryStepDone, txn.HistoryFinished:
			if s := p.of[e.Branch]; s != nil {
				v.Attempt = endedAt(s.branch, e.Kind)
			}
		}
		out = append(out, v)
	}
	return out
}

// endedAt is the attempt with which a step, or its undoing, was done: 0 if nobody was asked.
func endedAt(b *txn.Branch, kind txn.HistoryKind) uint32 {
	switch {
	case kind == txn.HistoryFinished:
		return b.Attempts
	case b.Step == nil:
		return 0
	case b.Step.Tries > 0:
		return b.Step.Tries
	case b.State == txn.PhaseOneDone:
		return b.Attempts
	}
	return 0
}

// decision tells who or what has decided: a person and their reason, or the saga and its failure.
func (p *past) decision(g *txn.Global, v *SagaEvent) {
	cause, by, found := strings.Cut(v.Text, " by ")
	switch {
	case !found:
	case g.Cause == txn.CauseOperator || g.Cause == txn.CauseRequested:
		v.Actor, by, _ = strings.Cut(by, ": ")
		v.Text = strings.TrimSuffix(cause+": "+by, ": ")
	default:
		v.Text = cause + ": " + by
	}
}

// pursued explains a saga that a client's engine runs and has not ended, "" if it is none.
func pursued(g *txn.Global) string {
	const who = "The saga engine of the application runs it, and is asked to "
	const until = " until it says that it has ended."
	switch o, _ := g.Pursued(); o {
	case txn.Commit:
		return who + "go forward" + until
	case txn.Rollback:
		return who + "compensate" + until
	}
	return ""
}
