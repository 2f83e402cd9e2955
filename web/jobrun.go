package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// jobsMax bounds the jobs that a node runs at once.
const jobsMax = 4

// startJob answers POST /api/v1/jobs/{job}/start: it starts a planned job, or goes on with an interrupted one.
func (s *Server) startJob(c *gin.Context) {
	var body startBody
	err := readBody(c, &body)
	if err == nil && clean(body.Reason, reasonBytesMax) == "" {
		err = &argumentError{fmt.Sprintf("reason is missing, longer than %d bytes, or not printable", reasonBytesMax)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	job, version, err := s.job(c, c.Param("job"))
	if err != nil {
		s.failJob(c, err)
		return
	}
	if action, _ := txn.ParseAction(job.Action); action.Heuristic() {
		if err := must(c, access.Resolver); err != nil {
			s.fail(c, err)
			return
		}
	}
	created, _ := time.Parse(time.RFC3339, job.CreatedAt)
	switch {
	case job.State != JobPlanned && job.State != JobInterrupted:
		s.refuse(c, problemJobState)
		return
	case job.Digest != body.Digest:
		s.refuse(c, problemJobDigest)
		return
	case job.State == JobPlanned && s.o.Clock.Now().Time().Sub(created) > plannedFor:
		p := problemJobState
		p.Detail = "Its plan is older than " + plannedFor.String() + "; make the job again."
		s.refuse(c, p)
		return
	case s.fourEyes(job.Action) && job.ApprovedBy == "": // one that was interrupted is approved already
		s.ask(c, Approval{Action: job.Action, Job: job.ID, Digest: job.Digest}, body.Reason)
		return
	}
	shown, err := s.launchJob(c, job, version, operator{actorOf(c), clean(body.Reason, reasonBytesMax)})
	if err != nil {
		s.failJob(c, err)
		return
	}
	c.JSON(http.StatusAccepted, shown)
}

// launchJob runs a job in the background, and returns how it looks at the start. Errors: *[Problem] if it is not to be
// started, [orchestrator.ErrBusy], faults.
func (s *Server) launchJob(ctx context.Context, job *Job, version uint64, who operator) (*Job, error) {
	switch {
	case job.State != JobPlanned && job.State != JobInterrupted:
		return nil, &problemJobState
	case s.jobs.Add(1) > jobsMax:
		s.jobs.Add(-1)
		return nil, orchestrator.ErrBusy
	}
	now := when(s.o.Clock.Now())
	job.State, job.Reason, job.Actor, job.Node = JobRunning, who.reason, who.name, s.o.Node
	job.UpdatedAt, job.StartedAt = now, cmp.Or(job.StartedAt, now)
	run := &jobRun{server: s, job: job, version: version}
	if err := run.save(ctx); err != nil { // somebody else was faster, or the store is away
		s.jobs.Add(-1)
		return nil, err
	}
	shown := *job
	go run.run()
	return &shown, nil
}

// cancelJob answers POST /api/v1/jobs/{job}/cancel. A running job ends within moments; what is done stays done.
func (s *Server) cancelJob(c *gin.Context) {
	if err := readBody(c, &struct{}{}); err != nil {
		s.fail(c, err)
		return
	}
	for range 5 {
		job, version, err := s.job(c, c.Param("job"))
		if err != nil {
			s.failJob(c, err)
			return
		}
		if job.State == JobDone || job.State == JobCancelled {
			s.refuse(c, problemJobState)
			return
		}
		now := when(s.o.Clock.Now())
		job.State, job.EndedAt, job.UpdatedAt = JobCancelled, now, now
		err = s.put(c, jobKind, job.ID, version+1, job, s.o.Clock.Now().Add(jobKept))
		switch {
		case errors.Is(err, orchestrator.ErrConflict): // its progress was stored meanwhile
			continue
		case err != nil:
			s.fail(c, err)
			return
		}
		c.JSON(http.StatusOK, job)
		return
	}
	s.fail(c, orchestrator.ErrConflict)
}

// jobRun carries a job out. It is one goroutine's.
type jobRun struct {
	server  *Server
	job     *Job
	version uint64 // of the stored job
}

// errCancelled ends a run whose job was cancelled, or taken over.
var errCancelled = errors.New("job was cancelled")

// save stores the progress.
func (r *jobRun) save(ctx context.Context) error {
	s := r.server
	r.job.UpdatedAt = when(s.o.Clock.Now())
	err := s.put(ctx, jobKind, r.job.ID, r.version+1, r.job, s.o.Clock.Now().Add(jobKept))
	if err == nil {
		r.version++
	}
	return err
}

// run carries the job out, chunk by chunk, and stores what became of each item before the next chunk. The server's end
// interrupts it.
func (r *jobRun) run() {
	s := r.server
	defer s.jobs.Add(-1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	action, _ := txn.ParseAction(r.job.Action)
	limiter := rate.NewLimiter(rate.Limit(r.job.RatePerSecond), 1)
	err := func() error {
		for n := 0; n*chunkItems < r.job.Total; n++ {
			if err := r.chunk(ctx, n, txn.Operation{Action: action}, limiter); err != nil {
				return err
			}
		}
		r.job.State, r.job.EndedAt = JobDone, when(s.o.Clock.Now())
		return r.save(ctx)
	}()
	switch {
	case err == nil:
		s.o.Logger.Info("job is done", "job", r.job.ID, "done", r.job.Done, "moved", r.job.Moved, "failed", r.job.Failed)
	case errors.Is(err, errCancelled):
		s.o.Logger.Info("job was cancelled", "job", r.job.ID, "done", r.job.Done)
	default:
		s.o.Logger.Warn("job is interrupted; it may be started again", "job", r.job.ID, "err", err)
	}
}

// saveEvery is how often progress is stored within a chunk, so that people see it and the job does not look dead.
const saveEvery = time.Second

// chunk carries out the pending items of a chunk.
func (r *jobRun) chunk(ctx context.Context, n int, op txn.Operation, limiter *rate.Limiter) error {
	s := r.server
	items, version, err := s.chunk(ctx, r.job.ID, n)
	if err != nil {
		return err
	}
	saved := time.Now()
	store := func() error {
		version++
		until := s.o.Clock.Now().Add(jobKept)
		if err := s.put(ctx, chunkKind, chunkKey(r.job.ID, n), version, items, until); err != nil {
			return err
		}
		err := r.save(ctx)
		if errors.Is(err, orchestrator.ErrConflict) {
			return errCancelled
		}
		return err
	}
	for i := range items {
		if items[i].Result != itemPending {
			continue
		}
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		r.item(ctx, &items[i], op)
		if time.Since(saved) > saveEvery {
			if err := store(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return store()
}

// item carries the operation out on one transaction and notes what became of it.
func (r *jobRun) item(ctx context.Context, item *storedItem, op txn.Operation) {
	_, err := r.server.carryOutOperation(ctx, operator{
		name: r.job.Actor, reason: r.job.Reason + " (job " + r.job.ID + ")",
	}, item.Number, op, item.Digest)
	var illegal *txn.IllegalEventError
	switch {
	case err == nil:
		item.Result = itemDone
		r.job.Done++
		return
	case errors.Is(err, orchestrator.ErrPlanChanged), errors.Is(err, orchestrator.ErrNotFound), errors.As(err, &illegal):
		item.Result = itemMoved
		r.job.Moved++
	default:
		item.Result = itemFailed
		r.job.Failed++
	}
	info := orchestrator.Describe(err)
	item.Code, item.Detail = string(info.Code), info.Sentence
}
