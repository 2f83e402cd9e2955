package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/console"
)

// serveConsole answers what no route is for: the console's pages and files, or else that there is nothing. They are
// open to everybody, since they hold no data: what they show comes from routes, which ask for a key or a sign-in.
func (s *Server) serveConsole() gin.HandlerFunc {
	files := console.Built()
	if s.o.ConsoleDir != "" {
		files = console.Directory(s.o.ConsoleDir)
	}
	return func(c *gin.Context) {
		if ofPrograms(c.Request.URL.Path) {
			s.refuse(c, problemNoRoute)
			return
		}
		// gin has set 404 for what no route is for; the console sets its own.
		c.Writer.WriteHeader(http.StatusOK)
		found, err := files.Serve(c.Writer, c.Request)
		switch {
		case err != nil:
			s.o.Logger.ErrorContext(c, "console cannot be shown", "err", err)
			p := problemInternal
			if s.o.ConsoleDir != "" {
				p.Detail = err.Error()
			}
			s.refuse(c, p)
		case !found:
			s.refuse(c, problemNoRoute)
		}
	}
}

// ofPrograms reports whether a path is among those of the API and the like, where nothing is a page of the console.
func ofPrograms(path string) bool {
	return slices.ContainsFunc([]string{
		"/api", "/auth", "/docs", "/openapi.yaml", "/healthz", "/readyz", "/metrics", "/internal",
		"/playground/participants",
	}, func(room string) bool {
		rest, within := strings.CutPrefix(path, room)
		return within && (rest == "" || rest[0] == '/')
	})
}
