package saga

import (
	"time"

	"github.com/concord-tx/concord/saga/definition"
)

// Step is one element of a saga: a call, a message, a worker's task ([Do]), another saga ([Sub]), a timer ([Pause],
// [PauseUntil]), a signal ([AwaitSignal]), an approval ([Ask]) or a choice ([Choose]); any of them, but a choice, may
// be a loop ([Step.ForEach]) or be repeated ([Step.Repeat]).
type Step struct{ tree map[string]any }

func step(id, kind string, what any) *Step {
	return &Step{tree: map[string]any{"id": id, kind: what}}
}

// Do is a step that does something: [GET], [POST], [PUT], [PATCH], [DELETE], [Publish], [Task].
func Do(id string, w *Work) *Step { return step(id, w.kind, w.tree) }

// Sub runs another saga as a part of this one; its input may be nil. Version 0 is the newest when this one is
// published.
func Sub(id, saga string, version int, input any) *Step {
	tree := map[string]any{"saga": saga}
	if version != 0 {
		tree["version"] = version
	}
	if input != nil {
		tree["input"] = input
	}
	return step(id, "subSaga", tree)
}

// Pause waits.
func Pause(id string, d time.Duration) *Step {
	return step(id, "timer", map[string]any{"for": definition.FormatDuration(d)})
}

// PauseUntil waits until a time that an expression gives, as RFC 3339.
func PauseUntil(id string, at Expr) *Step {
	return step(id, "timer", map[string]any{"until": string(at)})
}

// AwaitSignal waits until somebody signals a name to the run. The schema of the data may be nil.
func AwaitSignal(id, name string, schema any) *Step {
	tree := map[string]any{"name": name}
	if schema != nil {
		tree["schema"] = schema
	}
	return step(id, "signal", tree)
}

// Ask waits until a person approves; rejected means refused. Without by it takes an operator or a service.
func Ask(id, prompt string, by ...string) *Step {
	tree := map[string]any{"prompt": prompt}
	if len(by) > 0 {
		tree["by"] = by
	}
	return step(id, "approval", tree)
}

// Show adds what a person is shown with the question of Ask.
func (s *Step) Show(data any) *Step {
	if approval, ok := s.tree["approval"].(map[string]any); ok {
		approval["data"] = data
		return s
	}
	return s.set("data", data) // an unknown key of all other kinds, which Build reports
}

// Case is one way of Choose: taken if its condition is the first that holds.
type Case struct {
	Name string
	When Expr
}

// Choose goes one of several ways; the steps on a way come After("id.case"). otherwise is the name of the way that is
// taken if no condition holds; if it is empty the step is refused then.
func Choose(id, otherwise string, cases ...Case) *Step {
	list := make([]map[string]any, len(cases))
	for i, c := range cases {
		list[i] = map[string]any{"case": c.Name, "when": string(c.When)}
	}
	tree := map[string]any{"cases": list}
	if otherwise != "" {
		tree["else"] = otherwise
	}
	return step(id, "choice", tree)
}

// Title is for people.
func (s *Step) Title(title string) *Step { return s.set("title", title) }

// Description is for people.
func (s *Step) Description(text string) *Step { return s.set("description", text) }

// After names the predecessors, as "id", or "id.case" of a choice. Without any the step begins at once.
func (s *Step) After(steps ...string) *Step { return s.set("after", append([]string{}, steps...)) }

// When has the step skipped if the condition is false.
func (s *Step) When(condition Expr) *Step { return s.set("when", string(condition)) }

// Loop says what ForEach runs over. Zero values are those of the language: item, index, one at a time, 10,000 items.
type Loop struct {
	In            Expr
	As, Index     string
	Parallel, Max int
}

// ForEach runs the step once for each item of a list; its output is the list of their outputs.
func (s *Step) ForEach(l Loop) *Step {
	tree := map[string]any{"in": string(l.In)}
	text(tree, "as", l.As)
	text(tree, "index", l.Index)
	number(tree, "parallel", l.Parallel)
	number(tree, "max", l.Max)
	return s.set("forEach", tree)
}

// Repeat runs the step again, after a pause, until a condition holds, at most so many times; 0: without end.
func (s *Step) Repeat(until Expr, every time.Duration, most int) *Step {
	tree := map[string]any{"until": string(until)}
	duration(tree, "every", every)
	number(tree, "max", most)
	return s.set("repeat", tree)
}

// Output is what later steps see of the step; without it they see the whole answer.
func (s *Step) Output(m Map) *Step { return s.set("output", m) }

// Rule says what an answer means for which a condition holds.
type Rule struct {
	When Expr
	Is   definition.Outcome
}

// Result says what answers mean; the first rule that fits counts.
func (s *Step) Result(rules ...Rule) *Step { return s.set("result", results(rules)) }

// Timeout bounds one attempt, or the whole wait of a signal or an approval.
func (s *Step) Timeout(d time.Duration) *Step { return s.set("timeout", definition.FormatDuration(d)) }

