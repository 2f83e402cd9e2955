package web

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

var (
	problemNoNode = Problem{
		Status: http.StatusNotFound, Code: "nodeNotFound", Title: "The cluster has no node of that name.",
	}
	problemNodeGone = Problem{
		Status: http.StatusConflict, Code: "nodeGone", Title: "The node has left, or its lease is over.",
	}
	problemDraining = Problem{
		Status: http.StatusConflict, Code: "nodeDraining", Title: "The node is drained, or leaves already.",
	}
	problemNotDraining = Problem{
		Status: http.StatusConflict, Code: "nodeNotDraining", Title: "The node is not drained.",
	}
	problemLastNode = Problem{
		Status: http.StatusConflict, Code: "lastNode", Title: "No other node takes clients.",
		Detail: "Start another one, or take back that another one is drained.",
	}
)

// drainBody is the body of POST /api/v1/nodes/{node}/drain. The journal reads the reason.
type drainBody struct {
	// Drain is true if it is absent; false takes it back.
	Drain  *bool  `json:"drain"`
	Reason string `json:"reason"`
}

// drain answers POST /api/v1/nodes/{node}/drain.
func (s *Server) drain(c *gin.Context) {
	var body drainBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	draining := body.Drain == nil || *body.Drain
	if s.o.Drain == nil || s.o.Nodes == nil {
		p := problemOneMachine
		p.Detail = "Clients of one machine have nowhere to go."
		s.refuse(c, p)
		return
	}
	all, err := s.o.Nodes(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	name := c.Param("node")
	if p := undrainable(all, name, draining); p != nil {
		s.refuse(c, *p)
		return
	}
	switch err := s.o.Drain(c, name, draining); {
	case errors.Is(err, orchestrator.ErrNotMember):
		s.refuse(c, problemNodeGone)
		return
	case err != nil:
		s.fail(c, err)
		return
	}
	for _, n := range all {
		if n.ID == name {
			n.Draining = draining
			note(c, name, gin.H{"draining": !draining}, gin.H{"draining": draining})
			c.JSON(http.StatusAccepted, viewNode(n, s.o.Node))
		}
	}
}

// undrainable says why a node cannot be drained, or taken back; nil: it can.
func undrainable(all []orchestrator.Node, name string, draining bool) *Problem {
	var node *orchestrator.Node
	others := 0
	for i, n := range all {
		switch {
		case n.ID == name:
			node = &all[i]
		case n.Alive && !n.Draining:
			others++
		}
	}
	switch {
	case node == nil:
		return &problemNoNode
	case !node.Alive:
		return &problemNodeGone
	case draining && node.Draining:
		return &problemDraining
	case !draining && !node.Draining:
		return &problemNotDraining
	case draining && others == 0:
		return &problemLastNode
	}
	return nil
}
