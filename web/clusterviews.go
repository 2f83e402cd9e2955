package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Who and what is there: nodes, their parts, and who is connected to them.

// ClusterView is the whole cluster as the node that answers sees it.
type ClusterView struct {
	Node    string     `json:"node"` // who answers
	Version Version    `json:"version"`
	Nodes   []NodeView `json:"nodes"`
	// Ready says whether this node takes new work, Reasons why not; Degraded is what does not work as it should.
	Ready    bool     `json:"ready"`
	Reasons  []Reason `json:"reasons"`
	Degraded []Reason `json:"degraded"`
	// Applications and Resources count what is connected to any node, Clients the connections.
	Applications int `json:"applications"`
	Resources    int `json:"resources"`
	Clients      int `json:"clients"`
	// Unpublished counts decisions that are not known to be published, since UnpublishedSince.
	Unpublished      int64  `json:"unpublished"`
	UnpublishedSince string `json:"unpublishedSince,omitempty"`
	// Targets are the places that this node calls participants at.
	Targets []TargetView `json:"targets"`
}

// TargetView is how a place that participants are called at looks.
type TargetView struct {
	Origin string `json:"origin"`
	State  string `json:"state"` // alive, dead or probed
	// Full is true while no more calls may wait for it.
	Full      bool   `json:"full"`
	Since     string `json:"since,omitempty"`
	ProbeAt   string `json:"probeAt,omitempty"`
	InFlight  int    `json:"inFlight"`
	Queued    int    `json:"queued"`
	Calls     int64  `json:"calls"`
	Failed    int64  `json:"failed"`
	LastError string `json:"lastError,omitempty"`
}

// Place is an application with what it has, or a resource with who has it.
type Place struct {
	Name string `json:"name"`
	// Clients counts connections. Versions are those of the clients that are connected to the node that answers.
	Clients  int      `json:"clients"`
	Versions []string `json:"versions"`
	Nodes    []string `json:"nodes"`
	// Others are the resources of an application, or the applications that have a resource.
	Others []string `json:"others"`
}

// ConfigEntry is one setting as it is in force on the node that answers.
type ConfigEntry struct {
	Key string `json:"key"`
	// Value is never that of a secret.
	Value string `json:"value"`
	// Default is true if nothing else is configured.
	Default bool   `json:"default"`
	Doc     string `json:"doc"`
}

// self names this node.
func (s *Server) self() string { return cmp.Or(s.o.Node, s.o.Prefix) }

