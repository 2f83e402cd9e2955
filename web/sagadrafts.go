package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// A draft is changed by whoever has seen it as it is: a PUT names in If-Match the ETag of what it replaces. An ETag has
// a hash of the text, too, so that a draft that was removed and made again is another one.

// SagaDraft is a definition that is worked on.
type SagaDraft struct {
	Name string `json:"name"`
	// Version counts the changes. ETag is what If-Match takes.
	Version uint64 `json:"version"`
	ETag    string `json:"etag,omitempty"`
	At      string `json:"at"`
	By      string `json:"by"`
	Bytes   int    `json:"bytes"`
	Text    string `json:"text,omitempty"`
}

// SagaDraftReview is a draft that was just stored, and what was found in it.
type SagaDraftReview struct {
	SagaDraft
	Sound    bool                 `json:"sound"`
	Language string               `json:"language"`
	Findings []definition.Finding `json:"findings"`
	Explored *SagaExplored        `json:"explored,omitempty"`
}

var (
	problemNoDraft = Problem{
		Status: http.StatusNotFound, Code: "draftNotFound", Title: "There is no draft of this saga.",
	}
	problemDraftChanged = Problem{
		Status: http.StatusPreconditionFailed, Code: "draftChanged",
		Title: "The draft is not the one that you have seen: somebody has changed, removed or made it. Look at it first.",
	}
	problemDraftThere = Problem{
		Status: http.StatusPreconditionRequired, Code: "ifMatchMissing",
		Title: "There is such a draft already: send its ETag as If-Match to replace it.",
	}
)

var problemDraftLarge = Problem{
	Status: http.StatusRequestEntityTooLarge, Code: string(orchestrator.CodeTooLarge),
	Title: fmt.Sprintf("A draft is at most %d bytes long.", limits.DraftBytesMax),
}

// draftRoutes are those of drafts.
func (s *Server) draftRoutes(v1 *gin.RouterGroup) {
	v1.GET("/sagas/drafts", s.withSagas(s.listDrafts))
	v1.GET("/sagas/drafts/:saga", s.withSagas(s.showDraft))
	v1.PUT("/sagas/drafts/:saga", s.withSagas(s.putDraft))
	v1.DELETE("/sagas/drafts/:saga", s.withSagas(s.deleteDraft))
	v1.POST("/sagas/drafts/:saga/publish", s.withSagas(s.publishDraft))
}

// failDraft answers what an error about drafts means.
func (s *Server) failDraft(c *gin.Context, err error) {
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument):
		s.refuse(c, problemNoDraft)
	case errors.Is(err, orchestrator.ErrConflict):
		s.refuse(c, problemDraftChanged)
	case errors.Is(err, orchestrator.ErrTooLarge):
		s.refuse(c, problemDraftLarge)
	case errors.Is(err, catalog.ErrName):
		s.fail(c, &argumentError{err.Error()})
	default:
		s.failSaga(c, err)
	}
}

// listDrafts answers GET /api/v1/sagas/drafts.
func (s *Server) listDrafts(c *gin.Context, sagas Sagas) {
	p := s.parameters(c, "prefix", "cursor", "limit")
	limit := p.limit()
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := sagas.Drafts(c, p.text("prefix"), p.text("cursor"), limit)
	if err != nil {
		s.failDraft(c, err)
		return
	}
	out := Page[SagaDraft]{Items: []SagaDraft{}}
	for i := range all {
		view := viewDraft(&all[i])
		view.ETag = "" // it is made from the text
		out.Items = append(out.Items, view)
	}
	if full(len(all), limit) {
		out.Next = all[len(all)-1].Name
	}
	c.JSON(http.StatusOK, out)
}

// showDraft answers GET /api/v1/sagas/drafts/{saga}.
func (s *Server) showDraft(c *gin.Context, sagas Sagas) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	d, err := sagas.Draft(c, c.Param("saga"))
	if err != nil {
		s.failDraft(c, err)
		return
	}
	view := viewDraft(&d)
	view.Text = d.Text
	c.Header("ETag", view.ETag)
	c.JSON(http.StatusOK, view)
}

