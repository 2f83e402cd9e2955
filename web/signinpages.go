package web

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// What people see on their way to the provider and back, where there is no console to show them what went wrong.

// signinPage is such a page.
type signinPage struct {
	Title, Text string
	// RequestID finds a refused request in the log.
	RequestID string
	// Again has people begin once more.
	Again bool
}

// signinTemplate is what all of them look like.
const signinTemplate = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} · Concord</title>
<link rel="icon" href="/docs/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/style.css">
<body class="alone">
<main>
<h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>
{{end}}<p>{{if .Again}}<a href="/auth/login">Sign in again</a> or {{end}}<a href="/">go to the console</a>.</p>
{{with .RequestID}}<p class="role">Request <code>{{.}}</code></p>
{{end}}</main>
</html>
`

// show renders a page.
func (p signinPage) show() []byte {
	var out bytes.Buffer
	if err := template.Must(template.New("signin").Parse(signinTemplate)).Execute(&out, p); err != nil {
		panic("web: " + err.Error()) // a constant template, and memory takes everything
	}
	return out.Bytes()
}

// forPeople is the key under which a request says that a person waits for a page, not a program for a document.
const forPeople = "web.forPeople"

// peopleSee has refusals of a route be pages where a browser asks for one.
func peopleSee(c *gin.Context) {
	c.Set(forPeople, strings.Contains(c.GetHeader("Accept"), "text/html"))
}

// refuseOnPage answers with a problem as people read it.
func refuseOnPage(c *gin.Context, p *Problem) {
	c.Header("Content-Type", "text/html; charset=utf-8")
	page := signinPage{Title: strings.TrimSuffix(p.Title, "."), Text: p.Detail, RequestID: p.RequestID, Again: true}
	c.Data(p.Status, "text/html; charset=utf-8", page.show())
	c.Abort()
}

// showSignedOut answers GET /auth/signed-out.
func (s *Server) showSignedOut(c *gin.Context) {
	page := signinPage{Title: "You are signed out", Text: "Here and at the provider.", Again: s.providerKnown()}
	c.Data(http.StatusOK, "text/html; charset=utf-8", page.show())
}

// providerKnown reports whether people can sign in at a provider.
func (s *Server) providerKnown() bool { return s.o.Access != nil && s.o.Access.HasProvider() }
