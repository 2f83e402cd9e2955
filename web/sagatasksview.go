package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TaskView is how a task looks to people.
type TaskView struct {
	Task string `json:"task"`
	// Nodes are those at which workers poll for it, or have some seconds ago; on one machine that is its address.
	Nodes []string `json:"nodes"`
	// Waiting is how many polls wait for it at the node that answers, Parked how many tasks wait there for a worker,
	// Leased how many are with workers that got them there. Oldest is since when the oldest one waits.
	Waiting int    `json:"waiting"`
	Parked  int    `json:"parked"`
	Leased  int    `json:"leased"`
	Oldest  string `json:"oldest,omitempty"`
}

// listTasks answers GET /api/v1/sagas/tasks.
func (s *Server) listTasks(c *gin.Context, t Tasks) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	elsewhere, err := s.polledElsewhere(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[TaskView]{Items: []TaskView{}}
	for _, x := range t.Views() {
		v := TaskView{
			Task: x.Task, Nodes: []string{}, Waiting: x.Waiting, Parked: x.Parked, Leased: x.Leased, Oldest: when(x.Oldest),
		}
		if x.Polled {
			v.Nodes = append(v.Nodes, s.self())
		}
		v.Nodes = append(v.Nodes, elsewhere[x.Task]...)
		delete(elsewhere, x.Task)
		out.Items = append(out.Items, v)
	}
	for task, nodes := range elsewhere {
		out.Items = append(out.Items, TaskView{Task: task, Nodes: nodes})
	}
	slices.SortFunc(out.Items, func(a, b TaskView) int { return strings.Compare(a.Task, b.Task) })
	c.JSON(http.StatusOK, out)
}

// polledElsewhere returns the tasks for which workers poll at other nodes, with these.
func (s *Server) polledElsewhere(ctx context.Context) (map[string][]string, error) {
	all := map[string][]string{}
	if s.o.RemoteSessions == nil {
		return all, nil
	}
	remote, err := s.o.RemoteSessions(ctx)
	for i := range remote {
		if task, ok := taskSession(&remote[i]); ok {
			all[task] = append(all[task], remote[i].Node)
		}
	}
	for task, nodes := range all {
		slices.Sort(nodes)
		all[task] = slices.Compact(nodes)
	}
	return all, err
}

// taskSession returns the task that workers poll for, if that is what a session says.
func taskSession(x *orchestrator.RemoteSession) (task string, ok bool) {
	task, ok = strings.CutPrefix(x.Resource, orchestrator.TaskResource(""))
	return task, ok && x.IP == ""
}

// unfetched is a step that waits for a worker.
type unfetched struct {
	branch *txn.Branch
	task   string
	since  txn.Millis // 0: not known
	polled bool
}

// unfetchedOf returns the steps of a saga that wait for a worker: those that are parked here, and those for which
// nobody polls anywhere.
func (s *Server) unfetchedOf(g *txn.Global, elsewhere []orchestrator.RemoteSession, now txn.Millis) (all []unfetched) {
	if s.o.Tasks == nil || g.Saga == nil || g.Status.Ended() {
		return nil
	}
	op := opOf(g)
	polled := func(task string) bool {
		far := func(x orchestrator.RemoteSession) bool {
			name, ok := taskSession(&x)
			return ok && name == task && (x.Application == "" || x.Application == g.Application)
		}
		return s.o.Tasks.Polled(task, g.Application, g.Group) || slices.ContainsFunc(elsewhere, far)
	}
	for _, b := range g.Branches {
		if b.Step == nil || !b.NeedsPhaseTwo() || b.InFlightUntil == 0 && b.NextAt == 0 {
			continue
		}
		if task, since, parked := s.o.Tasks.Parked(g.XID.ID, b.ID, op); parked {
			all = append(all, unfetched{b, task, since, polled(task)})
		} else if op == txn.Forward && b.Kind == txn.StepWorker && b.State == txn.Registered && !b.InFlight(now) &&
			!polled(b.Resource) {
			all = append(all, unfetched{b, b.Resource, 0, false})
		}
	}
	return all
}

// fetching are the causes that have to do with workers.
func (k *known) fetching() (all []Cause) {
	for _, u := range k.unfetched {
		data := CauseData{
			Branch: decimal(u.branch.ID), Kind: u.branch.Kind.String(), Resource: u.task, Since: when(u.since),
			Attempts: u.branch.Attempts, Error: u.branch.Failure,
		}
		if u.polled {
			all = append(all, cause(weighsOngoing, "workersBusy", data,
				"Step %s waits for a worker: all that poll for task %s have something to do.", u.branch.Step.Name, u.task))
			continue
		}
		all = append(all, cause(weighsPlace, "noWorker", data,
			"Step %s waits for a worker: no worker polls for task %s.", u.branch.Step.Name, u.task))
	}
	return all
}

// withdraw takes the task of a step back, if it waits for a worker here, so that a person may act on the step.
func (s *Server) withdraw(id, branch int64) {
	if s.o.Tasks == nil || branch == 0 {
		return
	}
	for _, op := range []txn.Outcome{txn.Forward, txn.Rollback} {
		s.o.Tasks.Withdraw(id, branch, op)
	}
}

// unclaimed reports whether the task of a step waits for a worker here.
func (s *Server) unclaimed(g *txn.Global, branch int64) bool {
	if s.o.Tasks == nil {
		return false
	}
	_, _, parked := s.o.Tasks.Parked(g.XID.ID, branch, opOf(g))
	return parked
}

// opOf is what the steps of a saga are asked as it stands.
func opOf(g *txn.Global) txn.Outcome {
	if g.Status.Decided() {
		return txn.Rollback
	}
	return txn.Forward
}
