package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/web/access"
)

// What workers call: they poll for tasks, which are steps of sagas, and tell how these have ended.

// Tasks hands tasks to workers. *tasks.Queue is the real one, and its comments say what these do.
type Tasks interface {
	Poll(ctx context.Context, p orchestrator.TaskPoll) (*orchestrator.TaskBatch, error)
	End(ctx context.Context, id orchestrator.TaskID, r txn.Reply) (*txn.Global, error)
	Extend(ctx context.Context, id orchestrator.TaskID, by time.Duration) (until txn.Millis, g *txn.Global, err error)
	State(ctx context.Context, id orchestrator.TaskID) (*txn.Global, error)
	Views() []orchestrator.TaskView
	Polled(task, application, group string) bool
	Parked(global, branch int64, op txn.Outcome) (task string, since txn.Millis, parked bool)
	Withdraw(global, branch int64, op txn.Outcome) bool
}

// taskRules are those of workers.
func taskRules() map[string]rule {
	const all, task = v1 + "/sagas/tasks", v1 + "/sagas/tasks/:task"
	return map[string]rule{
		"GET " + all: {role: access.Viewer},
		// What a poll takes is not taken again by who repeats it, so nothing of it is stored.
		"POST " + all + "/poll":     {role: access.Service, scope: bodyOf, long: true, secret: true},
		"POST " + task + "/done":    {role: access.Service, scope: bodyOf},
		"POST " + task + "/refused": {role: access.Service, scope: bodyOf},
		"POST " + task + "/failed":  {role: access.Service, scope: bodyOf},
		"POST " + task + "/extend":  {role: access.Service, scope: bodyOf},
	}
}

func (s *Server) taskRoutes(v1 *gin.RouterGroup) {
	v1.GET("/sagas/tasks", s.withTasks(s.listTasks))
	v1.POST("/sagas/tasks/poll", s.withTasks(s.pollTasks))
	v1.POST("/sagas/tasks/:task/done", s.withTasks(s.endTask(readDone)))
	v1.POST("/sagas/tasks/:task/refused", s.withTasks(s.endTask(readRefused)))
	v1.POST("/sagas/tasks/:task/failed", s.withTasks(s.endTask(readFailed)))
	v1.POST("/sagas/tasks/:task/extend", s.withTasks(s.extendTask))
}

// withTasks calls handle, or says that there are no tasks.
func (s *Server) withTasks(handle func(c *gin.Context, t Tasks)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s.o.Tasks == nil {
			s.refuse(c, problemNoRoute)
			return
		}
		handle(c, s.o.Tasks)
	}
}

// SagaTask is how a task looks to the worker that is given it.
type SagaTask struct {
	// ID is what the task is ended with.
	ID   string `json:"id"`
	Task string `json:"task"`
	// XID, Branch and Attempt say which attempt at which step of which run it is. A worker that is given the same
	// branch and operation again, is asked for the same once more.
	XID         string `json:"xid"`
	Branch      string `json:"branch"`
	Attempt     uint32 `json:"attempt"`
	Step        string `json:"step"`
	Saga        string `json:"saga"`
	Version     uint32 `json:"version"`
	Key         string `json:"key,omitempty"`
	Application string `json:"application,omitempty"`
	// Operation is forward, or compensate if the step is undone.
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	// LeaseUntil is until when nobody else is given the task; Until by when the step or the saga has to be done.
	LeaseUntil  string `json:"leaseUntil"`
	Until       string `json:"until,omitempty"`
	Traceparent string `json:"traceparent,omitempty"`
}

// SagaTasks is the answer to a poll.
type SagaTasks struct {
	Tasks []SagaTask `json:"tasks"`
}

func viewTask(g *orchestrator.GivenTask) SagaTask {
	c := &g.Command
	known := c.Identity()
	v := SagaTask{
		ID: g.ID.String(), Task: c.Resource, XID: c.XID.String(), Branch: decimal(known.BranchID), Attempt: known.Attempt,
		Step: known.Step, Application: c.Application, Operation: "forward", Input: json.RawMessage("null"),
		LeaseUntil: when(g.LeaseUntil), Traceparent: c.Trace,
	}
	if c.Data != "" && json.Valid([]byte(c.Data)) {
		v.Input = json.RawMessage(c.Data)
	}
	if run := g.Global.Saga; run != nil {
		v.Saga, v.Version, v.Key = run.Definition, run.Version, run.Key
	}
	if known.Op == txn.Rollback {
		v.Operation = "compensate"
		return v
	}
	until := g.Global.Deadline()
	if b, _ := g.Global.Branch(c.BranchID); b != nil {
		if v.Step = b.Step.Name; b.Step.Until != 0 {
			until = min(until, b.Step.Until)
		}
	}
	v.Until = when(until)
	return v
}

// pollBody is the body of a poll.
type pollBody struct {
	Tasks []string `json:"tasks"`
	// Max is 1 and Wait 0 if they are absent.
	Max    *int   `json:"max"`
	Wait   string `json:"wait"`
	Worker string `json:"worker"`
}

