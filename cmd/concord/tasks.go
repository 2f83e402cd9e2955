package main

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/relay"
	"github.com/concord-tx/concord/tasks"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/web"
)

// openTasks adds the transport of steps that workers fetch to the routes.
func (n *node) openTasks(routes orchestrator.Routes, c *orchestrator.Options, o tasks.Options) {
	o.Logger = n.logger
	n.tasks = tasks.New(o)
	routes[txn.StepWorker], c.Recall = n.tasks, n.tasks.Recall
}

// openTasks has tasks for which no worker polls here handed over to nodes at which one does.
func (m *cluster) openTasks(n *node, routes orchestrator.Routes, c *orchestrator.Options) {
	n.openTasks(routes, c, tasks.Options{
		Clock: m.store, Valid: m.store.Valid,
		Elsewhere: func(cmd txn.Command) error {
			if m.relay == nil {
				return orchestrator.ErrNobody
			}
			return m.relay.HandOver(cmd)
		},
		Changed: func() {
			if m.relay != nil {
				m.relay.SessionsChanged()
			}
		},
	})
	m.tasks.Store(n.tasks)
}

// local is who is reached at this node: Seata's clients by their sessions, workers by their polls.
type local struct {
	*tc.Server
	tasks *tasks.Queue
}

var _ relay.Local = local{}

// SendFor implements relay.Local. The end of a task is told to the coordinator of the node at which it is told.
func (l local) SendFor(cmd txn.Command, report func(id int64, r txn.Reply)) error {
	if cmd.Kind == txn.StepWorker {
		return l.tasks.Take(cmd)
	}
	return l.Server.SendFor(cmd, report)
}

// sessions lists both for the other nodes.
func (l local) sessions() []orchestrator.SessionEntry {
	return append(l.SessionEntries(), l.tasks.SessionEntries()...)
}

// tasksShown bounds the tasks that have numbers of their own: the label must not grow with what workers ask for.
const tasksShown = 50

// taskSamples are the numbers of the steps that workers fetch.
func (n *node) taskSamples() []web.Sample {
	if n.tasks == nil {
		return nil
	}
	c := n.tasks.Numbers()
	samples := []web.Sample{
		gauge("tx_tasks_parked", "Tasks that wait for a worker.", int64(c.Parked)),
		gauge("tx_tasks_parked_bytes", "Memory that they take.", int64(c.ParkedBytes)),
		gauge("tx_tasks_leased", "Tasks that are with workers.", int64(c.Leased)),
		gauge("tx_task_polls_waiting", "Polls of workers that wait for a task.", int64(c.Waiting)),
		gauge("tx_task_names", "Tasks that are known by name.", int64(c.Names)),
		counter("tx_tasks_given_total", "Tasks that workers were given.", c.Given),
		counter("tx_tasks_ended_total", "Ends of tasks that workers have told.", c.Ended),
		counter("tx_tasks_expired_total", "Leases that ended before the task did.", c.Expired),
		counter("tx_tasks_untaken_total", "Attempts that ended because no worker came.", c.Untaken),
		counter("tx_tasks_returned_total", "Tasks that could not be written to the worker.", c.PutBack),
		counter("tx_tasks_unwanted_total", "Tasks that were not wanted any more when a worker came.", c.Unwanted),
		counter("tx_tasks_handed_over_total", "Tasks that went to another node.", c.HandedOver),
		counter("tx_tasks_refused_total", "Tasks for which there was no room.", c.Full),
	}
	all := n.tasks.Views()
	slices.SortStableFunc(all, func(a, b orchestrator.TaskView) int {
		return cmp.Compare(b.Parked+b.Leased+b.Waiting, a.Parked+a.Leased+a.Waiting)
	})
	for _, v := range all[:min(len(all), tasksShown)] {
		samples = append(samples,
			labelled("task", v.Task, gauge("tx_task_parked", "Tasks that wait for a worker, of the busiest.", int64(v.Parked))),
			labelled("task", v.Task, gauge("tx_task_leased", "Tasks that are with workers, of the busiest.", int64(v.Leased))),
			labelled("task", v.Task, gauge("tx_task_waiting", "Polls that wait for a task, of the busiest.", int64(v.Waiting))))
	}
	return samples
}
