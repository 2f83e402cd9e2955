package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// definition reads the document.
func (p *parser) definition(n *node) {
	d := p.def
	p.def.positions[""] = n.at
	deadline := func(i int) { d.OnDeadline = OnDeadline(i) }
	d.OnDeadline = DeadlineCompensate
	if !p.object(n, "", "the saga", []field{
		{"saga", p.whole(&d.Language, 0, 1_000_000)},
		{"name", p.name(&d.Name, namePattern)},
		{"title", p.text(&d.Title, limits.TextBytesMax)},
		{"description", p.text(&d.Description, limits.TextBytesMax)},
		{"input", p.schema(&d.Input)},
		{"output", p.mapping(&d.Output, limits.NodesMax)},
		{"deadline", p.duration(&d.Deadline)},
		{"onDeadline", p.choose(deadline, "compensate", "forward")},
		{"steps", p.steps},
	}, "saga", "name", "steps") {
		return
	}
	if v := n.get("saga"); v != nil && v.shape == scalarShape && d.Language != Language {
		p.find(RuleBadValue, v.at, "/saga", fmt.Sprintf("version %s of the language is not known", v.text), "write `saga: 1`")
	}
}

func (p *parser) steps(n *node, path string) {
	first := map[string]Position{}
	p.list(n, path, "steps", limits.StepsMax, func(item *node, at string) {
		s := p.step(item, at)
		if s == nil {
			return
		}
		if was, twice := first[s.ID]; twice && s.ID != "" {
			p.find(RuleBadName, p.def.At(at+"/id"), at+"/id", fmt.Sprintf("line %d has a step %q already", was.Line, s.ID),
				"give each step an id of its own")
		}
		first[s.ID] = s.Position
		p.def.Steps = append(p.def.Steps, s)
	})
	if n.shape == listShape && len(n.items) == 0 {
		p.find(RuleMissing, n.at, path, "the saga has no steps", "add a step")
	}
}

func (p *parser) step(n *node, path string) *Step {
	s := &Step{Position: n.at, OnRefused: OnRefused{Action: RefusedCompensate}}
	fields := append(p.kinds(s),
		field{"id", p.name(&s.ID, namePattern)},
		field{"title", p.text(&s.Title, limits.TextBytesMax)},
		field{"description", p.text(&s.Description, limits.TextBytesMax)},
		field{"after", p.after(s)},
		field{"when", p.expression(&s.When)},
		field{"forEach", p.forEach(s)},
		field{"repeat", p.repeat(s)},
		field{"output", p.mapping(&s.Output, limits.NodesMax)},
		field{"result", p.results(&s.Result)},
		field{"timeout", p.duration(&s.Timeout)},
		field{"retry", p.retry(&s.Retry)},
		field{"onRefused", p.onRefused(s)},
		field{"compensate", p.compensation(s)},
		field{"readOnly", p.flag(&s.ReadOnly)},
		field{"pivot", p.flag(&s.Pivot)})
	if !p.object(n, path, "a step", fields, "id") {
		return nil
	}
	p.oneOf(n, path, "a step", []string{"call", "message", "worker", "subSaga", "timer", "signal", "approval", "choice"})
	if s.ID == RefusedCompensate.String() || s.ID == RefusedContinue.String() {
		p.find(RuleBadName, p.def.At(path+"/id"), path+"/id", fmt.Sprintf("%q has a meaning in onRefused", s.ID),
			"give the step another id")
	}
	return s
}

// oneOf wants exactly one of some keys.
func (p *parser) oneOf(n *node, path, what string, keys []string) {
	found := ""
	for _, pair := range n.pairs {
		switch {
		case !slices.Contains(keys, pair.key):
		case found == "":
			found = pair.key
		default:
			p.find(RuleConflict, pair.at, path+"/"+pair.key, fmt.Sprintf("%s has %q already", what, found),
				"make two of them")
		}
	}
	if found == "" {
		p.find(RuleMissing, n.at, path, what+" says not what it does", "add one of "+strings.Join(keys, ", "))
	}
}

