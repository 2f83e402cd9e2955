package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// A job is an operation on everything that matches a filter. Making one fixes which transactions are meant and what
// would be done to each; starting it carries that out, each only if its plan is still the same. What became of each is
// kept for jobKept. A job belongs to the node that runs it; one whose node is gone is shown as interrupted and may be
// started again, which goes on with what is not done.

const (
	jobKind   = "job"
	chunkKind = "job-items"

	jobKept    = 7 * 24 * time.Hour
	plannedFor = 15 * time.Minute // how long a job may be looked at before it is started
	// jobItemsMax bounds the transactions of a job, chunkItems those that are stored in one document.
	jobItemsMax = 100_000
	chunkItems  = 500
	// jobRateMax and jobRate are the most and the usual number of operations a second.
	jobRateMax = 5000
	jobRate    = 200
	// heartbeatLate is after how long without a word a running job counts as interrupted.
	heartbeatLate = 30 * time.Second
	// jobSample is how many plans are shown.
	jobSample = 5
	// jobNamedMax bounds the transactions that a request names one by one.
	jobNamedMax = 1000
)

// JobState is where a job stands.
type JobState string

// The states of a job. Interrupted is never stored: it is what a running job of a node that is gone looks like.
const (
	JobPlanned     JobState = "planned"
	JobRunning     JobState = "running"
	JobDone        JobState = "done"
	JobCancelled   JobState = "cancelled"
	JobInterrupted JobState = "interrupted"
)

// JobFilter says which transactions are meant. All fields may be missing, but not all of them.
type JobFilter struct {
	Status      string `json:"status,omitempty"`
	Stuck       bool   `json:"stuck,omitempty"`
	Live        bool   `json:"live,omitempty"`
	Heuristic   bool   `json:"heuristic,omitempty"`
	Application string `json:"application,omitempty"`
	Group       string `json:"group,omitempty"`
	Name        string `json:"name,omitempty"`
	// Saga is the definition that runs run, Key the caller's name of one of them, Kind that of one branch or more.
	Saga string `json:"saga,omitempty"`
	Key  string `json:"key,omitempty"`
	Kind string `json:"kind,omitempty"`
	// Since and Until are times or ages, as in a list.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
}

// Job is how a job looks, and how it is stored.
type Job struct {
	ID     string    `json:"id"`
	State  JobState  `json:"state"`
	Action string    `json:"action"`
	Filter JobFilter `json:"filter"`
	// Named is how many transactions were named one by one, instead of a filter.
	Named int `json:"named,omitempty"`
	// RatePerSecond bounds how many operations begin in a second.
	RatePerSecond int `json:"ratePerSecond"`
	// Total is how many transactions are meant, More that there were more than a job can have. Refused are those among
	// the matching for which the operation is not allowed; they are not part of the job.
	Total   int  `json:"total"`
	More    bool `json:"more"`
	Refused int  `json:"refused"`
	// Calls, Rows and Leaves add up what the plans say.
	Calls  int `json:"calls"`
	Rows   int `json:"rows"`
	Leaves int `json:"leaves"`
	// Done, Moved and Failed count the results: carried out; passed over, because the plan had changed; failed.
	Done   int `json:"done"`
	Moved  int `json:"moved"`
	Failed int `json:"failed"`
	// Sample has the first plans.
	Sample []PlanView `json:"sample"`
	Digest string     `json:"digest"`
	Actor  string     `json:"actor"`
	Reason string     `json:"reason,omitempty"`
	// ApprovedBy is the second person, where it needs one.
	ApprovedBy string `json:"approvedBy,omitempty"`
	Node       string `json:"node,omitempty"`
	// CreatedAt, StartedAt, UpdatedAt and EndedAt are times, absent before they have come.
	CreatedAt string `json:"createdAt"`
	StartedAt string `json:"startedAt,omitempty"`
	UpdatedAt string `json:"updatedAt"`
	EndedAt   string `json:"endedAt,omitempty"`
}

