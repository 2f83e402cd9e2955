package txn

// Turns returns for each branch of a decided transaction the id of the branch that has to be done, or at least asked,
// before it is its turn; 0 for those whose turn it is and those that need no phase two. The order is that of the
// commands.
func (g *Global) Turns() []int64 {
	turns := make([]int64, len(g.Branches))
	gate := gate{undo: -1}
	if g.Saga != nil {
		gate.undo = g.undoing()
	}
	closer, undoing := int64(0), map[string]int64{}
	for k := range g.Branches {
		i := k
		if g.Status == RollingBack {
			i = len(g.Branches) - 1 - k
		}
		b := g.Branches[i]
		if !b.NeedsPhaseTwo() {
			continue
		}
		open := gate.pass(g.Status, i, b)
		switch {
		case !open && b.Step != nil:
			turns[i] = g.Branches[gate.undo].ID
		case !open && b.Kind == AT:
			turns[i] = undoing[b.Resource]
		case !open:
			turns[i] = closer
		case b.Kind == AT:
			undoing[b.Resource] = b.ID
		case gate.closed && closer == 0:
			closer = b.ID
		}
	}
	return turns
}
