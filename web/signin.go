package web

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
)

// MeView is who asks.
type MeView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Kind is key, token, person, keySession or developer.
	Kind         string   `json:"kind"`
	Roles        []string `json:"roles"`
	Applications []string `json:"applications"`
	Groups       []string `json:"groups"`
	// CSRFToken is what a browser sends as X-CSRF-Token with what changes something.
	CSRFToken string `json:"csrfToken,omitempty"`
	// SessionEndsAt is when a browser has to sign in again at the latest.
	SessionEndsAt string `json:"sessionEndsAt,omitempty"`
	// Playground says that there is one.
	Playground bool `json:"playground"`
}

func viewMe(p *access.Principal) MeView {
	v := MeView{
		ID: p.ID, Name: p.Name, Kind: p.Kind.String(), Roles: p.Roles.Names(), Applications: orEmpty(p.Applications),
		Groups: orEmpty(p.Groups),
	}
	if x := p.Session(); x != nil {
		v.CSRFToken, v.SessionEndsAt = x.CSRF, when(x.EndsAt)
	}
	return v
}

// WaysView says how one can sign in.
type WaysView struct {
	// Key says that a browser can sign in with an API key, Provider that it can at /auth/login.
	Key      bool `json:"key"`
	Provider bool `json:"provider"`
	// Developer says that nobody has to.
	Developer bool `json:"developer"`
}

// SigninView is a browser that somebody has signed in with.
type SigninView struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Key     string   `json:"key,omitempty"`
	Subject string   `json:"subject,omitempty"`
	Roles   []string `json:"roles"`
	Address string   `json:"address"`
	Agent   string   `json:"agent"`
	BeganAt string   `json:"beganAt"`
	SeenAt  string   `json:"seenAt"`
	EndsAt  string   `json:"endsAt"`
}

// signinBody is the body of POST /auth/session.
type signinBody struct {
	Key string `json:"key"`
}

// signinRoutes are those of signing in and out.
func (s *Server) signinRoutes(v1 *gin.RouterGroup) {
	s.engine.GET("/auth/ways", s.showWays)
	s.engine.POST("/auth/session", s.withAccess(s.signIn))
	s.engine.GET("/auth/login", peopleSee, s.withAccess(s.beginLogin))
	s.engine.GET(access.CallbackPath, peopleSee, s.withAccess(s.finishLogin))
	s.engine.POST("/auth/logout", s.withAccess(s.signOut))
	s.engine.GET(access.SignedOutPath, s.showSignedOut)
	v1.GET("/me", func(c *gin.Context) {
		me := viewMe(access.From(c))
		me.Playground = s.playground != nil
		c.JSON(http.StatusOK, me)
	})
	v1.GET("/signins", s.withAccess(s.listSignins))
	v1.DELETE("/signins/:signin", s.withAccess(s.endSignin))
}

// showWays answers GET /auth/ways.
func (s *Server) showWays(c *gin.Context) {
	c.JSON(http.StatusOK, WaysView{
		Key: s.o.Access != nil && !s.o.Dev, Provider: s.providerKnown(), Developer: s.o.Dev,
	})
}

// signIn answers POST /auth/session.
func (s *Server) signIn(c *gin.Context, g *access.Gate) {
	var body signinBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	if s.crossing.Check(c.Request) != nil { // nobody is signed in by another site's page
		s.refuse(c, problemCrossSite)
		return
	}
	p, secret, err := g.SignIn(c.Request, body.Key)
	if !s.admitted(c, g, p, secret, err) {
		return
	}
	c.JSON(http.StatusOK, viewMe(p))
}

// beginLogin answers GET /auth/login.
func (s *Server) beginLogin(c *gin.Context, g *access.Gate) {
	p := s.parameters(c, "to")
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	address, err := g.Begin(c.Writer, c.Request, p.text("to"))
	if err != nil {
		s.deny(c, err)
		return
	}
	c.Redirect(http.StatusFound, address)
}

// finishLogin answers GET /auth/callback, to which the provider sends people back.
func (s *Server) finishLogin(c *gin.Context, g *access.Gate) {
	p, secret, to, err := g.Finish(c.Writer, c.Request)
	if !s.admitted(c, g, p, secret, err) {
		return
	}
	c.Redirect(http.StatusFound, to)
}

// admitted writes into the journal that somebody has signed in, or was refused, and answers the latter. A session whose
// entry could not be written does not count.
func (s *Server) admitted(c *gin.Context, g *access.Gate, p *access.Principal, secret string, err error) bool {
	var refusal *access.Refusal
	entry := s.entry(c, p)
	entry.Action, entry.Phase = "signin.begin", journal.Fact
	switch {
	case err == nil:
		entry.Status, entry.Target = http.StatusOK, p.Session().ID
	case errors.As(err, &refusal) && refusal.Status < http.StatusInternalServerError &&
		refusal.Status != http.StatusTooManyRequests: // those would let everybody fill the journal
		entry.Status, entry.Code = refusal.Status, refusal.Code
	default:
		s.deny(c, err)
		return false
	}
	if wrong := s.record(c, &entry); wrong != nil {
		if err == nil {
			_ = g.SignOut(c, p) // its secret has not left this process
		}
		s.fail(c, wrong)
		return false
	}
	if err != nil {
		s.deny(c, err)
		return false
	}
	g.SetSession(c.Writer, c.Request, secret)
	return true
}

// SignedOutView answers who has signed out.
type SignedOutView struct {
	// ProviderLogoutURL is where the browser has to go to end its session at the provider, too; it comes back to
	// /auth/signed-out. Absent if there is none.
	ProviderLogoutURL string `json:"providerLogoutUrl,omitempty"`
}

// signOut answers POST /auth/logout.
func (s *Server) signOut(c *gin.Context, g *access.Gate) {
	p := access.From(c)
	out := SignedOutView{ProviderLogoutURL: g.ProviderLogout(c.Request, p)}
	if err := g.SignOut(c, p); err != nil {
		s.fail(c, err)
		return
	}
	if p.Session() != nil {
		note(c, p.Session().ID, nil, nil)
	}
	g.SetSession(c.Writer, c.Request, "")
	c.JSON(http.StatusOK, out)
}

// listSignins answers GET /api/v1/signins.
func (s *Server) listSignins(c *gin.Context, g *access.Gate) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := g.Sessions(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[SigninView]{Items: []SigninView{}}
	for _, x := range all {
		out.Items = append(out.Items, SigninView{
			ID: x.ID, Name: x.Name, Key: x.KeyID, Subject: x.Subject, Roles: orEmpty(x.Roles), Address: x.Address,
			Agent: x.Agent, BeganAt: when(x.BeganAt), SeenAt: when(x.SeenAt), EndsAt: when(x.EndsAt),
		})
	}
	c.JSON(http.StatusOK, out)
}

// endSignin answers DELETE /api/v1/signins/{signin}.
func (s *Server) endSignin(c *gin.Context, g *access.Gate) {
	found, err := g.EndSession(c, c.Param("signin"))
	switch {
	case err != nil:
		s.fail(c, err)
	case !found:
		s.refuse(c, Problem{
			Status: http.StatusNotFound, Code: "signinNotFound", Title: "Nobody is signed in with that id.",
		})
	default:
		c.JSON(http.StatusOK, gin.H{})
	}
}
