package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// KeyView is how an API key looks. Its secret is shown once, when it is made.
type KeyView struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Roles        []string      `json:"roles"`
	Applications []string      `json:"applications"`
	Groups       []string      `json:"groups"`
	Limits       access.Limits `json:"limits"`
	Note         string        `json:"note,omitempty"`
	CreatedAt    string        `json:"createdAt"`
	CreatedBy    string        `json:"createdBy"`
	ExpiresAt    string        `json:"expiresAt,omitempty"`
	// LastUsedAt may be an hour late.
	LastUsedAt string `json:"lastUsedAt,omitempty"`
}

// NewKeyView is a key that was just made, with its token.
type NewKeyView struct {
	KeyView
	Token string `json:"token"`
}

func viewKey(k *access.Key) KeyView {
	return KeyView{
		ID: k.ID, Name: k.Name, Roles: k.Roles, Applications: orEmpty(k.Applications), Groups: orEmpty(k.Groups),
		Limits: k.Limits, Note: k.Note, CreatedAt: when(k.CreatedAt), CreatedBy: k.CreatedBy,
		ExpiresAt: when(k.ExpiresAt), LastUsedAt: when(k.LastUsedAt),
	}
}

// orEmpty has JSON show a list.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// KeyRequest is the body of POST /api/v1/keys.
type KeyRequest struct {
	Name         string        `json:"name"`
	Roles        []string      `json:"roles"`
	Applications []string      `json:"applications,omitempty"`
	Groups       []string      `json:"groups,omitempty"`
	Limits       access.Limits `json:"limits"`
	Note         string        `json:"note,omitempty"`
	// ExpiresAt is when it ends, RFC 3339; never if empty. Reason is kept in the journal.
	ExpiresAt string `json:"expiresAt,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// keyRoutes are those of keys.
func (s *Server) keyRoutes(v1 *gin.RouterGroup) {
	v1.GET("/keys", s.withAccess(s.listKeys))
	v1.POST("/keys", s.withAccess(s.createKey))
	v1.GET("/keys/:key", s.withAccess(s.showKey))
	v1.DELETE("/keys/:key", s.withAccess(s.deleteKey))
}

// problemNoAccess answers what concerns keys and sessions where there are none.
var problemNoAccess = Problem{
	Status: http.StatusConflict, Code: "developmentMode",
	Title: "In development mode there are no keys and no sessions: everybody on this machine is an admin.",
}

// withAccess calls handle where there are keys.
func (s *Server) withAccess(handle func(*gin.Context, *access.Gate)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.o.Access == nil {
			s.refuse(c, problemNoAccess)
			return
		}
		handle(c, s.o.Access)
	}
}

// listKeys answers GET /api/v1/keys.
func (s *Server) listKeys(c *gin.Context, g *access.Gate) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	keys, err := g.Keys(c)
	if err != nil {
		s.deny(c, err)
		return
	}
	out := Page[KeyView]{Items: []KeyView{}}
	for i := range keys {
		out.Items = append(out.Items, viewKey(&keys[i]))
	}
	c.JSON(http.StatusOK, out)
}

// showKey answers GET /api/v1/keys/{key}.
func (s *Server) showKey(c *gin.Context, g *access.Gate) {
	key, err := g.Key(c, c.Param("key"))
	if err != nil {
		s.deny(c, err)
		return
	}
	c.JSON(http.StatusOK, viewKey(&key))
}

// createKey answers POST /api/v1/keys.
func (s *Server) createKey(c *gin.Context, g *access.Gate) {
	var body KeyRequest
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	n := access.NewKey{
		Name: body.Name, Roles: body.Roles, Applications: body.Applications, Groups: body.Groups, Limits: body.Limits,
		Note: body.Note,
	}
	if body.ExpiresAt != "" {
		at, err := time.Parse(time.RFC3339, body.ExpiresAt)
		if err != nil {
			s.fail(c, &argumentError{"expiresAt is a time such as 2030-01-31T12:00:00Z"})
			return
		}
		n.ExpiresAt = txn.Millis(at.UnixMilli())
	}
	key, token, err := g.CreateKey(c, n, actorOf(c))
	if err != nil {
		s.deny(c, err)
		return
	}
	view := viewKey(&key)
	note(c, key.ID, nil, view)
	c.Header("Location", "/api/v1/keys/"+key.ID)
	c.JSON(http.StatusCreated, NewKeyView{KeyView: view, Token: token})
}

// deleteKey answers DELETE /api/v1/keys/{key}.
func (s *Server) deleteKey(c *gin.Context, g *access.Gate) {
	key, err := g.DeleteKey(c, c.Param("key"))
	if err != nil {
		s.deny(c, err)
		return
	}
	view := viewKey(&key)
	note(c, key.ID, view, nil)
	c.JSON(http.StatusOK, view)
}
