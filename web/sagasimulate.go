package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/simulate"
)

// The limits of simulations. They take nothing but the processor, which belongs to transactions.
const (
	simulationsAtOnce   = 2
	simulationTime      = 5 * time.Second
	simulationRunsMax   = 1000
	simulationEventsMax = 5000
)

var (
	problemSimulationLong = Problem{
		Status: http.StatusUnprocessableEntity, Code: "simulationTooLong",
		Title: fmt.Sprintf("The simulation takes longer than %s; ask for fewer runs, or use concord saga simulate.",
			simulationTime),
	}
	problemSimulationsMany = Problem{
		Status: http.StatusTooManyRequests, Code: "simulationsBusy", Retryable: true,
		Title: fmt.Sprintf("There are %d simulations at once already.", simulationsAtOnce),
	}
	problemNotRunnable = Problem{
		Status: http.StatusUnprocessableEntity, Code: "definitionBroken",
		Title: "The definition cannot be run; findings say why.",
	}
	problemScenario = Problem{
		Status: http.StatusUnprocessableEntity, Code: "badScenario",
		Title: "What was chosen does not fit the saga; findings say where.",
	}
)

// simulateBody is a scenario. The saga is a text, or one that is published.
type simulateBody struct {
	Definition string                     `json:"definition"`
	Saga       string                     `json:"saga"`
	Version    uint32                     `json:"version"`
	Input      json.RawMessage            `json:"input"`
	Key        string                     `json:"key"`
	Outcomes   json.RawMessage            `json:"outcomes"`
	Bodies     map[string]json.RawMessage `json:"bodies"`
	Seed       *uint64                    `json:"seed"`
	Weights    *simulateWeights           `json:"weights"`
	StartedAt  time.Time                  `json:"startedAt"`
	Horizon    string                     `json:"horizon"`
	Runs       int                        `json:"runs"`
}

// simulateWeights say how often what is drawn.
type simulateWeights struct {
	Done    int `json:"done"`
	Refused int `json:"refused"`
	Failed  int `json:"failed"`
	Lost    int `json:"lost"`
}

// SagaSimulation is what came of a simulation: of one run, or of several.
type SagaSimulation struct {
	Result  *simulate.Result  `json:"result,omitempty"`
	Summary *simulate.Summary `json:"summary,omitempty"`
}

// simulationRoutes are those of simulations.
func (s *Server) simulationRoutes(v1 *gin.RouterGroup) {
	v1.POST("/sagas/simulate", s.atMost(simulationsAtOnce, problemSimulationsMany, s.withSagas(s.simulateSaga)))
}

// atMost lets only so many requests in at once; the others are refused.
func (s *Server) atMost(most int, p Problem, handle gin.HandlerFunc) gin.HandlerFunc {
	slots := make(chan struct{}, most)
	return func(c *gin.Context) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			handle(c)
		default:
			c.Header("Retry-After", "1")
			s.refuse(c, p)
		}
	}
}

// simulateSaga answers POST /api/v1/sagas/simulate.
func (s *Server) simulateSaga(c *gin.Context, sagas Sagas) {
	var body simulateBody
	err := readBody(c, &body)
	if err == nil {
		err = s.parameters(c).err
	}
	var scenario *simulate.Scenario
	if err == nil {
		scenario, err = body.scenario()
	}
	ctx, cancel := context.WithTimeout(c, simulationTime)
	defer cancel()
	var out SagaSimulation
	if err == nil {
		out, err = simulateOf(ctx, sagas, &body, scenario)
	}
	var problem *SagaProblem
	switch {
	case err == nil:
		c.JSON(http.StatusOK, out)
	case errors.As(err, &problem):
		s.complete(c, &problem.Problem)
		c.AbortWithStatusJSON(problem.Status, problem)
	case errors.Is(err, context.DeadlineExceeded):
		s.refuse(c, problemSimulationLong)
	default:
		s.failSaga(c, err)
	}
}