// JobItem is one transaction of a job.
type JobItem struct {
	XID string `json:"xid"`
	// Result is pending, done, moved or failed; Code and Detail say why not done.
	Result string `json:"result"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// storedItem is a JobItem with what is needed to carry it out.
type storedItem struct {
	JobItem
	Number int64  `json:"id"`
	Digest string `json:"digest"`
}

// jobBody asks for a job.
type jobBody struct {
	Action string    `json:"action"`
	Filter JobFilter `json:"filter"`
	// XIDs names transactions one by one, at most jobNamedMax, instead of a filter.
	XIDs          []string `json:"xids"`
	RatePerSecond int      `json:"ratePerSecond"`
}

// startBody starts a job.
type startBody struct {
	Digest string `json:"digest"`
	Reason string `json:"reason"`
}

var (
	problemNoJob = Problem{
		Status: http.StatusNotFound, Code: "jobNotFound", Title: "There is no such job, or it is past retention.",
	}
	problemJobState = Problem{
		Status: http.StatusConflict, Code: "jobStateInvalid", Title: "The job is not in a state for that.",
	}
	problemJobDigest = Problem{ // what the runtime says of a transaction's plan
		Status: http.StatusPreconditionFailed, Code: string(orchestrator.CodePlanChanged),
		Title: "This is not the digest of the job's plan.",
	}
)

// makeJob answers POST /api/v1/jobs.
func (s *Server) makeJob(c *gin.Context) {
	var body jobBody
	err := readBody(c, &body)
	var op txn.Operation
	if err == nil {
		op, err = operationOf(body.Action, "")
	}
	if op.Action == txn.ActionFinish {
		err = &argumentError{"finish is of one saga, which somebody has looked at"}
	}
	var next source
	if err == nil {
		next, err = s.jobSource(&body)
	}
	if err == nil && (body.RatePerSecond < 0 || body.RatePerSecond > jobRateMax) {
		err = &argumentError{fmt.Sprintf("ratePerSecond is a number from 1 to %d", jobRateMax)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if op.Action.Heuristic() {
		if err := must(c, access.Resolver); err != nil {
			s.fail(c, err)
			return
		}
	}
	now := when(s.o.Clock.Now())
	job := &Job{
		ID: strings.ToLower(rand.Text()), State: JobPlanned, Action: body.Action, Filter: body.Filter,
		RatePerSecond: cmp.Or(body.RatePerSecond, jobRate), Actor: actorOf(c), CreatedAt: now, UpdatedAt: now,
		Sample: []PlanView{}, Named: len(body.XIDs),
	}
	job.ID = fmt.Sprintf("%013d-%s", s.o.Clock.Now(), job.ID[:8])
	items, err := s.selectItems(c, job, next, op)
	if err == nil {
		err = s.storeJob(c, job, items)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Location", "/api/v1/jobs/"+job.ID)
	c.JSON(http.StatusCreated, job)
}

// storeJob stores a new job: first its items, so that a job that is seen has them.
func (s *Server) storeJob(ctx context.Context, job *Job, items []storedItem) error {
	until := s.o.Clock.Now().Add(jobKept)
	for n := 0; n*chunkItems < len(items); n++ {
		chunk := items[n*chunkItems : min(len(items), (n+1)*chunkItems)]
		if err := s.put(ctx, chunkKind, chunkKey(job.ID, n), 1, chunk, until); err != nil {
			return err
		}
	}
	return s.put(ctx, jobKind, job.ID, 1, job, until)
}

func chunkKey(id string, n int) string { return fmt.Sprintf("%s/%05d", id, n) }

func (s *Server) put(ctx context.Context, kind, key string, version uint64, v any, until txn.Millis) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.o.Documents.PutDocument(ctx, orchestrator.Document{
		Kind: kind, Key: key, Version: version, Value: value, ExpiresAt: until,
	})
}

// job reads a job as it looks now.
func (s *Server) job(ctx context.Context, id string) (*Job, uint64, error) {
	d, err := s.o.Documents.GetDocument(ctx, jobKind, id)
	if err != nil {
		return nil, 0, err
	}
	var job Job
	if err := json.Unmarshal(d.Value, &job); err != nil {
		return nil, 0, fmt.Errorf("read job %s: %w", id, err)
	}
	s.judge(&job)
	return &job, d.Version, nil
}

// judge notes that a running job has not been heard of for too long.
func (s *Server) judge(job *Job) {
	at, err := time.Parse(time.RFC3339, job.UpdatedAt)
	if job.State == JobRunning && (err != nil || s.o.Clock.Now().Time().Sub(at) > heartbeatLate) {
		job.State = JobInterrupted
	}
}

// failJob answers an error that came of a job.
func (s *Server) failJob(c *gin.Context, err error) {
	if errors.Is(err, orchestrator.ErrNoDocument) {
		s.refuse(c, problemNoJob)
		return
	}
	s.fail(c, err)
}

// listJobs answers GET /api/v1/jobs.
func (s *Server) listJobs(c *gin.Context) {
	p := s.parameters(c, "limit", "cursor")
	q := orchestrator.DocumentQuery{Kind: jobKind, After: p.text("cursor"), Newest: true, Limit: p.limit()}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := s.o.Documents.ListDocuments(c, q)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[Job]{Items: []Job{}}
	for _, d := range all {
		var job Job
		if json.Unmarshal(d.Value, &job) == nil {
			s.judge(&job)
			out.Items = append(out.Items, job)
		}
	}
	if len(all) > 0 { // a page that is long in bytes has fewer items; only an empty one is the end
		out.Next = all[len(all)-1].Key
	}
	c.JSON(http.StatusOK, out)
}

// showJob answers GET /api/v1/jobs/{job}.
func (s *Server) showJob(c *gin.Context) {
	job, _, err := s.job(c, c.Param("job"))
	if err != nil {
		s.failJob(c, err)
		return
	}
	c.JSON(http.StatusOK, job)
}

// itemResults are the results of items.
const (
	itemPending = "pending"
	itemDone    = "done"
	itemMoved   = "moved"
	itemFailed  = "failed"
)

// resultOf reads which results are wanted; "" is all.
func resultOf(p *parameters) string {
	result := p.text("result")
	switch result {
	case "", itemPending, itemDone, itemMoved, itemFailed:
	default:
		p.fail("result is pending, done, moved or failed, not %q", result)
	}
	return result
}

// listJobItems answers GET /api/v1/jobs/{job}/items.
func (s *Server) listJobItems(c *gin.Context) {
	p := s.parameters(c, "cursor", "result")
	from, result := p.number("cursor", 0), resultOf(p)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	job, _, err := s.job(c, c.Param("job"))
	if err != nil {
		s.failJob(c, err)
		return
	}
	out := Page[JobItem]{Items: []JobItem{}}
	// A result may be rare: some chunks are looked at for one page.
	for n := int(min(from, jobItemsMax)); n*chunkItems < job.Total && len(out.Items) == 0; n++ {
		if n == int(from)+selectionPages {
			out.Next = fmt.Sprint(n)
			break
		}
		items, err := s.results(c, job.ID, n, result)
		if err != nil {
			s.failJob(c, err)
			return
		}
		if out.Items = append(out.Items, items...); (n+1)*chunkItems < job.Total {
			out.Next = fmt.Sprint(n + 1)
		} else {
			out.Next = ""
		}
	}
	c.JSON(http.StatusOK, out)
}

// results returns the items of a chunk that have a result.
func (s *Server) results(ctx context.Context, id string, n int, result string) (out []JobItem, err error) {
	items, _, err := s.chunk(ctx, id, n)
	for _, item := range items {
		if result == "" || item.Result == result {
			out = append(out, item.JobItem)
		}
	}
	return out, err
}

func (s *Server) chunk(ctx context.Context, id string, n int) (items []storedItem, version uint64, err error) {
	d, err := s.o.Documents.GetDocument(ctx, chunkKind, chunkKey(id, n))
	if err == nil {
		err = json.Unmarshal(d.Value, &items)
	}
	return items, d.Version, err
}