// kinds are the keys that say what a step does.
func (p *parser) kinds(s *Step) []field {
	return []field{
		{"call", func(n *node, path string) { s.Kind, s.Call = KindCall, p.call(n, path) }},
		{"message", func(n *node, path string) { s.Kind, s.Message = KindMessage, p.message(n, path) }},
		{"worker", func(n *node, path string) { s.Kind, s.Worker = KindWorker, p.worker(n, path) }},
		{"subSaga", func(n *node, path string) {
			s.Kind, s.Sub = KindSubSaga, &Sub{}
			p.object(n, path, "a sub-saga", []field{
				{"saga", p.name(&s.Sub.Saga, namePattern)},
				{"version", p.whole(&s.Sub.Version, 1, 1_000_000_000)},
				{"input", p.optional(&s.Sub.Input)},
			}, "saga")
		}},
		{"timer", func(n *node, path string) {
			s.Kind, s.Timer = KindTimer, &Timer{}
			if p.object(n, path, "a timer", []field{
				{"for", p.duration(&s.Timer.For)},
				{"until", p.expression(&s.Timer.Until)},
			}) {
				p.oneOf(n, path, "a timer", []string{"for", "until"})
			}
		}},
		{"signal", func(n *node, path string) {
			s.Kind, s.Signal = KindSignal, &Signal{}
			p.object(n, path, "a signal", []field{
				{"name", p.name(&s.Signal.Name, wireName)},
				{"schema", p.schema(&s.Signal.Schema)},
			}, "name")
		}},
		{"approval", func(n *node, path string) {
			s.Kind, s.Approval = KindApproval, &Approval{Prompt: Literal("")}
			p.object(n, path, "an approval", []field{
				{"prompt", p.textValue(&s.Approval.Prompt, limits.TextBytesMax)},
				{"by", p.names(&s.Approval.By)},
				{"data", p.optional(&s.Approval.Data)},
			}, "prompt")
		}},
		{"choice", func(n *node, path string) { s.Kind, s.Choice = KindChoice, p.choice(n, path) }},
	}
}

func (p *parser) call(n *node, path string) *Call {
	c := &Call{Method: "POST"}
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	p.object(n, path, "a call", []field{
		{"method", p.choose(func(i int) { c.Method = methods[i-1] }, methods...)},
		{"url", p.textValue(&c.URL, limits.URLBytesMax)},
		{"headers", p.headers(&c.Headers)},
		{"body", p.optional(&c.Body)},
	}, "url")
	return c
}

func (p *parser) message(n *node, path string) *Message {
	m := &Message{}
	p.object(n, path, "a message", []field{
		{"topic", p.name(&m.Topic, wireName)},
		{"tag", p.name(&m.Tag, wireName)},
		{"key", p.messageKey(&m.Key)},
		{"headers", p.headers(&m.Headers)},
		{"data", p.optional(&m.Data)},
		{"reply", p.name(&m.Reply, wireName)},
	}, "topic")
	return m
}

func (p *parser) worker(n *node, path string) *Worker {
	w := &Worker{}
	p.object(n, path, "a worker", []field{
		{"task", p.name(&w.Task, wireName)},
		{"input", p.optional(&w.Input)},
	}, "task")
	return w
}

func (p *parser) choice(n *node, path string) *Choice {
	c := &Choice{}
	names := map[string]bool{}
	once := func(name string, at string) {
		if names[name] && name != "" {
			p.find(RuleBadName, p.def.At(at), at, fmt.Sprintf("the choice has a case %q already", name), "rename one of them")
		}
		names[name] = true
	}
	p.object(n, path, "a choice", []field{
		{"cases", func(n *node, path string) {
			p.list(n, path, "cases", limits.CasesMax, func(item *node, at string) {
				var one Case
				if p.object(item, at, "a case", []field{
					{"case", p.name(&one.Name, namePattern)},
					{"when", p.expression(&one.When)},
				}, "case", "when") {
					once(one.Name, at+"/case")
					c.Cases = append(c.Cases, one)
				}
			})
			if n.shape == listShape && len(n.items) == 0 {
				p.find(RuleMissing, n.at, path, "the choice has no cases", "add a case")
			}
		}},
		{"else", p.name(&c.Else, namePattern)},
	}, "cases")
	once(c.Else, path+"/else")
	return c
}

func (p *parser) after(s *Step) func(*node, string) {
	return func(n *node, path string) {
		s.After = []Edge{}
		seen := map[Edge]bool{}
		one := func(n *node, path string) {
			text, ok := n.value.(string)
			if n.shape != scalarShape || !ok {
				p.wrong(n, path, "the id of a step, as a text")
				return
			}
			var e Edge
			e.Step, e.Case, _ = strings.Cut(text, ".")
			switch {
			case !namePattern.MatchString(e.Step) || text != e.String() || e.Case != "" && !namePattern.MatchString(e.Case):
				p.find(RuleBadName, n.at, path, fmt.Sprintf("%q is no predecessor", text), "write `step`, or `choice.case`")
			case seen[e]:
				p.find(RuleConflict, n.at, path, fmt.Sprintf("%q is here twice", text), "remove one of the two")
			default:
				seen[e] = true
				s.After = append(s.After, e)
			}
		}
		if n.shape == scalarShape {
			p.def.positions[path+"/0"] = n.at
			one(n, path)
			return
		}
		p.list(n, path, "steps", limits.EdgesMax, one)
	}
}

