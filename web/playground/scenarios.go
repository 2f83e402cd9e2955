package playground

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Scenario is something that can be started.
type Scenario struct {
	// Name is what it is called by; the console has its title and what it shows in both languages under that name.
	Name string `json:"name"`
	// Kind is what it starts: transaction, saga, locks, events, or mixed.
	Kind string `json:"kind"`
	// Title and Description are for people who have no console.
	Title       string `json:"title"`
	Description string `json:"description"`
	// Failures are what can go wrong on request.
	Failures []string `json:"failures"`
	// Count, Rate and Seconds are what holds if nothing is said. CountMax is 1 if it cannot be done several times.
	Count    int `json:"count"`
	CountMax int `json:"countMax"`
	Rate     int `json:"rate"`
	Seconds  int `json:"seconds"`
	// Timed says that Seconds are how long it goes on; otherwise they are how slow the slow ones are.
	Timed bool `json:"timed"`

	do func(ctx context.Context, p *Playground, r *run) error
	// seata says that it needs the address for Seata clients.
	seata bool
}

// failures of those that call participants.
func allFailures() []string { return []string{None, Refuse, Unknown, Slow, Timeout, Crash, Stuck} }

// scenarios is the table of what can be started.
func scenarios() []*Scenario {
	all := []*Scenario{
		{
			Name: "everything", Kind: "mixed", Title: "Everything", Timed: true, Count: 0, Rate: 3, Seconds: 60,
			Description: "One of each, with failures, and a minute of mixed load: every page of the console gets alive.",
			Failures:    []string{None}, do: everything,
		},
		{
			Name: "load", Kind: "mixed", Title: "A steady stream", Timed: true, Rate: 10, Seconds: 60, Count: 0,
			CountMax: CountMax * RateMax, Failures: []string{None}, do: load,
			Description: "Transactions and sagas of all kinds at a rate; of a hundred a few go wrong.",
		},
		{
			Name: "tcc", Kind: "transaction", Title: "An order with two branches", do: each((*Playground).tcc),
			Description: "Stock and payment are tried, then both confirmed or both cancelled.", Failures: allFailures(),
		},
		{
			Name: "message", Kind: "transaction", Title: "A two-phase message", do: each((*Playground).message),
			Description: "A message is prepared, the sender does its own work, and it is delivered or withdrawn.",
			Failures:    []string{None, Refuse, Unknown, Slow, Timeout, Crash},
		},
		{
			Name: "stuck", Kind: "transaction", Title: "Stuck transactions", Count: 3, do: each((*Playground).stuck),
			Description: "A participant refuses its part for good: a person has to see to it.", Failures: []string{Stuck},
		},
	}
	for _, s := range sagas() {
		all = append(all, &Scenario{
			Name: s.scenario, Kind: "saga", Title: s.title, Description: s.description, Failures: s.failures,
			do: each(func(p *Playground, ctx context.Context, r *run, i int) error {
				return p.saga(ctx, r, s, r.wish.Failure)
			}),
		})
	}
	all = append(all,
		&Scenario{
			Name: "locks", Kind: "locks", Title: "Row locks that are waited for", Timed: true, Seconds: 30, CountMax: 1,
			Description: "Two applications of Seata lock the same rows: one holds, others wait; a cycle is refused at once.",
			Failures:    []string{None}, do: locks, seata: true, Count: 1,
		},
		&Scenario{
			Name: "deadletters", Kind: "events", Title: "Dead letters", Count: 3, CountMax: 20, Failures: []string{None},
			Description: "A consumer cannot handle its events, until they are put aside as dead letters.", do: deadLetters,
		},
	)
	for _, s := range all {
		s.CountMax = max(s.CountMax, 0)
		if s.CountMax == 0 && !s.Timed {
			s.CountMax = CountMax
		}
		if s.Count == 0 && !s.Timed {
			s.Count = 1
		}
		if s.Rate == 0 {
			s.Rate = 10
		}
		if s.Seconds == 0 {
			s.Seconds = 2
		}
	}
	return all
}

