package web

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/access"
)

// The description of the API as a page for people: made from openapi.yaml, without scripts and without anything from
// elsewhere.

//go:embed docspage.html
var docsTemplate string

//go:embed docspage.css
var docsStyle []byte

//go:embed docsicon.svg
var docsIcon []byte

// docsPage is what the template shows.
type docsPage struct {
	Title, Version, Summary string
	Description             []docsText
	Groups                  []*docsGroup
	Schemas                 []docsSchema
}

// docsGroup are the operations on one thing.
type docsGroup struct {
	ID, Name   string
	Operations []docsOperation
}

// docsOperation is a method of a path.
type docsOperation struct {
	ID, Method, Path, Summary, Role, Action string
	Description                             []docsText
	Parameters                              []docsField
	Body                                    docsType
	HasBody, BodyRequired                   bool
	Answers                                 []docsAnswer
	Curl                                    string
}

// Short is the path without what all paths of the API begin with.
func (o docsOperation) Short() string { return strings.TrimPrefix(o.Path, v1) }

// docsAnswer is an answer of an operation.
type docsAnswer struct {
	Status      string
	Description docsText
	Type        docsType
	Media       string
}

// docsSchema is a type of a body or an answer.
type docsSchema struct {
	Name        string
	Description []docsText
	Fields      []docsField
	Type        docsType
}

// docsField is a field of a schema, or a parameter.
type docsField struct {
	Name, In    string
	Required    bool
	Type        docsType
	Description docsText
}

// docsType is a type in words, with a link to the schema in it if there is one.
type docsType struct{ Before, Link, After string }

// docsText is a paragraph: what is at odd places is code.
type docsText []string

// docs renders the page, once.
func (s *Server) docs() func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		page, err := readDocs(openAPI, s.rules)
		if err != nil {
			return nil, err
		}
		t, err := template.New("docs").Parse(docsTemplate)
		if err != nil {
			return nil, fmt.Errorf("template of the documentation: %w", err)
		}
		var out bytes.Buffer
		if err := t.Execute(&out, page); err != nil {
			return nil, fmt.Errorf("render the documentation: %w", err)
		}
		return out.Bytes(), nil
	})
}

// docsRoutes are the routes of the page.
func (s *Server) docsRoutes() {
	page := s.docs()
	s.engine.GET("/docs", func(c *gin.Context) {
		html, err := page()
		if err != nil {
			s.o.Logger.ErrorContext(c, "page of the API cannot be shown", "err", err)
			s.refuse(c, problemInternal)
			return
		}
		c.Data(http.StatusOK, "text/html; charset=utf-8", html)
	})
	s.engine.GET("/docs/style.css", func(c *gin.Context) { c.Data(http.StatusOK, "text/css; charset=utf-8", docsStyle) })
	s.engine.GET("/docs/icon.svg", func(c *gin.Context) { c.Data(http.StatusOK, "image/svg+xml", docsIcon) })
}

// readDocs makes the page from the description and the table of routes.
func readDocs(description []byte, all map[string]rule) (*docsPage, error) {
	d, err := parseDescription(description)
	if err != nil {
		return nil, err
	}
	info := d.root.at("info")
	page := &docsPage{
		Title: info.at("title").text(), Version: info.at("version").text(), Summary: info.at("summary").text(),
		Description: paragraphs(info.at("description").text()),
	}
	groups := map[string]*docsGroup{}
	for _, path := range d.root.at("paths").fields() {
		name := groupOf(path.key)
		g := groups[name]
		if g == nil {
			g = &docsGroup{ID: "group-" + strings.ReplaceAll(name, " ", "-"), Name: name}
			groups[name] = g
			page.Groups = append(page.Groups, g)
		}
		shared := path.value.at("parameters")
		for _, method := range path.value.fields() {
			if method.key == "parameters" {
				continue
			}
			op := d.operation(method.key, path.key, method.value, shared)
			r := all[op.Method+" "+braces.Replace(path.key)]
			op.Role, op.Action = r.role.String(), r.action
			op.Curl = d.curl(&op, method.value, r.role == access.Open)
			g.Operations = append(g.Operations, op)
		}
	}
	for _, schema := range d.root.at("components").at("schemas").fields() {
		page.Schemas = append(page.Schemas, d.schema(schema.key, schema.value))
	}
	return page, nil
}

// braces turns {name} into :name, as routes are written.
var braces = strings.NewReplacer("{", ":", "}", "")

// groupOf names what a path is about.
func groupOf(path string) string {
	if rest, ok := strings.CutPrefix(path, "/api/v1/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		switch name {
		case "waits":
			return "locks"
		case "me", "signins":
			return "signing in"
		case "nodes", "settings", "sessions", "version", "config", "resources", "applications", "overview", "stream":
			return "cluster"
		}
		return name
	}
	if strings.HasPrefix(path, "/auth/") {
		return "signing in"
	}
	return "server"
}

// paragraphs splits a text at empty lines.
func paragraphs(text string) (all []docsText) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if part != "" {
			all = append(all, codes(part))
		}
	}
	return all
}

// codes splits a text at its backquotes.
func codes(text string) docsText {
	if text == "" {
		return nil
	}
	return strings.Split(text, "`")
}
