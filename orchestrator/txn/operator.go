package txn

// What a person may do once the outcome is decided. None of it changes the outcome.

// decided returns why an operator can do nothing about g, or nil.
func decided(g *Global, event string) error {
	switch {
	case !g.Status.Decided():
		return illegal(g, event, NotDecided)
	case g.Status.Ended():
		return illegal(g, event, AlreadyEnded)
	}
	return nil
}

func (r Rules) retry(g *Global, ev Retry, now Millis) (Effects, error) {
	if g.Saga != nil && g.Status == Active {
		return r.retrySaga(g, ev, now)
	}
	if g.pursues() {
		return r.retryPursuit(g, ev, now)
	}
	if err := decided(g, "retry"); err != nil {
		return Effects{}, err
	}
	if err := r.open(g, "retry", ev.BranchID); err != nil {
		return Effects{}, err
	}
	d := edit(g)
	d.tell(now, HistoryRetry, ev.BranchID, ev.Actor)
	if ev.BranchID == 0 {
		d.Stuck = 0
	}
	for i, b := range d.Branches {
		if ev.BranchID != 0 && b.ID != ev.BranchID {
			continue
		}
		if !b.NeedsPhaseTwo() || b.InFlight(now) && b.State != Published {
			continue
		}
		nb := d.branch(i)
		nb.NextAt, nb.InFlightUntil = now, 0
		if nb.State == Refused || nb.State == Published {
			nb.State = Registered
		}
		if r.Retry.usedUp(nb) {
			nb.Attempts, nb.Ongoing = 0, 0
		}
	}
	d.Stuck = d.stuck()
	r.drive(d, now)
	return d.done(WriteDurable), nil
}

// open returns why nothing can be done for a branch, or nil; 0 is all branches.
func (r Rules) open(g *Global, event string, id int64) error {
	if id == 0 {
		return nil
	}
	b, _ := g.Branch(id)
	switch {
	case b == nil:
		return illegal(g, event, NoSuchBranch)
	case !b.NeedsPhaseTwo():
		return illegal(g, event, BranchDone)
	}
	return nil
}

func (r Rules) skip(g *Global, ev Skip, now Millis) (Effects, error) {
	if g.Saga != nil && g.Status == Active {
		return r.skipStep(g, ev, now)
	}
	if err := decided(g, "skip"); err != nil {
		return Effects{}, err
	}
	b, i := g.Branch(ev.BranchID)
	if b == nil {
		return Effects{}, illegal(g, "skip", NoSuchBranch)
	}
	if err := r.open(g, "skip", ev.BranchID); err != nil {
		return Effects{}, err
	}
	d := edit(g)
	d.tell(now, HistorySkipped, b.ID, ev.Actor)
	if b.LockKey != "" && !b.Released {
		d.release(i)
	}
	nb := d.branch(i)
	nb.State, nb.InFlightUntil, nb.NextAt = Skipped, 0, 0
	d.Heuristic = true
	d.Stuck = d.stuck()
	d.notify(ev.Notice, ev.Actor, now)
	if !d.pending() {
		d.end(now)
		return d.done(WriteDurable), nil
	}
	r.drive(d, now)
	return d.done(WriteDurable), nil
}

func (r Rules) release(g *Global, ev Release, now Millis) (Effects, error) {
	if err := decided(g, "release"); err != nil {
		return Effects{}, err
	}
	if b, _ := g.Branch(ev.BranchID); ev.BranchID != 0 && b == nil {
		return Effects{}, illegal(g, "release", NoSuchBranch)
	}
	d := edit(g)
	for i, b := range g.Branches {
		if (ev.BranchID == 0 || b.ID == ev.BranchID) && b.LockKey != "" && !b.Released {
			d.tell(now, HistoryReleased, b.ID, ev.Actor)
			d.release(i)
		}
	}
	if len(d.eff.Release) == 0 {
		return Effects{}, illegal(g, "release", NothingLocked)
	}
	d.Heuristic = true
	d.notify(ev.Notice, ev.Actor, now)
	r.drive(d, now)
	return d.done(WriteDurable), nil
}

// notify joins the message that tells consumers.
func (d *draft) notify(n Notice, actor string, now Millis) {
	if n.Topic == "" {
		return
	}
	d.join(&Branch{
		ID: n.BranchID, Kind: Topic, State: Registered, Ack: AckBroker, Resource: n.Topic, Client: actor, Data: n.Data,
		RegisteredAt: now,
	})
}
