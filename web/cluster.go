package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

// Settings is what the API needs to show and change what counts in the whole cluster.
type Settings interface {
	// Settings lists everything that can be changed at run time.
	Settings(ctx context.Context) ([]SettingView, error)
	// PutSetting changes one; an empty value goes back to what each node is configured with. It returns the new state,
	// or a [*SettingError] for a key or value that cannot be.
	PutSetting(ctx context.Context, key, value, actor string) (SettingView, error)
}

// SettingView is one setting that can be changed at run time.
type SettingView struct {
	Key string `json:"key"`
	// Value is what counts on this node now; Own is what it is configured with.
	Value string `json:"value"`
	Own   string `json:"own"`
	// Changed is true if the cluster's value overrules the node's own.
	Changed   bool   `json:"changed"`
	ChangedBy string `json:"changedBy,omitempty"`
	ChangedAt string `json:"changedAt,omitempty"`
	Doc       string `json:"doc"`
}

// SettingError says why a setting cannot be changed so.
type SettingError struct {
	Key, Text string
	Unknown   bool // there is no such key, or it cannot be changed at run time
}

// Error names the key.
func (e *SettingError) Error() string { return e.Key + ": " + e.Text }

// NodeView is one coordinator of the cluster.
type NodeView struct {
	ID         string `json:"id"`
	Epoch      int64  `json:"epoch"`
	Advertise  string `json:"advertise"`
	Internal   string `json:"internal,omitempty"`
	Version    string `json:"version"`
	State      string `json:"state"` // "alive", "draining" or "gone"
	JoinedAt   string `json:"joinedAt,omitempty"`
	LeaseUntil string `json:"leaseUntil,omitempty"`
	// Self is true for the node that answers.
	Self bool `json:"self"`
}

// listNodes answers GET /api/v1/nodes.
func (s *Server) listNodes(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := s.nodeViews(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, Page[NodeView]{Items: all})
}

// nodeViews lists the nodes of the cluster; one machine lists itself.
func (s *Server) nodeViews(ctx context.Context) ([]NodeView, error) {
	if s.o.Nodes == nil {
		return []NodeView{{
			ID: s.o.Prefix, Advertise: s.o.Prefix, Version: s.o.Version.Version, State: "alive", Self: true,
		}}, nil
	}
	nodes, err := s.o.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := []NodeView{}
	for _, n := range nodes {
		out = append(out, viewNode(n, s.o.Node))
	}
	return out, nil
}

func viewNode(n orchestrator.Node, self string) NodeView {
	state := "gone"
	switch {
	case n.Alive && n.Draining:
		state = "draining"
	case n.Alive:
		state = "alive"
	}
	return NodeView{
		ID: n.ID, Epoch: n.Epoch, Advertise: n.Advertise, Internal: n.Internal, Version: n.Version, State: state,
		JoinedAt: when(n.JoinedAt), LeaseUntil: when(n.LeaseUntil), Self: n.ID == self,
	}
}

// problemOneMachine answers what only a cluster has.
var problemOneMachine = Problem{
	Status: http.StatusConflict, Code: "notACluster",
	Title: "This server runs on one machine.",
	Detail: "Settings that change at run time are kept in a cluster's database; here change the configuration and " +
		"restart.",
}

// listSettings answers GET /api/v1/settings.
func (s *Server) listSettings(c *gin.Context) {
	if s.o.Settings == nil {
		s.refuse(c, problemOneMachine)
		return
	}
	all, err := s.o.Settings.Settings(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, Page[SettingView]{Items: all})
}

// settingBody is the body of a change.
type settingBody struct {
	Value string `json:"value"`
}

// putSetting answers PUT /api/v1/settings/{key}.
func (s *Server) putSetting(c *gin.Context) {
	if s.o.Settings == nil {
		s.refuse(c, problemOneMachine)
		return
	}
	var body settingBody
	decoder := json.NewDecoder(c.Request.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		s.fail(c, &argumentError{`the body is not {"value": "..."}: ` + explainJSON(err)})
		return
	}
	now, err := s.o.Settings.PutSetting(c, c.Param("key"), strings.TrimSpace(body.Value), actorOf(c))
	var mistake *SettingError
	switch {
	case errors.As(err, &mistake) && mistake.Unknown:
		s.refuse(c, Problem{
			Status: http.StatusNotFound, Code: "settingNotFound", Title: "No setting of this name changes at run time.",
			Detail: mistake.Error(),
		})
	case errors.As(err, &mistake):
		s.fail(c, &argumentError{mistake.Error()})
	case err != nil:
		s.fail(c, err)
	default:
		c.JSON(http.StatusOK, now)
	}
}
