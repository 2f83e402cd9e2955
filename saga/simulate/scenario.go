package simulate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/limits"
)

// Outcome is what a participant does with one attempt. The zero value leaves it to the definition's own rules, which
// see the status and the body of the answer.
type Outcome uint8

// The outcomes.
const (
	Done        Outcome = iota + 1 // it has done what it was asked
	Refused                        // it never will; of an approval: no
	Failed                         // it failed, and may succeed later
	Lost                           // it does not answer; of a signal or approval: it never comes
	Unreachable                    // nobody could be asked
	Ongoing                        // it is still at it
)

var outcomeNames = [...]string{
	Done: "done", Refused: "refused", Failed: "failed", Lost: "lost", Unreachable: "unreachable", Ongoing: "ongoing",
}

// String returns the word for the outcome.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "invalid"
}

// outcomes lists the words.
func outcomes() []string { return slices.Clone(outcomeNames[1:]) }

// Answer is what comes of one attempt.
type Answer struct {
	Outcome Outcome
	// Status is that of HTTP, 0: what fits the outcome.
	Status int
	// Body is JSON; nil is that of [Scenario.Bodies], or null if nothing was done. Of a signal or approval it is the data.
	Body json.RawMessage
	// After is how long it takes; negative: as long as others.
	After time.Duration
	// By and Comment are those of an approval.
	By, Comment string
}

// plain reports whether a word says all.
func (a Answer) plain() bool {
	return (a.Outcome == 0) != (a.Status == 0) && a.Body == nil && a.After < 0 && a.By == "" && a.Comment == ""
}

// word is that word.
func (a Answer) word() string {
	if a.Outcome == 0 {
		return strconv.Itoa(a.Status)
	}
	return a.Outcome.String()
}

func (a Answer) equal(b Answer) bool {
	return a.Outcome == b.Outcome && a.Status == b.Status && string(a.Body) == string(b.Body) && a.After == b.After &&
		a.By == b.By && a.Comment == b.Comment
}

// Weights say how often which outcome is drawn, in relation to each other.
type Weights struct{ Done, Refused, Failed, Lost int }

// DefaultWeights are those of a world that is somewhat worse than most.
func DefaultWeights() Weights { return Weights{Done: 85, Refused: 5, Failed: 7, Lost: 3} }

// Scenario is what happens to a saga.
type Scenario struct {
	// Input is JSON; nil: none. Key is the key of the run.
	Input json.RawMessage
	Key   string
	// Outcomes are the answers to successive attempts, by what is asked: a step "reserve", a step of a sub-saga
	// "trip/hotel", an item of a loop "items[2]", a turn of a repeated step "poll#2", and each of them with ".undo" for
	// its compensation. What fits best counts: "items" is all items that have no answers of their own. The last answer is
	// that to all further attempts.
	Outcomes map[string][]Answer
	// Bodies are what steps answer when they are done, where the answer itself does not say, by the same names. Otherwise
	// it is {}.
	Bodies map[string]json.RawMessage
	// Random draws what Outcomes do not say, from Seed, by Weights; the zero value is DefaultWeights. Otherwise it is
	// done.
	Random  bool
	Seed    uint64
	Weights Weights
	// StartedAt is when it begins, by the virtual clock; the zero value is the begin of 2026.
	StartedAt time.Time
	// Horizon is how long it is looked at, by the virtual clock; 0 is 30 days. EventsMax is how many events it may have;
	// 0 is 20,000.
	Horizon   time.Duration
	EventsMax int
}

const (
	horizonDefault   = 30 * 24 * time.Hour
	eventsMaxDefault = 20_000
	undoSuffix       = ".undo"
	// answerDelay is how long an answer takes of which nothing else is said, signalDelay a person or another system.
	answerDelay = 100 * time.Millisecond
	signalDelay = time.Second
)

// startDefault is when simulations begin.
func startDefault() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// candidates are the keys of Outcomes that fit a branch, the best first.
func candidates(branch string, undo bool) []string {
	var out []string
	add := func(name string) {
		if undo {
			name += undoSuffix
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	add(branch)
	turnless, _, _ := strings.Cut(branch, "#")
	add(turnless)
	add(itemless(branch))
	add(itemless(turnless))
	return out
}

// itemless is a name without the indices of items.
func itemless(name string) string {
	for {
		open := strings.IndexByte(name, '[')
		if open < 0 {
			return name
		}
		length := strings.IndexByte(name[open:], ']')
		if length < 0 {
			return name
		}
		name = name[:open] + name[open+length+1:]
	}
}

// ParseAnswers reads what can be said of a step in a line: "refused", "lost", "failed x3", "failed x2, refused", "503,
// 200". Behind a number of times it is done.
func ParseAnswers(text string) ([]Answer, error) {
	var out []Answer
	words := strings.Split(text, ",")
	for i, word := range words {
		some, repeated, err := parseAnswer(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if out = append(out, some...); len(out) > limits.ScenarioAnswersMax {
			return nil, fmt.Errorf("more than %d answers", limits.ScenarioAnswersMax)
		}
		if repeated && i == len(words)-1 {
			out = append(out, Answer{Outcome: Done, After: -1})
		}
	}
	return out, nil
}

func parseAnswer(word string) (out []Answer, repeated bool, err error) {
	a, times := Answer{After: -1}, 1
	name, count, repeated := strings.Cut(word, " ")
	if repeated {
		count = strings.TrimSpace(count)
		if n, err := fmt.Sscanf(count, "x%d", &times); err != nil || n != 1 || times < 1 ||
			times > limits.ScenarioAnswersMax || count != fmt.Sprintf("x%d", times) {
			return nil, false, fmt.Errorf("%q is no number of times; write it as in %q", count, name+" x3")
		}
	}
	if i := slices.Index(outcomeNames[1:], name); i >= 0 {
		a.Outcome = Outcome(i + 1)
	} else if n, err := fmt.Sscanf(name, "%d", &a.Status); err != nil || n != 1 || name != fmt.Sprint(a.Status) ||
		a.Status < 100 || a.Status > 599 {
		return nil, false, &wordError{word: name}
	}
	for range times {
		out = append(out, a)
	}
	return out, repeated, nil
}

// wordError says that a word is no outcome.
type wordError struct{ word string }

// Error says which.
func (e *wordError) Error() string {
	return fmt.Sprintf("%q is no outcome; there are %s, and the statuses of HTTP", e.word, strings.Join(outcomes(), ", "))
}