// putDraft answers PUT /api/v1/sagas/drafts/{saga}.
func (s *Server) putDraft(c *gin.Context, sagas Sagas) {
	name := c.Param("saga")
	text, err := definitionText(c)
	if err == nil {
		err = s.parameters(c).err
	}
	if err == nil && !utf8.Valid(text) {
		err = &argumentError{"the text is not UTF-8"}
	}
	var before uint64
	if err == nil {
		before, err = s.draftVersion(c, sagas, name)
	}
	var r catalog.Review
	if err == nil {
		r, err = sagas.Review(c, text)
	}
	var d catalog.Draft
	if err == nil {
		r.Called(name)
		d, err = sagas.PutDraft(c, name, string(text), actorOf(c), before)
	}
	if err != nil {
		s.failDraft(c, err)
		return
	}
	found := viewReview(&r)
	view := SagaDraftReview{
		SagaDraft: viewDraft(&d), Sound: found.Sound, Language: found.Language, Findings: found.Findings,
		Explored: found.Explored,
	}
	note(c, name, nil, view.SagaDraft)
	c.Header("ETag", view.ETag)
	status := http.StatusOK
	if before == 0 {
		status = http.StatusCreated
		c.Header("Location", c.Request.URL.EscapedPath())
	}
	c.JSON(status, view)
}

// draftVersion is the version that a request means to replace, 0 if there is no draft.
func (s *Server) draftVersion(c *gin.Context, sagas Sagas, name string) (uint64, error) {
	match, none := c.GetHeader("If-Match"), c.GetHeader("If-None-Match")
	if none != "" && none != "*" {
		return 0, &argumentError{"If-None-Match is * or not there"}
	}
	d, err := sagas.Draft(c, name)
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument) && match == "":
		return 0, nil
	case errors.Is(err, orchestrator.ErrNoDocument), err == nil && none != "":
		return 0, &problemDraftChanged
	case err != nil:
		return 0, err
	case match == "":
		return 0, &problemDraftThere
	case !matches(match, &d):
		return 0, &problemDraftChanged
	}
	return d.Version, nil
}

// deleteDraft answers DELETE /api/v1/sagas/drafts/{saga}. Without If-Match it removes whatever is there.
func (s *Server) deleteDraft(c *gin.Context, sagas Sagas) {
	d, err := s.draftMeant(c, sagas)
	if err == nil {
		err = s.parameters(c).err
	}
	if err == nil {
		err = sagas.DeleteDraft(c, d.Name, d.Version)
	}
	if err != nil {
		s.failDraft(c, err)
		return
	}
	view := viewDraft(&d)
	note(c, d.Name, view, nil)
	c.JSON(http.StatusOK, view)
}

// publishDraft answers POST /api/v1/sagas/drafts/{saga}/publish.
func (s *Server) publishDraft(c *gin.Context, sagas Sagas) {
	d, err := s.draftMeant(c, sagas)
	var said string
	if err == nil {
		said, err = s.noteOf(c)
	}
	if err != nil {
		s.failDraft(c, err)
		return
	}
	p, r, fresh, removed, err := sagas.PublishDraft(c, &d, actorOf(c), said)
	s.published(c, &p, &r, fresh, err, SagaPublication{DraftKept: !removed})
}

// draftMeant returns the draft, if it is the one that If-Match says.
func (s *Server) draftMeant(c *gin.Context, sagas Sagas) (catalog.Draft, error) {
	d, err := sagas.Draft(c, c.Param("saga"))
	if err == nil && !matches(cmp.Or(c.GetHeader("If-Match"), "*"), &d) {
		return d, &problemDraftChanged
	}
	return d, err
}

// matches reports whether a list of ETags has that of a draft.
func matches(match string, d *catalog.Draft) bool {
	for tag := range strings.SplitSeq(match, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == tagOf(d) {
			return true
		}
	}
	return false
}

// tagOf is the ETag of a draft.
func tagOf(d *catalog.Draft) string {
	sum := sha256.Sum256([]byte(d.Text))
	return fmt.Sprintf("%q", fmt.Sprint(d.Version, "-", hex.EncodeToString(sum[:6])))
}

func viewDraft(d *catalog.Draft) SagaDraft {
	return SagaDraft{
		Name: d.Name, Version: d.Version, ETag: tagOf(d), At: when(txn.MillisOf(d.At)), By: d.By, Bytes: d.Bytes,
	}
}
