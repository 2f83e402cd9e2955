package validate

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
)

// edges checks what after and onRefused name, and that no steps wait for each other.
func (c *checker) edges() {
	caught := map[string]string{}
	for i, s := range c.def.Steps {
		for n, e := range s.After {
			c.edge(stepPath(i, "after", strconv.Itoa(n)), s, e)
		}
		if s.OnRefused.Action != definition.RefusedCatch {
			continue
		}
		path, target := stepPath(i, "onRefused"), s.OnRefused.Step
		if _, ok := c.graph.index[target]; !ok {
			c.find(RuleUnknownStep, path, meant(target, append(c.ids(), "compensate", "continue"),
				"write compensate, continue, or the id of a step"), "there is no step %q", target)
		}
		caught[target] = s.ID
	}
	for i, s := range c.def.Steps {
		if by := caught[s.ID]; by != "" && s.After != nil {
			c.find(RuleCatchAfter, stepPath(i, "after"), "remove after; the refused steps are its predecessors",
				"a refusal of %q leads to %q, which has predecessors of its own", by, s.ID)
		}
	}
	c.cycles()
}

func (c *checker) edge(path string, s *definition.Step, e definition.Edge) {
	from, ok := c.graph.index[e.Step]
	if !ok {
		c.find(RuleUnknownStep, path, meant(e.Step, c.ids(), "name one of the steps"), "there is no step %q", e.Step)
		return
	}
	if e.Case == "" {
		return
	}
	choice := c.def.Steps[from].Choice
	if choice == nil {
		c.find(RuleUnknownCase, path, "write `"+e.Step+"` alone", "%q is no choice and has no cases", e.Step)
		return
	}
	if cases := caseNames(choice); !slices.Contains(cases, e.Case) {
		c.find(RuleUnknownCase, path, meant(e.Case, cases, "it has "+strings.Join(cases, ", ")),
			"the choice %q has no case %q", e.Step, e.Case)
	}
}

func caseNames(choice *definition.Choice) []string {
	var out []string
	for _, one := range choice.Cases {
		out = append(out, one.Name)
	}
	if choice.Else != "" {
		out = append(out, choice.Else)
	}
	return out
}

// cycles reports one finding for each group of steps that wait for each other.
func (c *checker) cycles() {
	left := map[int]bool{}
	for i := range c.def.Steps {
		left[i] = true
	}
	for _, i := range c.graph.order {
		delete(left, i)
	}
	for i := range c.def.Steps {
		if !left[i] {
			continue
		}
		// Going back from a step that is left always leads into a cycle.
		var path []int
		for at := i; left[at]; {
			if begin := slices.Index(path, at); begin >= 0 {
				c.cycle(path[begin:])
				break
			}
			path = append(path, at)
			next := -1
			for _, e := range c.graph.before[at] {
				if from := c.graph.index[e.Step]; left[from] {
					next = from
					break
				}
			}
			if next < 0 {
				break
			}
			at = next
		}
		for _, at := range path {
			delete(left, at)
		}
	}
}

func (c *checker) cycle(steps []int) {
	names := make([]string, 0, len(steps)+1)
	for n := len(steps) - 1; n >= 0; n-- {
		names = append(names, c.def.Steps[steps[n]].ID)
	}
	if len(names) > 10 {
		names = append(names[:10], "...")
	}
	first := slices.Min(steps)
	path := stepPath(first, "after")
	if len(c.def.Steps[first].After) == 0 {
		path = stepPath(first)
	}
	c.find(RuleCycle, path, "remove one of the edges", "steps wait for each other: %s, and again %s",
		strings.Join(names, ", "), names[0])
}

// steps checks each step by itself, and which can be reached.
func (c *checker) steps() {
	used := map[definition.Edge]bool{}
	for _, edges := range c.graph.before {
		for _, e := range edges {
			used[e] = true
		}
	}
	for i, s := range c.def.Steps {
		c.useless(i, s)
		c.loops(i, s)
		if s.Choice != nil {
			c.choice(i, s, used)
		}
		for n, r := range s.Result {
			path := stepPath(i, "result", strconv.Itoa(n), "when")
			if v, constant := c.constant[path]; constant && (!v || n+1 < len(s.Result)) {
				c.find(RuleConstant, path, "remove the rule, or put it last", "the condition is always %t", v)
			}
			_ = r
		}
		c.compensated(i, s)
	}
	c.unreachable()
}

func (c *checker) choice(i int, s *definition.Step, used map[definition.Edge]bool) {
	always := false
	for n, one := range s.Choice.Cases {
		path := stepPath(i, "choice", "cases", strconv.Itoa(n), "when")
		if v, constant := c.constant[path]; constant {
			c.find(RuleConstant, path, "remove the case, or make it the else", "the condition is always %t", v)
			always = always || v
		}
		if !used[definition.Edge{Step: s.ID, Case: one.Name}] {
			c.find(RuleUnusedCase, stepPath(i, "choice", "cases", strconv.Itoa(n), "case"),
				fmt.Sprintf("write `after: %s.%s` at the step that comes then, or use else", s.ID, one.Name),
				"nothing comes after the case %q", one.Name)
		}
	}
	if s.Choice.Else == "" && !always && s.OnRefused.Action != definition.RefusedCatch {
		c.find(RuleNoExit, stepPath(i, "choice"), "add `else:` with the name of a case",
			"if no case fits, the step is refused and the saga is compensated")
	}
}

