package playground

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"math/rand/v2"
	"strings"
)

// definitions are the sample sagas. BASE in them stands for where the participants are, SHAKY
// for where those are that may be silent.
//
//go:embed sagas
var definitions embed.FS

// sampleSaga is a saga that can be started.
type sampleSaga struct {
	scenario, title, description string
	// name is that of the definition, files are it and those that it runs, those first.
	name     string
	files    []string
	failures []string
	// waits says that it waits for a person, or something else from outside.
	waits bool
	input func(failure string) map[string]any
}

// sagas lists them.
func sagas() []*sampleSaga {
	number := func(prefix string) string { return fmt.Sprintf("%s-%04d", prefix, rand.IntN(10_000)) }
	pick := func(all ...string) string { return all[rand.IntN(len(all))] }
	return []*sampleSaga{
		{
			scenario: "order", title: "An order with a payment", name: "sample-order", files: []string{"order"},
			description: "Goods are reserved, the payment is the point of no return, then it goes on until it is done.",
			failures:    allFailures(), input: func(string) map[string]any {
				return map[string]any{"order": number("A"), "total": 20 + rand.IntN(600)}
			},
		},
		{
			scenario: "travel", title: "A journey", name: "sample-travel", files: []string{"travel"},
			description: "Flight, hotel and car are booked at the same time; if one is refused, the others are cancelled.",
			failures:    allFailures(), input: func(string) map[string]any {
				return map[string]any{
					"traveller": pick("Ada", "Grace", "Linus", "Wei"), "to": pick("Lisbon", "Oslo", "Chengdu", "Quito"),
					"nights": 1 + rand.IntN(9), "car": rand.IntN(2) == 0,
				}
			},
		},
		{
			scenario: "payroll", title: "Salaries", name: "sample-payroll", files: []string{"payroll"},
			description: "A loop over many people, four at a time, and a question that is asked until it is settled.",
			failures:    allFailures(), input: payroll,
		},
		{
			scenario: "trip", title: "A business trip", name: "sample-trip", files: []string{"travel", "trip"},
			description: "A saga in a saga: the journey has steps and compensations of its own.",
			failures:    allFailures(), input: func(string) map[string]any {
				return map[string]any{
					"employee": pick("clerk-3", "driver-12", "engineer-7"), "to": pick("Berlin", "Shenzhen", "Lagos"),
				}
			},
		},
		{
			scenario: "purchase", title: "A purchase with approval", name: "sample-purchase", files: []string{"purchase"},
			description: "It waits until a person says yes or no.", failures: allFailures(), waits: true,
			input: func(string) map[string]any {
				return map[string]any{
					"item": pick("A coffee machine", "Ten laptops", "A forklift"), "price": 900 + rand.IntN(9000),
					"by": pick("clerk-3", "driver-12", "engineer-7"),
				}
			},
		},
		{
			scenario: "delivery", title: "A delivery with a signal", name: "sample-delivery", files: []string{"delivery"},
			description: "It waits for a signal from outside: parcel-arrived.", failures: allFailures(), waits: true,
			input: func(string) map[string]any { return map[string]any{"parcel": number("P")} },
		},
	}
}

// payroll pays some people; one of the payments goes wrong.
func payroll(failure string) map[string]any {
	people := make([]map[string]any, 6+rand.IntN(10))
	for i := range people {
		people[i] = map[string]any{"id": fmt.Sprintf("E%03d", i+1), "salary": 2000 + rand.IntN(4000)}
	}
	people[len(people)/2]["failure"] = failure
	return map[string]any{"month": "2026-11", "people": people}
}

// publishAll publishes all definitions. What is published already is left as it is.
func (p *Playground) publishAll(ctx context.Context) error {
	for _, s := range sagas() {
		if err := p.publish(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes the definitions that a saga needs.
func (p *Playground) publish(ctx context.Context, s *sampleSaga) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	for _, file := range s.files {
		if p.published[file] {
			continue
		}
		text, err := definitions.ReadFile("sagas/" + file + ".yaml")
		if err != nil {
			return fmt.Errorf("sample saga %s: %w", file, err)
		}
		text = bytes.ReplaceAll(text, []byte("BASE"), []byte(p.o.Base+strings.TrimSuffix(Path, "/")))
		text = bytes.ReplaceAll(text, []byte("SHAKY"), []byte(p.shaky+strings.TrimSuffix(Path, "/")))
		if err := p.api.ask(ctx, "POST", "/sagas/definitions?note=playground", text, nil); err != nil {
			return fmt.Errorf("publish the sample saga %s: %w", file, err)
		}
		p.published[file] = true
	}
	return nil
}

// saga begins a run of a saga.
func (p *Playground) saga(ctx context.Context, r *run, s *sampleSaga, failure string) error {
	if err := p.publish(ctx, s); err != nil {
		return err
	}
	fail, undo := failure, None
	if failure == Stuck { // a step is refused, and what was done before it cannot be undone
		fail, undo = Refuse, Stuck
	}
	input := s.input(fail)
	if s.name != "sample-payroll" {
		input["failure"] = fail
	}
	input["undo"], input["seconds"] = undo, r.slowness()
	var g begun
	err := p.api.ask(ctx, "POST", "/sagas/runs", map[string]any{
		"saga": s.name, "application": "sample-shop", "input": input,
	}, &g)
	if err == nil {
		r.begun(g.XID)
	}
	return err
}