const (
	// taskNameBytesMax bounds the names of tasks and workers.
	taskNameBytesMax = 128
	// taskWriteLimit is how long a worker may take to take its tasks.
	taskWriteLimit = 10 * time.Second
)

// poll checks the body.
func (b *pollBody) poll() (p orchestrator.TaskPoll, err error) {
	p = orchestrator.TaskPoll{Tasks: slices.Compact(slices.Sorted(slices.Values(b.Tasks))), Max: 1}
	if b.Max != nil {
		p.Max = *b.Max
	}
	if b.Wait != "" {
		if p.Wait, err = definition.ParseDuration(b.Wait); err != nil || p.Wait < 0 || p.Wait > orchestrator.TaskWaitMax {
			return p, &argumentError{fmt.Sprintf("wait is a duration up to %s, not %.40q", orchestrator.TaskWaitMax, b.Wait)}
		}
	}
	switch {
	case len(p.Tasks) == 0 || len(p.Tasks) > orchestrator.TaskNamesMax:
		return p, &argumentError{fmt.Sprintf("tasks has 1 to %d names", orchestrator.TaskNamesMax)}
	case p.Max < 1 || p.Max > orchestrator.TasksPerPollMax:
		return p, &argumentError{fmt.Sprintf("max is a number from 1 to %d", orchestrator.TasksPerPollMax)}
	case clean(b.Worker, taskNameBytesMax) != b.Worker:
		return p, &argumentError{fmt.Sprintf("worker is longer than %d bytes, or not printable", taskNameBytesMax)}
	}
	for _, name := range p.Tasks {
		if name == "" || clean(name, taskNameBytesMax) != name {
			return p, &argumentError{fmt.Sprintf("%.140q is not the name of a task", name)}
		}
	}
	return p, nil
}

