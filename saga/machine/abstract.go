package machine

import (
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/statelang"
)

// Oracle answers what depends on data where only the structure of a machine is looked at. The same question has to get
// the same answer within a run.
type Oracle interface {
	// Choose returns a number below n.
	Choose(what string, n int) int
}

// What an oracle is asked begins with one of these.
const (
	choiceOf = "choice of "
	itemsOf  = "items of "
)

// abstractItems is the largest list of a loop there.
const abstractItems = 2

// Abstract returns a planner of the same machine that evaluates nothing and asks an oracle instead: which way a choice
// goes, how many items a list has. What a service returns is then the status itself.
func (p *Program) Abstract(o Oracle) *Program { return p.abstract(o, map[*Program]*Program{}) }

// abstract is Abstract for a machine and those that it calls, each once.
func (p *Program) abstract(o Oracle, made map[*Program]*Program) *Program {
	if own := made[p]; own != nil {
		return own
	}
	own := *p
	own.oracle, own.subs = o, make(map[string]*Program, len(p.subs))
	made[p] = &own
	for name, sub := range p.subs {
		own.subs[name] = sub.abstract(o, made)
	}
	return &own
}

// noMatch is what a service returns there if none of the rules shall be true.
const noMatch = "no match"

// statusOf decides the status of a task.
func (f *frame) statusOf(s *statelang.State, o statelang.Outcome) (statelang.Decided, error) {
	if f.oracle == nil || o.Exception != nil || o.Child != 0 || len(s.Status) == 0 || s.Async {
		return statelang.StatusOf(s, o)
	}
	text, _ := o.Result.(string)
	if status, err := statelang.ParseStatus(text); err == nil {
		return statelang.Decided{Status: status}, nil
	}
	bare := *s
	bare.Status = nil
	d, _ := statelang.StatusOf(&bare, statelang.Outcome{Exception: engine("")})
	return statelang.Decided{Status: d.Status, NoMatch: true}, nil
}

// retries are those of a state; there one of each entry is enough.
func (f *frame) retries(s *statelang.State) []statelang.Retry {
	if f.oracle == nil {
		return s.Retry
	}
	out := slices.Clone(s.Retry)
	for n := range out {
		out[n].MaxAttempts = min(out[n].MaxAttempts, 1)
	}
	return out
}

// returns lists what the service of a state can return there: the statuses of its rules, what is well first, and
// noMatch if it can be that none of them is true.
func returns(s *statelang.State) []string {
	if len(s.Status) == 0 || s.Async {
		return []string{"SU"}
	}
	var out []string
	always := false
	for _, r := range s.Status {
		if r.Expression.Kind == statelang.ExceptionMatch || always {
			continue
		}
		if !slices.Contains(out, r.Status) {
			out = append(out, r.Status)
		}
		always = r.Expression.Content == "true"
	}
	if !always {
		out = append(out, noMatch)
	}
	slices.SortStableFunc(out, func(a, b string) int { return strings.Compare(badness(a), badness(b)) })
	return out
}

// badness has a status that is well come before all others.
func badness(status string) string {
	if status == "SU" {
		return ""
	}
	return "not"
}

// throws lists the classes of exceptions that the service of a state can throw, as far as the machine tells them apart:
// those that it names, one that nobody names, and those of the network.
func throws(s *statelang.State) []string {
	var out []string
	add := func(classes ...string) {
		for _, class := range classes {
			if class != "java.lang.Throwable" && class != "java.lang.Exception" && !slices.Contains(out, class) {
				out = append(out, class)
			}
		}
	}
	for _, r := range s.Retry {
		add(r.Exceptions...)
	}
	for _, c := range s.Catch {
		add(c.Exceptions...)
	}
	for _, r := range s.Status {
		if r.Expression.Kind == statelang.ExceptionMatch {
			add(r.Expression.Content)
		}
	}
	add("java.lang.RuntimeException", classConnect, classTimeout)
	return out
}
