package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/migrate"
	"github.com/concord-tx/concord/saga/plan"
)

// What moves runs that are under way to another version of their definition.

var (
	problemMustStay = Problem{
		Status: http.StatusConflict, Code: "mustStay",
		Title: "The run cannot go on by this version; reasons say why. Nothing was changed.",
	}
	problemNeedsMapping = Problem{
		Status: http.StatusConflict, Code: "needsMapping",
		Title: "Steps that have begun are called otherwise in this version; map their names. Nothing was changed.",
	}
	problemNotMovable = Problem{
		Status: http.StatusConflict, Code: "languageNotMovable",
		Title: "Only runs of definitions in Concord's own language are moved, and to such.",
	}
)

// sagaMove moves one run.
type sagaMove struct {
	// To is the version, 0 the newest; Mapping says what steps are called in it.
	To      uint32            `json:"to"`
	Mapping map[string]string `json:"mapping"`
	DryRun  bool              `json:"dryRun"`
}

// sagaMoveAll moves the runs of a version, a page at a time.
type sagaMoveAll struct {
	From    uint32            `json:"from"`
	To      uint32            `json:"to"`
	Mapping map[string]string `json:"mapping"`
	DryRun  bool              `json:"dryRun"`
	Cursor  string            `json:"cursor"`
	Limit   int               `json:"limit"`
}

// SagaMoved is what became of a run that was to be moved.
type SagaMoved struct {
	XID     string   `json:"xid"`
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons"`
	// Begins are the steps that begin with the move; Ends is true if it is done with it.
	Begins []string `json:"begins"`
	Ends   bool     `json:"ends"`
	Moved  bool     `json:"moved"`
}

// SagaMoves is a page of them.
type SagaMoves struct {
	Saga   string      `json:"saga"`
	From   uint32      `json:"from"`
	To     uint32      `json:"to"`
	DryRun bool        `json:"dryRun"`
	Items  []SagaMoved `json:"items"`
	Next   string      `json:"next,omitempty"`
}

// SagaMoveProblem is a problem with a run that cannot be moved.
type SagaMoveProblem struct {
	Problem
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons"`
}

// moveRoutes are those of moves.
func (s *Server) moveRoutes(v1 *gin.RouterGroup) {
	v1.POST("/sagas/definitions/:saga/move", s.withSagas(s.moveRuns))
	v1.POST("/sagas/runs/:xid/move", s.withSagas(s.moveRun))
}

// The limits of a page of moves.
const (
	movesDefault = 50
	movesMax     = 200
)

// mover moves runs from a version to another.
type mover struct {
	server   *Server
	saga     string
	from, to migrate.Version
	mapping  migrate.Mapping
	dryRun   bool
	actor    string
}

// mover reads both versions and checks the mapping.
func (s *Server) mover(
	c *gin.Context, sagas Sagas, saga string, from, to uint32, mapping map[string]string,
) (m mover, err error) {
	m = mover{server: s, saga: saga, mapping: mapping, actor: actorOf(c)}
	for _, side := range []struct {
		version uint32
		into    *migrate.Version
	}{{from, &m.from}, {to, &m.to}} {
		number, compiled, err := sagas.Ready(c, saga, side.version)
		if err != nil {
			return m, err
		}
		program, ours := compiled.Planner.(*plan.Program)
		if !ours {
			return m, &problemNotMovable
		}
		*side.into = migrate.Version{Number: number, Program: program, CheckInput: compiled.CheckInput}
	}
	if err := migrate.CheckMapping(m.mapping, m.from.Program, m.to.Program); err != nil {
		return m, &argumentError{err.Error()}
	}
	return m, nil
}

// unsafeError says why a run was not moved.
type unsafeError struct{ judgement migrate.Judgement }

// Error says it in words.
func (e *unsafeError) Error() string { return strings.Join(e.judgement.Reasons, "; ") }

// run judges one run, and moves it if it is safe and wanted. The error is a fault, or that the run is gone.
func (m *mover) run(ctx context.Context, id int64) (out SagaMoved, g *txn.Global, err error) {
	var judged migrate.Judgement
	if m.dryRun {
		g, err = await(ctx, func(done func(*txn.Global, error)) { m.server.o.Coordinator.Get(id, done) })
		if err != nil {
			return out, nil, err
		}
		judged = m.judge(g, m.server.o.Clock.Now())
	} else {
		var unsafe *unsafeError
		g, err = await(ctx, func(done func(*txn.Global, error)) {
			m.server.o.Coordinator.MoveSaga(id, m.to.Number, func(g *txn.Global, now txn.Millis) (txn.Move, error) {
				judged := m.judge(g, now)
				if judged.Verdict != migrate.Safe {
					return txn.Move{}, &unsafeError{judged}
				}
				judged.Move.Actor = m.actor
				out.Begins, out.Ends = judged.Begins, judged.Ends
				return judged.Move, nil
			}, done)
		})
		switch {
		case errors.As(err, &unsafe):
			judged = unsafe.judgement
		case err != nil:
			return out, nil, err
		default:
			judged = migrate.Judgement{Verdict: migrate.Safe, Begins: out.Begins, Ends: out.Ends}
			out.Moved = true
		}
	}
	out.XID, out.Verdict = xidText(g, id), judged.Verdict.String()
	out.Reasons, out.Begins = append([]string{}, judged.Reasons...), append([]string{}, judged.Begins...)
	out.Ends = judged.Ends
	return out, g, nil
}

