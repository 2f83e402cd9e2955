package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// Sagas has the definitions of sagas, and their drafts. *catalog.Catalog is the real one, and its comments say what
// these do.
type Sagas interface {
	Review(ctx context.Context, text []byte) (catalog.Review, error)
	Publish(ctx context.Context, text []byte, by, note string) (
		p catalog.Published, r catalog.Review, fresh bool, err error)
	Get(ctx context.Context, name string, version uint32) (catalog.Published, error)
	List(ctx context.Context, prefix, after string, limit int) ([]catalog.Published, error)
	Versions(ctx context.Context, name string, before uint32, limit int) ([]catalog.Published, error)
	Steps(p *catalog.Published) ([]catalog.Step, error)
	Ready(ctx context.Context, name string, version uint32) (uint32, *catalog.Compiled, error)

	Draft(ctx context.Context, name string) (catalog.Draft, error)
	Drafts(ctx context.Context, prefix, after string, limit int) ([]catalog.Draft, error)
	PutDraft(ctx context.Context, name, text, by string, before uint64) (catalog.Draft, error)
	DeleteDraft(ctx context.Context, name string, version uint64) error
	PublishDraft(ctx context.Context, d *catalog.Draft, by, note string) (
		p catalog.Published, r catalog.Review, fresh, removed bool, err error)
}

// SagaReview is what was found in a definition.
type SagaReview struct {
	Name     string               `json:"name,omitempty"`
	Language string               `json:"language"`
	Sound    bool                 `json:"sound"`
	Findings []definition.Finding `json:"findings"`
	// Explored is missing if the definition was too broken to be run, or its language is not explored.
	Explored *SagaExplored     `json:"explored,omitempty"`
	Subs     map[string]uint32 `json:"subs,omitempty"`
	// Steps and Services are of a state machine of Seata: how it is drawn, and what is to be bound.
	Steps    []catalog.Step    `json:"steps,omitempty"`
	Services []catalog.Service `json:"services,omitempty"`
}

// SagaExplored is what became of a definition when everything happened to it that can.
type SagaExplored struct {
	States     int  `json:"states"`
	Paths      int  `json:"paths"`
	Exhaustive bool `json:"exhaustive"`
	// Part says what was looked at as a whole, "" if all was.
	Part string `json:"part,omitempty"`
	// Crashes says at how many events a crash was tried, nil if at all of them.
	Crashes  *SagaCrashes  `json:"crashes,omitempty"`
	Failures []SagaFailure `json:"failures"`
}

// SagaCrashes is at how many events a crash was tried, of how many.
type SagaCrashes struct {
	Tried int `json:"tried"`
	Of    int `json:"of"`
}

// SagaFailure is the shortest path to a bad end.
type SagaFailure struct {
	Step     string   `json:"step,omitempty"`
	Text     string   `json:"text"`
	Timeline []string `json:"timeline"`
}

// SagaVersion is a published version of a definition. Lists have neither the text nor the steps.
type SagaVersion struct {
	Name     string            `json:"name"`
	Version  uint32            `json:"version"`
	Digest   string            `json:"digest"`
	Title    string            `json:"title,omitempty"`
	Language string            `json:"language"`
	At       string            `json:"at"`
	By       string            `json:"by"`
	Note     string            `json:"note,omitempty"`
	Subs     map[string]uint32 `json:"subs,omitempty"`
	Text     string            `json:"text,omitempty"`
	Steps    []catalog.Step    `json:"steps,omitempty"`
	// Unreadable says why this server cannot read it, and so cannot run it.
	Unreadable string `json:"unreadable,omitempty"`
}

// SagaPublication answers who publishes.
type SagaPublication struct {
	SagaVersion
	Findings []definition.Finding `json:"findings"`
	// DraftKept says that the draft was changed while it was published, and is there still.
	DraftKept bool `json:"draftKept,omitempty"`
}

// SagaProblem is a problem with a definition, with all that was found.
type SagaProblem struct {
	Problem
	Findings []definition.Finding `json:"findings"`
	Explored *SagaExplored        `json:"explored,omitempty"`
}