func simulateOf(
	ctx context.Context, sagas Sagas, body *simulateBody, scenario *simulate.Scenario,
) (out SagaSimulation, err error) {
	model, err := modelOf(ctx, sagas, body)
	if err != nil {
		return out, err
	}
	if problems := model.Check(scenario); len(problems) > 0 {
		p := &SagaProblem{Problem: problemScenario}
		for _, one := range problems {
			path := "/input" + one.Path
			if one.Key != "" {
				path = "/outcomes/" + one.Key
			}
			p.Findings = append(p.Findings, definition.Finding{
				Rule: definition.RuleBadValue, Severity: definition.SeverityError, Path: path, Text: one.Text, Advice: one.Advice,
			})
		}
		return out, p
	}
	if body.Runs > 1 {
		out.Summary, err = model.RunMany(ctx, scenario, body.Runs)
	} else {
		out.Result, err = model.Run(ctx, scenario)
	}
	return out, err
}

// scenario is what was chosen.
func (b *simulateBody) scenario() (*simulate.Scenario, error) {
	s := &simulate.Scenario{
		Input: b.Input, Key: b.Key, Bodies: b.Bodies, StartedAt: b.StartedAt, EventsMax: simulationEventsMax,
	}
	switch {
	case (b.Definition == "") == (b.Saga == ""):
		return nil, &argumentError{"either definition, a text, or saga, the name of a published one, has to be there"}
	case b.Runs < 0 || b.Runs > simulationRunsMax:
		return nil, &argumentError{fmt.Sprintf("runs is from 1 to %d", simulationRunsMax)}
	}
	if b.Horizon != "" {
		d, err := definition.ParseDuration(b.Horizon)
		if err != nil || d <= 0 || d > limits.DurationMax {
			return nil, &argumentError{"horizon is a duration such as 30d"}
		}
		s.Horizon = d
	}
	if b.Seed != nil {
		s.Random, s.Seed = true, *b.Seed
	}
	if w := b.Weights; w != nil {
		for _, n := range []int{w.Done, w.Refused, w.Failed, w.Lost} {
			if n < 0 || n > 1_000_000 {
				return nil, &argumentError{"weights are from 0 to 1000000"}
			}
		}
		s.Weights = simulate.Weights(*w)
	}
	if len(b.Outcomes) == 0 {
		return s, nil
	}
	outcomes, findings := simulate.ReadOutcomes(b.Outcomes)
	if len(findings) > 0 {
		for i := range findings { // where it stands in the body is not known
			findings[i].Line, findings[i].Column, findings[i].Path = 0, 0, "/outcomes"
		}
		return nil, &SagaProblem{Problem: problemScenario, Findings: findings}
	}
	s.Outcomes = outcomes
	return s, nil
}

// modelOf reads the saga and its sub-sagas, which are those that are published.
func modelOf(ctx context.Context, sagas Sagas, body *simulateBody) (*simulate.Model, error) {
	text, versions, parse := body.Definition, map[string]uint32{}, definition.Parse
	if body.Saga != "" {
		p, err := sagas.Get(ctx, body.Saga, body.Version)
		if err != nil {
			return nil, err
		}
		if p.Language != catalog.Concord {
			return nil, &argumentError{"only definitions in Concord's own language are simulated"}
		}
		text, versions, parse = p.Text, p.Subs, definition.ParsePublished
	}
	def, findings := parse([]byte(text))
	if def == nil || definition.Broken(findings) {
		return nil, &SagaProblem{Problem: problemNotRunnable, Findings: findings}
	}
	var fault error
	model, err := simulate.NewModel(def, func(name string, version int) (*definition.Definition, error) {
		if version == 0 {
			version = int(versions[name])
		}
		p, err := sagas.Get(ctx, name, uint32(max(version, 0)))
		if err != nil {
			if !errors.Is(err, orchestrator.ErrNoDocument) {
				fault = err
			}
			return nil, fmt.Errorf("saga %s is not published", name)
		}
		sub, findings := definition.ParsePublished([]byte(p.Text))
		if sub == nil || definition.Broken(findings) {
			return nil, fmt.Errorf("saga %s cannot be read", name)
		}
		return sub, nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case err != nil:
		return nil, &SagaProblem{Problem: problemNotRunnable, Findings: []definition.Finding{{
			Rule: definition.RuleBadValue, Severity: definition.SeverityError, Text: err.Error(),
		}}}
	}
	return model, nil
}