func xidText(g *txn.Global, id int64) string {
	if g == nil {
		return decimal(id)
	}
	return g.XID.String()
}

// judge judges a run by the version that it runs.
func (m *mover) judge(g *txn.Global, now txn.Millis) migrate.Judgement {
	if g.Saga == nil || g.Saga.Definition != m.saga || g.Saga.Version != m.from.Number {
		return migrate.Judgement{Verdict: migrate.MustStay, Reasons: []string{"it runs another version meanwhile"}}
	}
	return migrate.Judge(g, m.from, m.to, m.mapping, now)
}

// moveRun answers POST /api/v1/sagas/runs/{xid}/move.
func (s *Server) moveRun(c *gin.Context, sagas Sagas) {
	g, err := s.run(c)
	var body sagaMove
	if err == nil {
		err = readBody(c, &body)
	}
	var m mover
	if err == nil {
		m, err = s.mover(c, sagas, g.Saga.Definition, g.Saga.Version, body.To, body.Mapping)
	}
	var moved SagaMoved
	if err == nil {
		s.about(c, g)
		m.dryRun = body.DryRun
		moved, _, err = m.run(c, g.XID.ID)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	note(c, g.XID.String(), nil, moved)
	if !moved.Moved && !body.DryRun {
		problem := SagaMoveProblem{Problem: problemMustStay, Verdict: moved.Verdict, Reasons: moved.Reasons}
		if moved.Verdict == migrate.NeedsMapping.String() {
			problem.Problem = problemNeedsMapping
		}
		problem.Detail = strings.Join(moved.Reasons, "; ")
		s.complete(c, &problem.Problem)
		c.AbortWithStatusJSON(problem.Status, problem)
		return
	}
	c.JSON(http.StatusOK, moved)
}

// moveRuns answers POST /api/v1/sagas/definitions/{saga}/move.
func (s *Server) moveRuns(c *gin.Context, sagas Sagas) {
	var body sagaMoveAll
	err := readBody(c, &body)
	switch {
	case err != nil:
	case body.From == 0:
		err = &argumentError{"from is missing: the version whose runs are moved"}
	case body.Limit < 0 || body.Limit > movesMax:
		err = &argumentError{fmt.Sprintf("limit is from 1 to %d", movesMax)}
	}
	var m mover
	if err == nil {
		m, err = s.mover(c, sagas, c.Param("saga"), body.From, body.To, body.Mapping)
	}
	if err == nil && m.from.Number == m.to.Number {
		err = &argumentError{"from and to are the same version"}
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	m.dryRun = body.DryRun
	out := SagaMoves{
		Saga: m.saga, From: m.from.Number, To: m.to.Number, DryRun: body.DryRun, Items: []SagaMoved{}, Next: body.Cursor,
	}
	if body.Limit == 0 {
		body.Limit = movesDefault
	}
	if err := m.page(c, &out, body.Limit); err != nil {
		s.failRun(c, err)
		return
	}
	counts := map[string]int{}
	for _, item := range out.Items {
		counts[item.Verdict]++
	}
	note(c, m.saga, nil, map[string]any{"from": out.From, "to": out.To, "dryRun": out.DryRun, "runs": counts})
	c.JSON(http.StatusOK, out)
}

// page moves the runs of a page. Between them may be many of other versions, so that it may have fewer than there are.
func (m *mover) page(ctx context.Context, out *SagaMoves, limit int) error {
	for range runPages {
		page, err := m.server.o.Coordinator.List(ctx, orchestrator.Query{
			Sagas: true, Name: m.saga, Live: true, Limit: limit - len(out.Items), Cursor: out.Next,
		})
		if err != nil {
			return err
		}
		for _, g := range page.Items {
			if g.Saga == nil || g.Saga.Version != m.from.Number {
				continue
			}
			moved, _, err := m.run(ctx, g.XID.ID)
			switch {
			case errors.Is(err, orchestrator.ErrNotFound):
				continue // it has ended, and is forgotten
			case err != nil:
				return err
			}
			moved.XID = g.XID.String()
			out.Items = append(out.Items, moved)
		}
		if out.Next = page.Next; out.Next == "" || len(out.Items) >= limit {
			return nil
		}
	}
	return nil
}