// showCluster answers GET /api/v1/cluster.
func (s *Server) showCluster(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	nodes, err := s.nodeViews(c)
	var applications, resources map[string]*place
	if err == nil {
		applications, resources, err = s.places(c)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := ClusterView{
		Node: s.self(), Version: s.o.Version, Nodes: nodes, Ready: true, Reasons: []Reason{}, Degraded: []Reason{},
		Applications: len(applications), Resources: len(resources), Targets: []TargetView{},
	}
	for _, a := range applications {
		out.Clients += a.clients
	}
	if s.o.Ready != nil {
		out.Reasons = append(out.Reasons, s.o.Ready()...)
		out.Ready = len(out.Reasons) == 0
	}
	if s.o.Degraded != nil {
		out.Degraded = append(out.Degraded, s.o.Degraded()...)
	}
	if s.o.Publication != nil {
		if p, err := s.o.Publication(c); err == nil {
			out.Unpublished, out.UnpublishedSince = p.Pending, when(p.OldestAt)
		}
	}
	if s.o.Targets != nil {
		for _, t := range s.o.Targets() {
			out.Targets = append(out.Targets, viewTarget(t))
		}
	}
	c.JSON(http.StatusOK, out)
}

func viewTarget(t Target) TargetView {
	v := TargetView{
		Origin: t.Origin, State: "alive", Full: t.Full, InFlight: t.InFlight, Queued: t.Queued, Calls: t.Calls,
		Failed: t.Failed, LastError: t.LastError,
	}
	switch {
	case t.Probing:
		v.State = "probed"
	case t.Dead:
		v.State = "dead"
	}
	if !t.Since.IsZero() {
		v.Since = when(txn.MillisOf(t.Since))
	}
	if !t.ProbeAt.IsZero() {
		v.ProbeAt = when(txn.MillisOf(t.ProbeAt))
	}
	return v
}

// place gathers what is connected under one name.
type place struct {
	clients                 int
	versions, nodes, others map[string]bool
}

// places gathers who is connected to any node, by application and by resource.
func (s *Server) places(ctx context.Context) (applications, resources map[string]*place, err error) {
	applications, resources = map[string]*place{}, map[string]*place{}
	add := func(all map[string]*place, name, other, version, node string, clients int) {
		p := all[name]
		if p == nil {
			p = &place{versions: map[string]bool{}, nodes: map[string]bool{}, others: map[string]bool{}}
			all[name] = p
		}
		p.clients += clients
		p.nodes[node] = true
		if version != "" {
			p.versions[version] = true
		}
		if other != "" {
			p.others[other] = true
		}
	}
	if s.o.Sessions != nil {
		for _, x := range s.o.Sessions() {
			add(applications, x.Application, "", x.Version, s.self(), 1)
			for _, r := range x.Resources {
				add(applications, x.Application, r, "", s.self(), 0)
				add(resources, r, x.Application, x.Version, s.self(), 1)
			}
		}
	}
	if s.o.RemoteSessions == nil {
		return applications, resources, nil
	}
	remote, err := s.o.RemoteSessions(ctx)
	if err != nil {
		return nil, nil, err
	}
	// A client with several resources is several entries: as many are connected at least as have one of them.
	type far struct{ node, application, ip string }
	most := map[far]int{}
	for _, x := range remote {
		if _, ok := taskSession(&x); ok {
			continue // that is no client of Seata
		}
		key := far{x.Node, x.Application, x.IP}
		most[key] = max(most[key], x.Clients)
		add(applications, x.Application, x.Resource, "", x.Node, 0)
		add(resources, x.Resource, x.Application, "", x.Node, x.Clients)
	}
	for key, n := range most {
		applications[key.application].clients += n
	}
	return applications, resources, nil
}

// listPlaces answers GET /api/v1/applications and /api/v1/resources.
func (s *Server) listPlaces(pick func(applications, resources map[string]*place) map[string]*place) gin.HandlerFunc {
	return func(c *gin.Context) {
		if p := s.parameters(c); p.err != nil {
			s.fail(c, p.err)
			return
		}
		applications, resources, err := s.places(c)
		if err != nil {
			s.fail(c, err)
			return
		}
		out := Page[Place]{Items: []Place{}}
		for name, p := range pick(applications, resources) {
			out.Items = append(out.Items, Place{
				Name: name, Clients: p.clients, Versions: sorted(p.versions), Nodes: sorted(p.nodes), Others: sorted(p.others),
			})
		}
		slices.SortFunc(out.Items, func(a, b Place) int { return cmp.Compare(a.Name, b.Name) })
		c.JSON(http.StatusOK, out)
	}
}

func sorted(set map[string]bool) []string {
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}

// listConfig answers GET /api/v1/config.
func (s *Server) listConfig(c *gin.Context) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	out := Page[ConfigEntry]{Items: []ConfigEntry{}}
	if s.o.Config != nil {
		out.Items = append(out.Items, s.o.Config()...)
	}
	c.JSON(http.StatusOK, out)
}

// clusterRoutes are the routes of what is there.
func (s *Server) clusterRoutes(v1 *gin.RouterGroup) {
	v1.GET("/cluster", s.showCluster)
	v1.GET("/config", s.listConfig)
	v1.GET("/applications", s.listPlaces(func(a, _ map[string]*place) map[string]*place { return a }))
	v1.GET("/resources", s.listPlaces(func(_, r map[string]*place) map[string]*place { return r }))
}
