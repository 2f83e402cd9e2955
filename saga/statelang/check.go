package statelang

import (
	"fmt"
	"slices"
	"strings"
)

// Check says what is wrong with a definition: everything for which Seata refuses it, and what Seata finds only when it
// runs, or never. Known returns the state machine of a name, as sub state machines call them; nil leaves that out.
func Check(d *Document, known func(name string) *Machine) Report {
	c := &checker{machine: d.Machine, known: known, found: slices.Clone(d.shape)}
	if slices.ContainsFunc(d.shape, func(f Finding) bool { return f.Rule == RuleTooLarge }) {
		return Report{Findings: c.found} // nothing else can be said
	}
	c.reached = d.Machine.reachable()
	c.compensates = map[string]*State{}
	for _, s := range d.Machine.States {
		if s.CompensateState.Name != "" && c.compensates[s.CompensateState.Name] == nil {
			c.compensates[s.CompensateState.Name] = s
		}
		c.triggers = c.triggers || s.Type == CompensationTrigger && c.reached[s]
	}
	c.whole()
	c.cycles()
	for _, s := range d.Machine.States {
		c.state = s
		c.one(s)
	}
	c.state = nil
	sortFindings(c.found)
	return Report{Findings: slices.Compact(c.found)}
}

type checker struct {
	machine     *Machine
	known       func(name string) *Machine
	reached     map[*State]bool
	compensates map[string]*State // by the name of the compensation, one that names it
	triggers    bool              // a CompensationTrigger can be reached
	state       *State
	found       []Finding
}

func (c *checker) find(rule Rule, at Position, format string, args ...any) *Finding {
	name := ""
	if c.state != nil {
		name = c.state.Name
	}
	c.found = append(c.found, newFinding(rule, at, name, fmt.Sprintf(format, args...)))
	return &c.found[len(c.found)-1]
}

// whole checks what concerns the machine.
func (c *checker) whole() {
	m := c.machine
	if strings.TrimSpace(m.Name) == "" {
		f := c.find(RuleName, m.at, "the machine has no name")
		if m.Name == "" && slices.ContainsFunc(m.States, func(s *State) bool { return s.Type == SubStateMachine }) {
			f.Upstream = upstreamNoRecursed // it compares the name
		}
	}
	start := m.State(m.StartState)
	switch {
	case m.StartState == "":
		c.find(RuleStart, m.at, "StartState is missing").Upstream = upstreamFinite
	case start == nil:
		c.find(RuleStart, m.startAt, "there is no state %q to start with", m.StartState).Upstream = upstreamFinite
	case start.ForCompensation:
		c.find(RuleStartCompensation, m.startAt, "the machine starts with the compensation %q", m.StartState)
	}
	c.keys(m.Node, machineKeys)
	c.persistence(m.Node)
	for _, s := range m.States {
		c.state = s
		if s.Type == SubStateMachine && s.StateMachineName == m.Name && m.Name != "" {
			c.find(RuleSubMachineSelf, s.At, "the machine calls itself").Upstream = upstreamNoRecursed
		}
	}
	c.state = nil
	c.recursion()
	if !c.triggers {
		return
	}
	for s := range c.reached {
		if s.Type == SubStateMachine || s.CompensateState.Name != "" {
			return
		}
	}
	for _, s := range m.States {
		if s.Type == CompensationTrigger && c.reached[s] {
			c.state = s
			c.find(RuleNothingToCompensate, s.At, "compensation is triggered, but no task has a compensation")
		}
	}
	c.state = nil
}