var (
	problemUnsound = Problem{
		Status: http.StatusUnprocessableEntity, Code: "unsound",
		Title: "The definition is not sound, so that it is not published; findings and explored say why.",
	}
	problemNoSaga = Problem{
		Status: http.StatusNotFound, Code: "sagaNotFound", Title: "No such saga is published, or no such version of it.",
	}
	problemSagaRace = Problem{
		Status: http.StatusConflict, Code: string(orchestrator.CodeConflict), Retryable: true,
		Title: "Others publish this saga at the same time; look at what they did, and try again.",
	}
	problemNoSagas = Problem{
		Status: http.StatusConflict, Code: "sagasMissing", Title: "This server runs no sagas.",
	}
	problemDefinitionLarge = Problem{
		Status: http.StatusRequestEntityTooLarge, Code: string(orchestrator.CodeTooLarge),
		Title: fmt.Sprintf("A definition is at most %d bytes long.", limits.DocumentBytesMax),
	}
)

// sagaRoutes are those of sagas.
func (s *Server) sagaRoutes(v1 *gin.RouterGroup) {
	v1.POST("/sagas/review", s.withSagas(s.reviewSaga))
	v1.GET("/sagas/definitions", s.withSagas(s.listSagas))
	v1.POST("/sagas/definitions", s.withSagas(s.publishSaga))
	v1.GET("/sagas/definitions/:saga", s.withSagas(s.showSaga))
	v1.GET("/sagas/definitions/:saga/versions", s.withSagas(s.listSagaVersions))
	v1.GET("/sagas/definitions/:saga/versions/:version", s.withSagas(s.showSaga))
	s.draftRoutes(v1)
	s.simulationRoutes(v1)
	s.moveRoutes(v1)
	s.runRoutes(v1)
}

// withSagas calls handle where there are sagas.
func (s *Server) withSagas(handle func(*gin.Context, Sagas)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.o.Sagas == nil {
			s.refuse(c, problemNoSagas)
			return
		}
		handle(c, s.o.Sagas)
	}
}

// definitionText reads a body that is a definition, in whichever language and whatever its type says.
func definitionText(c *gin.Context) ([]byte, error) {
	text, err := io.ReadAll(c.Request.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), err == nil && len(text) > limits.DocumentBytesMax:
		return nil, &problemDefinitionLarge
	case err != nil:
		return nil, &argumentError{"the body was not read: " + err.Error()}
	}
	return text, nil
}

// failSaga answers what an error about definitions means.
func (s *Server) failSaga(c *gin.Context, err error) {
	var problem *Problem
	switch {
	case errors.As(err, &problem):
		s.refuse(c, *problem)
	case errors.Is(err, orchestrator.ErrNoDocument):
		s.refuse(c, problemNoSaga)
	case errors.Is(err, orchestrator.ErrConflict):
		s.refuse(c, problemSagaRace)
	default:
		s.fail(c, err)
	}
}

// reviewSaga answers POST /api/v1/sagas/review.
func (s *Server) reviewSaga(c *gin.Context, sagas Sagas) {
	text, err := definitionText(c)
	if err == nil {
		err = s.parameters(c).err
	}
	var r catalog.Review
	if err == nil {
		r, err = sagas.Review(c, text)
	}
	if err != nil {
		s.failSaga(c, err)
		return
	}
	c.JSON(http.StatusOK, viewReview(&r))
}

// publishSaga answers POST /api/v1/sagas/definitions.
func (s *Server) publishSaga(c *gin.Context, sagas Sagas) {
	text, err := definitionText(c)
	var said string
	if err == nil {
		said, err = s.noteOf(c)
	}
	if err != nil {
		s.failSaga(c, err)
		return
	}
	p, r, fresh, err := sagas.Publish(c, text, actorOf(c), said)
	s.published(c, &p, &r, fresh, err, SagaPublication{})
}

// noteBytesMax is the longest note of a publication.
const noteBytesMax = 1024

// noteOf reads what somebody says about a publication.
func (s *Server) noteOf(c *gin.Context) (string, error) {
	p := s.parameters(c, "note")
	said := p.text("note")
	if said != "" && clean(said, noteBytesMax) == "" {
		p.fail("note is longer than %d bytes, or not printable", noteBytesMax)
	}
	return clean(said, noteBytesMax), p.err
}

// published answers who has published.
func (s *Server) published(
	c *gin.Context, p *catalog.Published, r *catalog.Review, fresh bool, err error, view SagaPublication,
) {
	if r.Name != "" {
		note(c, r.Name, nil, nil)
	}
	if errors.Is(err, catalog.ErrUnsound) {
		v := viewReview(r)
		problem := SagaProblem{Problem: problemUnsound, Findings: v.Findings, Explored: v.Explored}
		s.complete(c, &problem.Problem)
		c.AbortWithStatusJSON(problem.Status, problem)
		return
	}
	if err != nil {
		s.failSaga(c, err)
		return
	}
	view.SagaVersion, view.Findings = viewVersion(p), viewReview(r).Findings
	note(c, p.Name, nil, view.SagaVersion)
	c.Header("Location", versionPath(p))
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	c.JSON(status, view)
}