// loops checks forEach and repeat.
func (c *checker) loops(i int, s *definition.Step) {
	if s.Choice != nil && (s.ForEach != nil || s.Repeat != nil) {
		c.find(RuleLoopKind, stepPath(i, "choice"), "put the loop into a sub-saga that begins with the choice",
			"a choice cannot be a loop or be repeated")
	}
	if f := s.ForEach; f != nil {
		taken := []string{"input", "steps", "saga", "status", "headers", "body", "output", "attempt"}
		for key, name := range map[string]string{"as": f.As, "index": f.Index} {
			if slices.Contains(taken, name) {
				c.find(RuleTakenName, stepPath(i, "forEach", key), "choose another name", "%q is a variable already", name)
			}
		}
	}
	if r := s.Repeat; r != nil {
		path := stepPath(i, "repeat")
		switch v, constant := c.constant[path+"/until"]; {
		case constant && v:
			c.find(RuleConstant, path+"/until", "remove repeat", "the condition is always true, so nothing is repeated")
		case constant:
			c.find(RuleConstant, path+"/until", "look at the answer: body, status", "the condition is never true")
		}
		if r.Max == 0 && !c.ends() {
			c.find(RuleNoExit, path, "add `max:`, or a deadline that compensates", "the repetition may never end")
		}
	}
}

// useless reports keys that mean nothing on a step of its kind.
func (c *checker) useless(i int, s *definition.Step) {
	asks := s.Kind == definition.KindCall || s.Kind == definition.KindMessage || s.Kind == definition.KindWorker
	waits := s.Kind == definition.KindSignal || s.Kind == definition.KindApproval
	sub := s.Kind == definition.KindSubSaga
	for _, one := range []struct {
		key     string
		present bool
		useful  bool
	}{
		{"result", s.Result != nil, asks},
		{"retry", s.Retry != nil, asks},
		{"repeat", s.Repeat != nil && s.Kind != definition.KindChoice, asks},
		{"timeout", s.Timeout != 0, asks || waits},
		{"compensate", s.Compensate != nil, asks && !s.ReadOnly},
		{"pivot", s.Pivot, asks || waits},
		{"output", s.Output != nil, asks || waits || sub},
		{"onRefused", s.OnRefused.Action == definition.RefusedCatch || s.OnRefused.Action == definition.RefusedContinue,
			canBeRefused(s) && !sub},
	} {
		if !one.present || one.useful || s.Kind == 0 {
			continue
		}
		text := "%q has no effect on a step of kind " + s.Kind.String()
		if one.key == "compensate" && s.ReadOnly {
			text = "%q has no effect, as the step is readOnly"
		}
		advice := "remove it"
		if sub {
			advice = "write it at the steps of the sub-saga"
		}
		c.find(RuleUseless, stepPath(i, one.key), advice, text, one.key)
	}
}

// compensated checks that what changes something can be undone where the saga may still turn back.
func (c *checker) compensated(i int, s *definition.Step) {
	if !changes(s) || s.Compensate != nil || s.Pivot || c.graph.passed[i] {
		return
	}
	c.find(RuleNoCompensation, stepPath(i), "add compensate; or readOnly: true, if there is nothing to "+
		"undo; or pivot: true, if there is no way back from here", "%q changes something and cannot be undone", s.ID)
}

// unreachable reports the steps that no run reaches, but not those behind them.
func (c *checker) unreachable() {
	dead := make([]bool, len(c.def.Steps))
	for _, i := range c.graph.order {
		s := c.def.Steps[i]
		why, inherited := "", len(c.graph.before[i]) > 0
		for _, e := range c.graph.before[i] {
			from := c.graph.index[e.Step]
			if dead[from] {
				continue
			}
			reason := c.never(e, from)
			if reason == "" {
				why, inherited = "", false
				break
			}
			why, inherited = reason, false
		}
		if v, constant := c.constant[stepPath(i, "when")]; constant && !v {
			why = "its condition is always false"
		} else if constant {
			c.find(RuleConstant, stepPath(i, "when"), "remove when", "the condition is always true")
		}
		dead[i] = why != "" || inherited
		if why != "" {
			c.find(RuleUnreachable, stepPath(i), "remove the step, or change what leads to it",
				"%q is never reached: %s", s.ID, why)
		}
	}
}

