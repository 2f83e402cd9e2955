package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web/access"
)

// A saved view is a name for a way to look at a list of the console: its search, its columns. It belongs to whoever has
// made it, and is seen by others only if it is shared, which needs the role operator.

const (
	viewKind = "view"
	// savedViewsMax bounds the views of one list, ownViewsMax those of one owner; the others bound parts of a view.
	savedViewsMax  = 500
	ownViewsMax    = 200
	viewNameMax    = 60
	viewQueryMax   = 2000
	viewColumnsMax = 40
)

// listName is what a list may be called.
var listName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// columnName is what a column may be called.
var columnName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,31}$`)

// SavedView is a view of a list.
type SavedView struct {
	ID string `json:"id"`
	// List is the list that it is of, such as transactions.
	List  string `json:"list"`
	Name  string `json:"name"`
	Query string `json:"query"`
	// Columns are those that are shown, in their order; none: as usual.
	Columns []string `json:"columns"`
	Shared  bool     `json:"shared"`
	// Owner is who has made it, for people; Own whether that is who asks.
	Owner     string `json:"owner"`
	Own       bool   `json:"own"`
	UpdatedAt string `json:"updatedAt"`
}

// storedView is a view with the id of its owner.
type storedView struct {
	SavedView
	By string `json:"by"`
}

// viewBody makes or changes a view.
type viewBody struct {
	List    string   `json:"list"`
	Name    string   `json:"name"`
	Query   string   `json:"query"`
	Columns []string `json:"columns"`
	Shared  bool     `json:"shared"`
}

var (
	problemNoView = Problem{Status: http.StatusNotFound, Code: "viewNotFound", Title: "There is no such view."}
	problemViews  = Problem{
		Status: http.StatusConflict, Code: "viewsTooMany",
		Title: fmt.Sprintf("A list has at most %d saved views: delete one first.", savedViewsMax),
	}
	problemOwnViews = Problem{
		Status: http.StatusConflict, Code: "viewsTooMany",
		Title: fmt.Sprintf("Nobody has more than %d saved views: delete one first.", ownViewsMax),
	}
	problemViewOthers = Problem{
		Status: http.StatusForbidden, Code: "viewOthers", Title: "The view belongs to somebody else.",
	}
)

// failView answers an error that came of a view.
func (s *Server) failView(c *gin.Context, err error) {
	var problem *Problem
	if errors.As(err, &problem) {
		s.refuse(c, *problem)
		return
	}
	s.fail(c, err)
}

// check says what is wrong with a request.
func (b *viewBody) check() error {
	switch {
	case !listName.MatchString(b.List):
		return &argumentError{"list is the name of a list, such as transactions"}
	case clean(b.Name, viewNameMax) == "":
		return &argumentError{fmt.Sprintf("name is missing, longer than %d bytes, or not printable", viewNameMax)}
	case b.Query != "" && clean(b.Query, viewQueryMax) == "":
		return &argumentError{fmt.Sprintf("query is longer than %d bytes, or not printable", viewQueryMax)}
	case len(b.Columns) > viewColumnsMax:
		return &argumentError{fmt.Sprintf("columns are at most %d", viewColumnsMax)}
	}
	for _, column := range b.Columns {
		if !columnName.MatchString(column) {
			return &argumentError{fmt.Sprintf("columns: %q is no name of a column", column)}
		}
	}
	return nil
}

// listViews answers GET /api/v1/views: one's own and the shared ones, by name.
func (s *Server) listViews(c *gin.Context) {
	p := s.parameters(c, "list")
	list := p.text("list")
	if p.err == nil && !listName.MatchString(list) {
		p.fail("list is the name of a list, such as transactions, not %q", list)
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := s.views(c, list+"/")
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[SavedView]{Items: []SavedView{}}
	for _, v := range all {
		if v.Own = v.By == access.From(c).ID; v.Own || v.Shared {
			out.Items = append(out.Items, v.SavedView)
		}
	}
	slices.SortStableFunc(out.Items, func(a, b SavedView) int { return strings.Compare(a.Name, b.Name) })
	c.JSON(http.StatusOK, out)
}

// views returns the views whose keys have a prefix: all of a list, or of all lists.
func (s *Server) views(ctx context.Context, prefix string) (all []storedView, err error) {
	q := orchestrator.DocumentQuery{Kind: viewKind, Prefix: prefix, Limit: orchestrator.PageItemsMax}
	for {
		page, err := s.o.Documents.ListDocuments(ctx, q)
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, d := range page {
			var v storedView
			if err := json.Unmarshal(d.Value, &v); err != nil {
				return nil, fmt.Errorf("read view %s: %w", d.Key, err)
			}
			all = append(all, v)
		}
		q.After = page[len(page)-1].Key
	}
}

// makeView answers POST /api/v1/views.
func (s *Server) makeView(c *gin.Context) {
	var body viewBody
	err := readBody(c, &body)
	if err == nil {
		err = body.check()
	}
	if err == nil && body.Shared {
		err = must(c, access.Operator)
	}
	var all []storedView
	if err == nil {
		all, err = s.views(c, "")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	there, own := 0, 0
	for _, v := range all {
		if v.List == body.List {
			there++
		}
		if v.By == access.From(c).ID {
			own++
		}
	}
	switch {
	case there >= savedViewsMax:
		s.refuse(c, problemViews)
		return
	case own >= ownViewsMax:
		s.refuse(c, problemOwnViews)
		return
	}
	v := storedView{SavedView: SavedView{
		ID: body.List + "-" + strings.ToLower(rand.Text())[:10], Owner: access.From(c).Name,
	}, By: access.From(c).ID}
	s.storeView(c, http.StatusCreated, &v, &body, 0)
}

// storeView stores a view as a request wants it, and answers with it.
func (s *Server) storeView(c *gin.Context, status int, v *storedView, body *viewBody, before uint64) {
	v.List, v.Name, v.Query = body.List, clean(body.Name, viewNameMax), strings.TrimSpace(body.Query)
	v.Columns, v.Shared, v.UpdatedAt = append([]string{}, body.Columns...), body.Shared, when(s.o.Clock.Now())
	v.Own = v.By == access.From(c).ID
	if err := s.put(c, viewKind, savedViewKey(v.ID), before+1, v, 0); err != nil {
		s.fail(c, err)
		return
	}
	note(c.Request.Context(), v.ID, nil, v.SavedView)
	c.JSON(status, v.SavedView)
}

// savedViewKey is the key of a view's document; its id begins with the name of its list.
func savedViewKey(id string) string {
	at := strings.LastIndexByte(id, '-')
	return id[:max(at, 0)] + "/" + id
}

// ownView returns a view that whoever asks may change: one's own, or a shared one for an admin.
func (s *Server) ownView(c *gin.Context) (*storedView, uint64, error) {
	id := c.Param("view")
	if len(id) > orchestrator.DocumentKeyBytesMax/2-1 {
		return nil, 0, &problemNoView
	}
	d, err := s.o.Documents.GetDocument(c, viewKind, savedViewKey(id))
	if errors.Is(err, orchestrator.ErrNoDocument) {
		return nil, 0, &problemNoView
	}
	var v storedView
	if err == nil {
		err = json.Unmarshal(d.Value, &v)
	}
	if err != nil {
		return nil, 0, err
	}
	p := access.From(c)
	switch own := v.By == p.ID; {
	case own, v.Shared && p.Roles.Has(access.Admin):
		return &v, d.Version, nil
	case v.Shared:
		return nil, 0, &problemViewOthers
	}
	return nil, 0, &problemNoView // nobody else's business
}

// changeView answers PUT /api/v1/views/{view}.
func (s *Server) changeView(c *gin.Context) {
	var body viewBody
	err := readBody(c, &body)
	if err == nil {
		err = body.check()
	}
	if err == nil && body.Shared {
		err = must(c, access.Operator)
	}
	var v *storedView
	var version uint64
	if err == nil {
		v, version, err = s.ownView(c)
	}
	if err == nil && v.List != body.List {
		err = &argumentError{"a view stays one of its list"}
	}
	if err != nil {
		s.failView(c, err)
		return
	}
	s.storeView(c, http.StatusOK, v, &body, version)
}

// deleteView answers DELETE /api/v1/views/{view}.
func (s *Server) deleteView(c *gin.Context) {
	v, version, err := s.ownView(c)
	if err == nil {
		err = s.o.Documents.DeleteDocument(c, viewKind, savedViewKey(v.ID), version)
	}
	if err != nil {
		s.failView(c, err)
		return
	}
	note(c.Request.Context(), v.ID, v.SavedView, nil)
	c.JSON(http.StatusOK, v.SavedView)
}