func versionPath(p *catalog.Published) string {
	return fmt.Sprintf("%s/sagas/definitions/%s/versions/%d", v1, url.PathEscape(p.Name), p.Version)
}

// listSagas answers GET /api/v1/sagas/definitions.
func (s *Server) listSagas(c *gin.Context, sagas Sagas) {
	p := s.parameters(c, "prefix", "cursor", "limit")
	limit := p.limit()
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := sagas.List(c, p.text("prefix"), p.text("cursor"), limit)
	if err != nil {
		s.failSaga(c, err)
		return
	}
	out := Page[SagaVersion]{Items: []SagaVersion{}}
	for i := range all {
		out.Items = append(out.Items, viewVersion(&all[i]))
	}
	if full(len(all), limit) {
		out.Next = all[len(all)-1].Name
	}
	c.JSON(http.StatusOK, out)
}

// full reports whether a page has as many items as it may, so that there may be more.
func full(items, limit int) bool {
	if limit == 0 {
		limit = orchestrator.PageItemsDefault
	}
	return items >= limit
}

// listSagaVersions answers GET /api/v1/sagas/definitions/{saga}/versions.
func (s *Server) listSagaVersions(c *gin.Context, sagas Sagas) {
	p := s.parameters(c, "cursor", "limit")
	limit, before := p.limit(), p.number("cursor", 0)
	if before > 1<<32-1 {
		p.fail("cursor is too large")
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := sagas.Versions(c, c.Param("saga"), uint32(before), limit)
	if err == nil && len(all) == 0 && before == 0 {
		err = orchestrator.ErrNoDocument
	}
	if err != nil {
		s.failSaga(c, err)
		return
	}
	out := Page[SagaVersion]{Items: []SagaVersion{}}
	for i := range all {
		out.Items = append(out.Items, viewVersion(&all[i]))
	}
	if full(len(all), limit) && all[len(all)-1].Version > 1 {
		out.Next = fmt.Sprint(all[len(all)-1].Version)
	}
	c.JSON(http.StatusOK, out)
}

// showSaga answers GET /api/v1/sagas/definitions/{saga}, and .../versions/{version}.
func (s *Server) showSaga(c *gin.Context, sagas Sagas) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	var version uint64
	if text, named := c.Params.Get("version"); named {
		var err error
		if version, err = strconv.ParseUint(text, 10, 32); err != nil || version == 0 {
			s.fail(c, &argumentError{fmt.Sprintf("a version is a number from 1, not %q", text)})
			return
		}
	}
	p, err := sagas.Get(c, c.Param("saga"), uint32(version))
	if err != nil {
		s.failSaga(c, err)
		return
	}
	view := viewVersion(&p)
	view.Text = p.Text
	if view.Steps, err = sagas.Steps(&p); err != nil {
		view.Unreadable = err.Error()
	}
	c.JSON(http.StatusOK, view)
}

func viewVersion(p *catalog.Published) SagaVersion {
	return SagaVersion{
		Name: p.Name, Version: p.Version, Digest: p.Digest, Title: p.Title, Language: p.Language,
		At: when(txn.MillisOf(p.At)), By: p.By, Note: p.Note, Subs: p.Subs,
	}
}

func viewReview(r *catalog.Review) SagaReview {
	v := SagaReview{
		Name: r.Name, Language: r.Language, Sound: r.Sound(), Findings: r.Findings, Subs: r.Subs,
		Steps: r.Steps, Services: r.Services,
	}
	if v.Findings == nil {
		v.Findings = []definition.Finding{}
	}
	if r.Report == nil {
		return v
	}
	v.Explored = &SagaExplored{
		States: r.Report.States, Paths: r.Report.Paths, Exhaustive: r.Report.Exhaustive, Failures: []SagaFailure{},
	}
	if !r.Report.Exhaustive {
		v.Explored.Part = r.Report.Part()
	}
	if tried, of := r.Report.Crashes, r.Report.CrashesOf; tried < of {
		v.Explored.Crashes = &SagaCrashes{tried, of}
	}
	for _, f := range r.Report.Failures {
		failure := SagaFailure{Step: f.Step, Text: f.Text, Timeline: []string{}}
		for _, e := range f.Timeline {
			failure.Timeline = append(failure.Timeline, e.String())
		}
		v.Explored.Failures = append(v.Explored.Failures, failure)
	}
	return v
}
