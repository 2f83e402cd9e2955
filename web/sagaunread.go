package web

import (
	"context"
	"errors"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A run of a saga does not go on at a node that cannot read its definition: a newer server has published it, or it is
// in a language that this one does not have. Nothing of that is in the run's record, because another node may be able
// to. So it is found out when somebody asks.

// reasonUnread is why such a run is stuck, where the record has no reason of its own.
const reasonUnread = "definitionUnreadable"

// unread says why this node cannot read the definition of a run, "" if it can, or if that cannot be said now.
func (s *Server) unread(ctx context.Context, g *txn.Global) string {
	if g.Saga == nil || g.Status.Ended() {
		return ""
	}
	if s.o.Sagas == nil {
		return "this server runs no sagas"
	}
	return s.unreadVersion(ctx, g.Saga.Definition, g.Saga.Version)
}

func (s *Server) unreadVersion(ctx context.Context, saga string, version uint32) string {
	_, _, err := s.o.Sagas.Ready(ctx, saga, version)
	if errors.Is(err, orchestrator.ErrUnreadable) || errors.Is(err, orchestrator.ErrNoDocument) {
		return err.Error()
	}
	return ""
}

// unreadAdvice is what a person can do about it.
const unreadAdvice = "Nothing of the run is lost. Start a server of the version that has published the definition, " +
	"or a newer one; the run goes on by itself."

// unreadable is the cause of a run that this node cannot go on with.
func (k *known) unreadable() (all []Cause) {
	if k.unread == "" {
		return nil
	}
	return []Cause{cause(weighsPerson, reasonUnread, CauseData{Error: k.unread},
		"Nothing of it goes on at this node: %s. %s", k.unread, unreadAdvice)}
}

// markUnread shows a run as stuck if this node cannot go on with it.
func (s *Server) markUnread(ctx context.Context, g *txn.Global, v *SagaRun) {
	if why := s.unread(ctx, g); why != "" {
		v.Stuck, v.StuckReason = true, reasonUnread
		v.Explanation, v.Advice = "Nothing of it goes on at this node: "+why+".", unreadAdvice
		v.Actions = []string{}
	}
}

// markUnreadItems does the same with a page of runs. The filter for what is stuck does not know of them, since their
// records do not say it.
func (s *Server) markUnreadItems(ctx context.Context, items []SagaRunItem) {
	type version struct {
		saga   string
		number uint32
	}
	known := map[version]bool{}
	for i := range items {
		v := &items[i]
		if v.EndedAt != "" || s.o.Sagas == nil {
			continue
		}
		key := version{v.Saga, v.Version}
		unread, asked := known[key]
		if !asked {
			unread = s.unreadVersion(ctx, v.Saga, v.Version) != ""
			known[key] = unread
		}
		if unread {
			v.Stuck, v.StuckReason = true, reasonUnread
		}
	}
}