func (p *parser) forEach(s *Step) func(*node, string) {
	return func(n *node, path string) {
		f := &ForEach{As: "item", Index: "index", Parallel: ParallelDefault, Max: limits.LoopItemsMax}
		s.ForEach = f
		p.object(n, path, "a loop", []field{
			{"in", p.expression(&f.In)},
			{"as", p.name(&f.As, variablePattern)},
			{"index", p.name(&f.Index, variablePattern)},
			{"parallel", p.whole(&f.Parallel, 1, limits.ParallelMax)},
			{"max", p.whole(&f.Max, 1, limits.LoopItemsMax)},
		}, "in")
		if f.As == f.Index {
			p.find(RuleConflict, p.def.At(path+"/index"), path+"/index", "item and index have the same name", "rename one")
		}
	}
}

func (p *parser) repeat(s *Step) func(*node, string) {
	return func(n *node, path string) {
		s.Repeat = &Repeat{}
		p.object(n, path, "a repetition", []field{
			{"until", p.expression(&s.Repeat.Until)},
			{"every", p.duration(&s.Repeat.Every)},
			{"max", p.whole(&s.Repeat.Max, 1, limits.RepeatsMax)},
		}, "until")
	}
}

func (p *parser) results(into *[]ResultRule) func(*node, string) {
	return func(n *node, path string) {
		p.list(n, path, "rules", limits.RulesMax, func(item *node, at string) {
			var r ResultRule
			if p.object(item, at, "a rule", []field{
				{"when", p.expression(&r.When)},
				{"is", p.choose(func(i int) { r.Is = Outcome(i) }, "done", "refused", "ongoing", "unknown")},
			}, "when", "is") {
				*into = append(*into, r)
			}
		})
	}
}

func (p *parser) retry(into **Retry) func(*node, string) {
	return func(n *node, path string) {
		r := &Retry{}
		*into = r
		p.object(n, path, "retry", []field{
			{"first", p.duration(&r.First)},
			{"max", p.duration(&r.Max)},
			{"attempts", p.whole(&r.Attempts, 1, limits.AttemptsMax)},
			{"jitter", p.share(&r.Jitter)},
		})
		if r.Max != 0 && r.First > r.Max {
			p.find(RuleConflict, p.def.At(path+"/max"), path+"/max", "max is less than first", "make max the larger one")
		}
	}
}

func (p *parser) onRefused(s *Step) func(*node, string) {
	return func(n *node, path string) {
		text := ""
		p.name(&text, namePattern)(n, path)
		switch text {
		case "":
		case RefusedCompensate.String():
			s.OnRefused = OnRefused{Action: RefusedCompensate}
		case RefusedContinue.String():
			s.OnRefused = OnRefused{Action: RefusedContinue}
		default:
			s.OnRefused = OnRefused{Action: RefusedCatch, Step: text}
		}
	}
}

func (p *parser) compensation(s *Step) func(*node, string) {
	return func(n *node, path string) {
		c := &Compensation{}
		s.Compensate = c
		if p.object(n, path, "a compensation", []field{
			{"call", func(n *node, path string) { c.Call = p.call(n, path) }},
			{"message", func(n *node, path string) { c.Message = p.message(n, path) }},
			{"worker", func(n *node, path string) { c.Worker = p.worker(n, path) }},
			{"result", p.results(&c.Result)},
			{"timeout", p.duration(&c.Timeout)},
			{"retry", p.retry(&c.Retry)},
		}) {
			p.oneOf(n, path, "a compensation", []string{"call", "message", "worker"})
		}
	}
}

// names reads a list of texts, such as roles.
func (p *parser) names(into *[]string) func(*node, string) {
	return func(n *node, path string) {
		p.list(n, path, "texts", limits.EdgesMax, func(item *node, at string) {
			var s string
			p.filled(&s, limits.TextBytesMax)(item, at)
			*into = append(*into, s)
		})
	}
}