// pollTasks answers POST /api/v1/sagas/tasks/poll.
func (s *Server) pollTasks(c *gin.Context, t Tasks) {
	var body pollBody
	err := readBody(c, &body)
	var poll orchestrator.TaskPoll
	if err == nil {
		poll, err = body.poll()
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	p := access.From(c)
	poll.Applications, poll.Groups = p.Applications, p.Groups
	rc := http.NewResponseController(c.Writer)
	_ = rc.SetReadDeadline(time.Time{}) // else it would end the request; where it is not supported there is none
	ctx, cancel := s.untilClosing(c)
	defer cancel()
	batch, err := t.Poll(ctx, poll)
	switch {
	case err != nil && ctx.Err() == nil:
		s.fail(c, err)
	case err != nil:
		c.JSON(http.StatusOK, SagaTasks{Tasks: []SagaTask{}}) // the server stops, or nobody hears it
	default:
		batch.Settle(s.writeTasks(c, rc, batch.Tasks))
	}
}

// writeTasks reports whether the worker was written its tasks, as far as can be known: its lease ends if it has not got
// them after all.
func (s *Server) writeTasks(c *gin.Context, rc *http.ResponseController, all []orchestrator.GivenTask) bool {
	out := SagaTasks{Tasks: make([]SagaTask, 0, len(all))}
	for i := range all {
		out.Tasks = append(out.Tasks, viewTask(&all[i]))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil || c.Request.Context().Err() != nil {
		return false
	}
	_ = rc.SetWriteDeadline(time.Now().Add(taskWriteLimit))
	c.Header("Content-Type", "application/json; charset=utf-8")
	c.Header("Content-Length", decimal(int64(text.Len())))
	c.Status(http.StatusOK)
	if _, err := c.Writer.Write(text.Bytes()); err != nil {
		return false
	}
	err := rc.Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// endBody is the body of the end of a task; which fields there are depends on the end.
type endBody struct {
	Result     json.RawMessage `json:"result"`
	Reason     string          `json:"reason"`
	Error      string          `json:"error"`
	RetryAfter string          `json:"retryAfter"`
}

func readDone(b *endBody) (r txn.Reply, err error) {
	if b.Reason != "" || b.Error != "" || b.RetryAfter != "" {
		return r, &argumentError{"done has a result, and nothing else"}
	}
	r.Result = txn.ResultDone
	r.Answer, err = b.answer()
	return r, err
}

func readRefused(b *endBody) (r txn.Reply, err error) {
	if b.Error != "" || b.RetryAfter != "" {
		return r, &argumentError{"refused has a reason and a result, and nothing else"}
	}
	r.Result, r.Text = txn.ResultRefused, printed(b.Reason)
	r.Answer, err = b.answer()
	return r, err
}

func readFailed(b *endBody) (r txn.Reply, err error) {
	if b.Reason != "" || len(b.Result) > 0 {
		return r, &argumentError{"failed has an error and retryAfter, and nothing else"}
	}
	r.Result, r.Text = txn.ResultFailed, printed(b.Error)
	if b.RetryAfter != "" {
		if r.After, err = definition.ParseDuration(b.RetryAfter); err != nil || r.After < 0 {
			return r, &argumentError{fmt.Sprintf("retryAfter is a duration, not %.40q", b.RetryAfter)}
		}
	}
	return r, nil
}

// answer is the result as it is kept.
func (b *endBody) answer() (string, error) {
	if len(b.Result) == 0 {
		return "", nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b.Result); err != nil {
		return "", &argumentError{"result is not JSON"}
	}
	if compact.Len() > limits.PayloadBytesMax {
		return "", &argumentError{fmt.Sprintf("result is longer than %d bytes", limits.PayloadBytesMax)}
	}
	return compact.String(), nil
}

// printed is what a program says for people: one printable line. The core cuts it off where it is too long.
func printed(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// TaskEnd is the answer to the end of a task.
type TaskEnd struct {
	XID    string `json:"xid"`
	Status string `json:"status"`
	// Branch and State are the step and what became of it.
	Branch string `json:"branch"`
	State  string `json:"state"`
}

// endTask answers the ends of tasks.
func (s *Server) endTask(read func(*endBody) (txn.Reply, error)) func(c *gin.Context, t Tasks) {
	return func(c *gin.Context, t Tasks) {
		var body endBody
		var r txn.Reply
		id, err := s.taskOf(c, t)
		if err == nil {
			err = readBody(c, &body)
		}
		if err == nil {
			r, err = read(&body)
		}
		var g *txn.Global
		if err == nil {
			g, err = t.End(c, id, r)
		}
		if err != nil {
			s.failTask(c, id, g, err)
			return
		}
		s.about(c, g)
		out := TaskEnd{XID: g.XID.String(), Status: g.Status.String(), Branch: decimal(id.Branch)}
		if b, _ := g.Branch(id.Branch); b != nil {
			out.State = b.State.String()
		}
		c.JSON(http.StatusOK, out)
	}
}

// extendBody is the body of an extension.
type extendBody struct {
	By string `json:"by"`
}

// TaskLease is the answer to an extension.
type TaskLease struct {
	LeaseUntil string `json:"leaseUntil"`
}

// extendTask answers POST /api/v1/sagas/tasks/{task}/extend.
func (s *Server) extendTask(c *gin.Context, t Tasks) {
	var body extendBody
	id, err := s.taskOf(c, t)
	if err == nil {
		err = readBody(c, &body)
	}
	by := time.Duration(0)
	if err == nil {
		if by, err = definition.ParseDuration(body.By); err != nil || by <= 0 || by > orchestrator.TaskExtendMax {
			err = &argumentError{fmt.Sprintf("by is a duration up to %s, not %.40q", orchestrator.TaskExtendMax, body.By)}
		}
	}
	var until txn.Millis
	var g *txn.Global
	if err == nil {
		until, g, err = t.Extend(c, id, by)
	}
	if err != nil {
		s.failTask(c, id, g, err)
		return
	}
	s.about(c, g)
	c.JSON(http.StatusOK, TaskLease{LeaseUntil: when(until)})
}

// taskOf reads the task in the path. Who is restricted to other applications does not get it.
func (s *Server) taskOf(c *gin.Context, t Tasks) (orchestrator.TaskID, error) {
	id, ok := orchestrator.ParseTaskID(c.Param("task"))
	if !ok {
		return id, &argumentError{"this is not the id of a task"}
	}
	p := access.From(c)
	if !p.Restricted() {
		return id, nil
	}
	g, err := t.State(c, id)
	if err != nil {
		return id, err
	}
	return id, allowed(p, g.Application, g.Group)
}

// failTask answers with what an error means, and for a task that is lost with what has become of it.
func (s *Server) failTask(c *gin.Context, id orchestrator.TaskID, g *txn.Global, err error) {
	var illegal *txn.IllegalEventError
	if !errors.As(err, &illegal) || illegal.Reason != txn.TaskLost || g == nil {
		s.fail(c, err)
		return
	}
	info := orchestrator.Describe(err)
	s.refuse(c, Problem{Status: info.HTTP, Code: string(info.Code), Title: info.Sentence, Detail: taskFate(g, id)})
}

// taskFate says what has become of a task that was lost.
func taskFate(g *txn.Global, id orchestrator.TaskID) string {
	b, _ := g.Branch(id.Branch)
	switch {
	case g.Status.Ended():
		return "The saga has ended: " + g.Status.String() + "."
	case b == nil || b.Step == nil:
		return ""
	case id.Op == txn.Forward && g.Status != txn.Active:
		return "The saga is being undone, because: " + cmp.Or(g.Saga.Failure, g.Cause.String()) + "."
	case id.Op == txn.Rollback && b.State == txn.Finished:
		return "The step is undone already."
	case b.State == txn.Skipped:
		return "A person has skipped it."
	case b.Step.GaveUp:
		return "The step was given up: " + b.Failure + "."
	case id.Op == txn.Forward && b.State == txn.PhaseOneDone:
		return "The step is done already, by another answer."
	case b.State == txn.PhaseOneFailed || b.State == txn.Refused:
		return "It was refused: " + b.Failure + "."
	case b.Attempts > id.Attempt:
		return fmt.Sprintf("Attempt %d was begun after this one, which is %d.", b.Attempts, id.Attempt)
	}
	return "Its lease is over, and the next attempt is planned."
}