// never says why an edge is never taken, or "".
func (c *checker) never(e definition.Edge, from int) string {
	s := c.def.Steps[from]
	if e.Refused && !canBeRefused(s) {
		return fmt.Sprintf("%q is never refused", s.ID)
	}
	if e.Case == "" || s.Choice == nil || !slices.Contains(caseNames(s.Choice), e.Case) {
		return ""
	}
	var when definition.Expr
	for _, one := range s.Choice.Cases {
		if one.Name == e.Case {
			when = one.When
		}
	}
	for n, one := range s.Choice.Cases {
		v, constant := c.constant[stepPath(from, "choice", "cases", strconv.Itoa(n), "when")]
		switch {
		case one.Name != e.Case && one.When == when:
			return fmt.Sprintf("the case %q before %q has the same condition", one.Name, e.Case)
		case one.Name == e.Case && constant && !v:
			return fmt.Sprintf("the case %q never fits", e.Case)
		case one.Name == e.Case:
			return ""
		case constant && v:
			return fmt.Sprintf("the case %q before %q always fits", one.Name, e.Case)
		}
	}
	return ""
}

// targets checks what is called: URLs and headers.
func (c *checker) targets() {
	for i, s := range c.def.Steps {
		c.call(stepPath(i, "call"), s.Call)
		c.message(stepPath(i, "message"), s.Message)
		if s.Compensate != nil {
			c.call(stepPath(i, "compensate", "call"), s.Compensate.Call)
			c.message(stepPath(i, "compensate", "message"), s.Compensate.Message)
		}
	}
}

func (c *checker) message(path string, m *definition.Message) {
	if m == nil {
		return
	}
	for name := range m.Headers {
		if strings.HasPrefix(name, "concord") || slices.Contains(brokerNames(), name) {
			c.find(RuleReservedHeader, path+"/headers/"+name, "choose another header", "the server sets %s itself", name)
		}
	}
	for key, topic := range map[string]string{"topic": m.Topic, "reply": m.Reply} {
		if key == "reply" && m.Reply != "" && m.Reply == m.Topic {
			c.find(definition.RuleConflict, path+"/reply", "have it answered on another topic",
				"the message itself would be read as its reply")
		}
		if topic == "" || c.options.Topic == nil {
			continue
		}
		if err := c.options.Topic(topic); err != nil {
			c.find(RuleBadTopic, path+"/"+key, "choose another topic", "%v", err)
		}
	}
}

// brokerNames are headers that a broker takes for its own.
func brokerNames() []string {
	return []string{
		"KEYS", "TAGS", "DELAY", "WAIT", "UNIQ_KEY", "TRAN_MSG", "PGROUP", "REAL_TOPIC", "REAL_QID", "RETRY_TOPIC",
		"MSG_TYPE", "TIMER_DELIVER_MS", "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DEL_UNIQKEY", "__transactionId__",
		"CHECK_IMMUNITY_TIME_IN_SECONDS", "traceparent", "content-type",
	}
}

// reserved are the headers that the server or the connection sets.
func reserved(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "concord-") || slices.Contains([]string{"host", "content-length", "connection",
		"transfer-encoding", "upgrade", "te", "trailer", "keep-alive", "proxy-connection", "proxy-authorization", "cookie",
		"expect", "user-agent", "idempotency-key", "traceparent", "tracestate"}, name)
}

func (c *checker) headers(path string, headers map[string]definition.Value) {
	for name := range headers {
		if reserved(name) {
			c.find(RuleReservedHeader, path+"/headers/"+name, "choose another header", "the server sets %s itself", name)
		}
	}
}

func (c *checker) call(path string, call *definition.Call) {
	if call == nil {
		return
	}
	c.headers(path, call.Headers)
	if call.Method == "GET" && call.Body != nil {
		c.find(RuleUseless, path+"/body", "use POST, or put it into the query", "a GET has no body")
	}
	text, computed := "", false
	switch call.URL.Kind {
	case definition.ValueLiteral:
		text, _ = call.URL.Literal.(string)
	case definition.ValueTemplate:
		text = call.URL.Parts[0].Text
		computed = strings.Count(text, "/") < 3 // the host is not written out
	case definition.ValueExpression:
		computed = true
	default:
		return // missing, which Parse has found
	}
	path += "/url"
	whole := call.URL.Kind == definition.ValueExpression
	if computed && (whole || strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")) {
		c.find(RuleDynamicTarget, path, "write scheme and host out, and compute only what follows",
			"what is called depends on data")
		return
	}
	u, err := url.Parse(text)
	const advice = "write it like https://stock.example/reserve"
	switch {
	case err != nil:
		c.find(RuleBadURL, path, advice, "this is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		c.find(RuleBadURL, path, advice, "a URL begins with http:// or https://")
	case u.Host == "" || u.User != nil || u.Fragment != "":
		c.find(RuleBadURL, path, advice, "a URL has a host, and neither credentials nor a fragment")
	case c.options.Target != nil:
		if err := c.options.Target(u.Scheme + "://" + u.Host + "/"); err != nil {
			c.find(RuleClosedTarget, path, "correct the host, or have the server call it", "%v", err)
		}
	}
}