// Retry spaces the attempts.
type Retry struct {
	First, Max time.Duration // the first pause, which doubles up to Max
	Attempts   int           // in all
	Jitter     float64       // by which part of it a pause may differ, from 0 to 1
}

// Retry spaces the attempts of the step.
func (s *Step) Retry(r Retry) *Step { return s.set("retry", r.tree()) }

// ContinueIfRefused has the saga go on as if the step were done, without an output, if it is refused.
func (s *Step) ContinueIfRefused() *Step { return s.set("onRefused", "continue") }

// IfRefused has the saga go on with another step if this one is refused.
func (s *Step) IfRefused(step string) *Step { return s.set("onRefused", step) }

// Compensate is what undoes the step. It has to stand that the step has not happened.
func (s *Step) Compensate(w *Work) *Step { return s.CompensateWith(Undo{Work: w}) }

// Undo is a compensation with more than what it does.
type Undo struct {
	Work    *Work
	Result  []Rule
	Timeout time.Duration
	Retry   *Retry
}

// CompensateWith is Compensate with rules, a timeout and a spacing of attempts of its own.
func (s *Step) CompensateWith(u Undo) *Step {
	tree := map[string]any{}
	if u.Work != nil {
		tree[u.Work.kind] = u.Work.tree
	}
	if len(u.Result) > 0 {
		tree["result"] = results(u.Result)
	}
	duration(tree, "timeout", u.Timeout)
	if u.Retry != nil {
		tree["retry"] = u.Retry.tree()
	}
	return s.set("compensate", tree)
}

// ReadOnly says that the step changes nothing, so that there is nothing to compensate.
func (s *Step) ReadOnly() *Step { return s.set("readOnly", true) }

// Pivot says that there is no way back when the step is done; what comes after it is tried until it is done.
func (s *Step) Pivot() *Step { return s.set("pivot", true) }

func (s *Step) set(key string, value any) *Step {
	s.tree[key] = value
	return s
}

// Work is what a step does, or what undoes it.
type Work struct {
	kind string
	tree map[string]any
}

func call(method, url string, body any) *Work {
	tree := map[string]any{"method": method, "url": url}
	if body != nil {
		tree["body"] = body
	}
	return &Work{kind: "call", tree: tree}
}

// GET asks a URL, in which expressions are escaped. It changes nothing.
func GET(url string) *Work { return call("GET", url, nil) }

// POST sends a body, which may be nil, to a URL.
func POST(url string, body any) *Work { return call("POST", url, body) }

// PUT sends a body, which may be nil, to a URL.
func PUT(url string, body any) *Work { return call("PUT", url, body) }

// PATCH sends a body, which may be nil, to a URL.
func PATCH(url string, body any) *Work { return call("PATCH", url, body) }

// DELETE is for a URL.
func DELETE(url string) *Work { return call("DELETE", url, nil) }

// Publish sends data, which may be nil, on a topic. The step is done when the message is durable, or, with
// [Work.Reply], when it is answered.
func Publish(topic string, data any) *Work {
	tree := map[string]any{"topic": topic}
	if data != nil {
		tree["data"] = data
	}
	return &Work{kind: "message", tree: tree}
}

// Task is for programs that fetch it by its name; its input may be nil. Package worker has them.
func Task(name string, input any) *Work {
	tree := map[string]any{"task": name}
	if input != nil {
		tree["input"] = input
	}
	return &Work{kind: "worker", tree: tree}
}

// Header sends a header along with a call or a message.
func (w *Work) Header(name string, value any) *Work {
	headers, ok := w.tree["headers"].(Map)
	if !ok {
		headers = Map{}
	}
	headers[name] = value
	return w.set("headers", headers)
}

// Reply is the topic on which the answer to a message comes.
func (w *Work) Reply(topic string) *Work { return w.set("reply", topic) }

// Tag is the tag of a message.
func (w *Work) Tag(tag string) *Work { return w.set("tag", tag) }

// Key is the key of a message.
func (w *Work) Key(key any) *Work { return w.set("key", key) }

func (w *Work) set(key string, value any) *Work {
	w.tree[key] = value
	return w
}

func results(rules []Rule) []map[string]any {
	list := make([]map[string]any, len(rules))
	for i, r := range rules {
		list[i] = map[string]any{"when": string(r.When), "is": r.Is.String()}
	}
	return list
}

func (r Retry) tree() map[string]any {
	tree := map[string]any{}
	duration(tree, "first", r.First)
	duration(tree, "max", r.Max)
	number(tree, "attempts", r.Attempts)
	if r.Jitter != 0 {
		tree["jitter"] = r.Jitter
	}
	return tree
}

func text(tree map[string]any, key, value string) {
	if value != "" {
		tree[key] = value
	}
}

func number(tree map[string]any, key string, value int) {
	if value != 0 {
		tree[key] = value
	}
}

func duration(tree map[string]any, key string, d time.Duration) {
	if d != 0 {
		tree[key] = definition.FormatDuration(d)
	}
}
