package statelang

import "maps"

// fork plays the branches of a Fork or Parallel one after the other, and then goes where they lead: to the
// CompensationTrigger of one of them, to where a branch leads out, to the Join or to the Parallel's Next.
func (p *player) fork(s *State) string {
	base, after, outer := p.context, maps.Clone(p.context), p.inside
	var results []any
	out, joined, broke, why, statuses := "", "", (*Exception)(nil), "", p.statuses
	for _, b := range s.Branches {
		if s.Bound == 1 && (out != "" || why != "") {
			break
		}
		p.context, p.inside, p.last, p.leads = maps.Clone(base), s, nil, ""
		p.path(b.Name)
		if p.breaks != "" && why == "" {
			why, broke = p.breaks, p.exception
		}
		p.breaks, p.statuses = "", statuses
		to := p.machine.State(p.leads)
		switch {
		case to == nil:
		case to.Type == Join:
			joined = to.Next.Name
		case out == "" || to.Type == CompensationTrigger:
			out = to.Name
		}
		results = append(results, p.last)
		maps.Copy(after, p.context)
	}
	p.context, p.inside, p.leads = after, outer, ""
	if to := p.machine.State(out); why != "" && (to == nil || to.Type != CompensationTrigger) {
		p.breakOff(why, broke)
		return ""
	}
	output, err := EvalOutput(s, results, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	maps.Copy(p.context, output)
	switch {
	case out != "":
		return out
	case s.Type == Parallel:
		return s.Next.Name
	}
	return joined
}

// leaves ends a branch if the state is one to which the machine goes when all branches have ended.
func (p *player) leaves(s *State) bool {
	if p.inside == nil || s.Type != Join && s.Type != CompensationTrigger && s.Type != Fail {
		return false
	}
	p.leads = s.Name
	return true
}

// routed is where a caught exception leads: out of the branch of a Parallel.
func (p *player) routed(next string) string {
	if p.inside == nil || p.inside.Type != Parallel {
		return next
	}
	p.leads = next
	return ""
}