// Scenarios lists what can be started here.
func (p *Playground) Scenarios() []*Scenario {
	return slices.DeleteFunc(scenarios(), func(s *Scenario) bool { return s.seata && p.o.Seata == "" })
}

func (p *Playground) scenario(name string) *Scenario {
	for _, s := range p.Scenarios() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// check fills in what a wish leaves open, and refuses what the scenario does not take.
func (s *Scenario) check(w *Wish) error {
	if w.Failure == "" {
		w.Failure = s.Failures[0]
	}
	for _, n := range []struct {
		name        string
		value       *int
		usual, most int
	}{
		{"count", &w.Count, s.Count, s.CountMax},
		{"rate", &w.Rate, s.Rate, RateMax},
		{"seconds", &w.Seconds, s.Seconds, int(TimeMax.Seconds())},
	} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 0 || *n.value > n.most {
			return fmt.Errorf("%w: %s is a number from 1 to %d", ErrOptions, n.name, n.most)
		}
	}
	if !slices.Contains(s.Failures, w.Failure) {
		return fmt.Errorf("%w: failure is one of %v, not %.80q", ErrOptions, s.Failures, w.Failure)
	}
	if !s.Timed {
		w.Seconds = min(w.Seconds, int(slowMax.Seconds()))
	}
	return nil
}

// each makes a scenario of one thing that is done as often as is wished.
func each(
	one func(p *Playground, ctx context.Context, r *run, i int) error,
) func(context.Context, *Playground, *run) error {
	return func(ctx context.Context, p *Playground, r *run) error {
		p.spread(ctx, r, func(ctx context.Context, i int) error { return one(p, ctx, r, i) })
		return nil
	}
}

// mix draws what goes wrong with one of many, and how often.
func mix() string {
	switch n := rand.IntN(100); {
	case n < 6:
		return Refuse
	case n < 11:
		return Unknown
	case n < 16:
		return Slow
	case n < 18:
		return Crash
	}
	return None
}

// load begins all kinds of things at a rate.
func load(ctx context.Context, p *Playground, r *run) error {
	kinds := sagas()
	if err := p.publishAll(ctx); err != nil {
		return err
	}
	p.spread(ctx, r, func(ctx context.Context, _ int) error {
		switch n := rand.IntN(100); {
		case n < 55:
			return p.order(ctx, r, mix())
		case n < 70:
			return p.deliver(ctx, r, mix())
		default:
			s := kinds[n%len(kinds)]
			if s.waits { // or the console fills with what waits for people
				s = kinds[0]
			}
			return p.saga(ctx, r, s, mix())
		}
	})
	return nil
}

// everything begins one of each, and load beside them.
func everything(ctx context.Context, p *Playground, r *run) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.wish.Seconds)*time.Second+time.Minute)
	defer cancel()
	if err := p.publishAll(ctx); err != nil {
		return err
	}
	todo := []func() error{
		func() error { return load(ctx, p, r) },
		func() error { return deadLetters(ctx, p, r) },
		func() error {
			if !pause(ctx, time.Duration(r.wish.Seconds)*time.Second/4) { // there is something stuck by then
				return nil
			}
			return p.job(ctx)
		},
		func() error {
			for _, failure := range []string{Refuse, Unknown, Slow, Timeout, Crash, Stuck, Stuck} {
				r.refused(ctx, p.order(ctx, r, failure))
			}
			return nil
		},
		func() error {
			for _, s := range sagas() {
				r.refused(ctx, p.saga(ctx, r, s, None))
				if slices.Contains(s.failures, Stuck) && !s.waits {
					r.refused(ctx, p.saga(ctx, r, s, Refuse))
					r.refused(ctx, p.saga(ctx, r, s, Stuck))
				}
			}
			return nil
		},
	}
	if p.o.Seata != "" {
		todo = append(todo, func() error { return locks(ctx, p, r) })
	}
	return atOnce(todo)
}