// recursion finds calls of sub state machines that come back to the machine.
func (c *checker) recursion() {
	if c.known == nil || c.machine.Name == "" {
		return
	}
	seen := map[string]bool{c.machine.Name: true}
	var leads func(name string) bool
	leads = func(name string) bool {
		if name == c.machine.Name {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		called := c.known(name)
		return called != nil && slices.ContainsFunc(called.States, func(s *State) bool {
			return s.Type == SubStateMachine && leads(s.StateMachineName)
		})
	}
	for _, s := range c.machine.States {
		if s.Type == SubStateMachine && s.StateMachineName != c.machine.Name && leads(s.StateMachineName) {
			c.state = s
			c.find(RuleSubMachineCycle, s.At, "the state machine %q calls this one again", s.StateMachineName)
		}
	}
	c.state = nil
}

// cycles finds cycles without a way out.
func (c *checker) cycles() {
	for _, part := range c.machine.components(c.reached) {
		if !part.cyclic {
			continue
		}
		first := part.states[0]
		c.state = first
		single := len(part.states) == 1
		// Seata goes over a start that leads to itself, and fails on every other state that does.
		crashes := slices.ContainsFunc(part.states, func(s *State) bool {
			return s.Name != c.machine.StartState && slices.ContainsFunc(follows(s),
				func(t Target) bool { return t.Name == s.Name })
		})
		if !part.exit {
			f := c.find(RuleCycle, first.At, "%s can't be left: the machine would never end", namesIn(part.states))
			if crashes || !single {
				f.Upstream = upstreamFinite
			}
			continue
		}
		if crashes {
			c.find(RuleSelfLoop, first.At, "a state leads to itself").Upstream = upstreamFinite
		}
	}
	c.state = nil
}

func namesIn(states []*State) string {
	var names []string
	for _, s := range states {
		names = append(names, fmt.Sprintf("%q", s.Name))
	}
	if len(names) > 8 {
		names = append(names[:8], "...")
	}
	return "the cycle of " + strings.Join(names, ", ")
}

// one checks a state.
func (c *checker) one(s *State) {
	c.keys(s.Node, stateKeys(s.Type))
	c.ways(s)
	if s.Type.IsTask() {
		c.persistence(s.Node)
		c.task(s)
	}
	switch s.Type {
	case ServiceTask:
		c.service(s)
	case ScriptTask:
		if strings.TrimSpace(s.ScriptContent) == "" {
			c.find(RuleScript, s.At, "the script is empty")
		}
	case SubStateMachine:
		c.subMachine(s)
	case Choice:
		c.choice(s)
	case Fail:
		if s.ErrorCode == "" || s.Message == "" {
			c.find(RuleFailIncomplete, s.At, "the Fail state has no ErrorCode or no Message")
		}
	case Parallel, Fork, Join:
		c.extension(s)
	}
}

// persistence finds what is not to be written down, which Concord does nevertheless: it goes on by its record alone.
func (c *checker) persistence(owner *Node) {
	if n := owner.Get("IsPersist"); n != nil && n.Kind == BoolNode && n.Text == "false" {
		c.find(RulePersist, n.At, "IsPersist is ignored; each call is in the record of the run, with its input and result")
	}
}

// ways checks what comes after a state, and whether it is come to.
func (c *checker) ways(s *State) {
	for _, t := range follows(s) {
		to := c.machine.State(t.Name)
		switch {
		case to == nil:
			f := c.find(RuleNextUnknown, t.At, "there is no state %q to go to", t.Name)
			if s.Type != Parallel && s.Type != Fork || t == s.Next {
				f.Upstream = upstreamNames
			}
		case to.ForCompensation && !s.ForCompensation:
			c.find(RuleNextCompensation, t.At, "%q is a compensation, and is gone to as if it were not", t.Name)
		}
	}
	end := s.Type == Succeed || s.Type == Fail
	if end && s.Next.Name != "" {
		c.find(RuleEndNext, s.Next.At, "nothing comes after %s", s.Type)
	}
	if !end && s.Type != Choice && s.Next.Name == "" && !s.ForCompensation && c.reached[s] {
		c.find(RuleNextNone, s.At, "the machine ends after this state, because it has no Next")
	}
	user := c.compensates[s.Name]
	switch {
	case c.reached[s]:
	case s.ForCompensation && user == nil:
		c.find(RuleCompensationUnused, s.At, "the compensation is of no state")
	case user == nil:
		c.find(RuleUnreachable, s.At, "nothing leads to this state")
	case !c.reached[user]:
		c.find(RuleUnreachable, s.At, "the compensation is of %q, to which nothing leads", user.Name)
	}
	if s.ForCompensation && user != nil && s.Next.Name != "" && !c.reached[s] {
		c.find(RuleCompensationNext, s.Next.At, "the compensation has a Next")
	}
}

func (c *checker) service(s *State) {
	if strings.TrimSpace(s.ServiceName) == "" || strings.TrimSpace(s.ServiceMethod) == "" {
		c.find(RuleTarget, s.At, "ServiceName or ServiceMethod is missing")
	}
	if n := len(s.ParameterTypes); n > 0 && n < len(s.Input) {
		c.find(RuleParameterTypes, s.At, "there are %d inputs and %d parameter types", len(s.Input), n)
	}
	if s.Async && len(s.Status) > 0 {
		c.find(RuleAsync, s.Status[0].At, "Status is skipped for an asynchronous service")
	}
	if s.Async && len(s.Output) > 0 {
		c.find(RuleAsync, s.Output[0].Value.At, "an asynchronous service has no result to assign")
	}
	if s.ForUpdate && s.CompensateState.Name == "" && !s.ForCompensation && c.reached[s] {
		f := c.find(RuleCompensationMissing, s.At,
			"the service changes something (IsForUpdate), and has no CompensateState: the whole compensation would be refused")
		if !c.triggers {
			f.Severity = Warning // only a compensation from outside comes here
		}
	}
}

func (c *checker) subMachine(s *State) {
	switch {
	case strings.TrimSpace(s.StateMachineName) == "":
		c.find(RuleSubMachine, s.At, "StateMachineName is missing")
	case c.known != nil && s.StateMachineName != c.machine.Name && c.known(s.StateMachineName) == nil:
		at := s.At
		if n := s.Node.Get("StateMachineName"); n != nil {
			at = n.At
		}
		c.find(RuleSubMachineUnknown, at, "there is no state machine %q", s.StateMachineName)
	}
}

func (c *checker) choice(s *State) {
	if len(s.Choices) == 0 {
		c.find(RuleChoiceEmpty, s.At, "the Choice has no choices")
	}
	always := false
	for _, option := range s.Choices {
		if option.Expression == nil || option.Next.Name == "" {
			c.find(RuleChoiceOption, option.At, "the choice has no Expression or no Next")
		}
		c.condition(option.Expression, inContext)
		always = always || option.Expression.always()
	}
	if s.Default.Name == "" && !always {
		c.find(RuleChoiceDefault, s.At,
			"the Choice has no Default; with no match the machine ends by StateMachineNoChoiceMatched")
	}
}

// always reports whether the expression is constantly true.
func (e *Expression) always() bool {
	if e == nil || e.spel == nil {
		return false
	}
	value, constant := e.spel.Constant()
	return constant && value == true
}

// extension checks Parallel, Fork and Join.
func (c *checker) extension(s *State) {
	c.find(RuleExtension, s.At, "%s is of an unreleased branch of Seata", s.Type).Upstream = upstreamParser
	for _, f := range s.Node.Fields {
		if slices.Contains(meaningless(s.Type), f.Key) {
			c.find(RuleBranchesIgnored, f.At, "%s means nothing in a %s, neither in Seata nor here", f.Key, s.Type)
		}
	}
	for _, a := range s.Output {
		c.value(a.Value, inResult)
	}
	if s.Type == Join {
		return
	}
	seen := map[string]bool{}
	for _, b := range s.Branches {
		if seen[b.Name] {
			c.find(RuleBranches, b.At, "the branch %q is there twice", b.Name)
		}
		seen[b.Name] = true
	}
	if len(s.Branches) == 0 {
		c.find(RuleBranches, s.At, "there are no Branches")
	}
	if s.Bound < 0 || s.AwaitMillis < 0 {
		c.find(RuleBranches, s.At, "Parallel and AwaitTimeout can't be negative")
	}
	if s.Type == Fork {
		c.joined(s)
	}
}

// joined checks that some Join is come to from each branch.
func (c *checker) joined(s *State) {
	for _, b := range s.Branches {
		start := c.machine.State(b.Name)
		if start == nil {
			continue
		}
		from := Machine{byName: c.machine.byName, StartState: b.Name}
		found := false
		for to := range from.reachable() {
			found = found || to.Type == Join
		}
		if !found {
			c.find(RuleJoin, b.At, "the branch %q comes to no Join", b.Name)
		}
	}
}
