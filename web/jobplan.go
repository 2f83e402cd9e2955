package web

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// source returns the transactions that a job is about, page by page; more is false behind the last.
type source func(context.Context) (ids []int64, more bool, err error)

// jobSource checks what is meant: a filter, or transactions that are named.
func (s *Server) jobSource(body *jobBody) (source, error) {
	switch {
	case len(body.XIDs) > 0 && body.Filter != (JobFilter{}):
		return nil, &argumentError{"give a filter or xids, not both"}
	case len(body.XIDs) > 0:
		return namedSource(body.XIDs)
	}
	sel, err := s.jobSelection(body.Filter)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (ids []int64, more bool, err error) {
		page, err := s.selected(ctx, sel)
		for _, g := range page.Items {
			ids = append(ids, g.XID.ID)
		}
		sel.query.Cursor = page.Next
		return ids, page.Next != "", err
	}, nil
}

// namedSource is of transactions that are named, each once.
func namedSource(xids []string) (source, error) {
	if len(xids) > jobNamedMax {
		return nil, &argumentError{fmt.Sprintf("xids names %d transactions, the most is %d; give a filter", len(xids),
			jobNamedMax)}
	}
	var ids []int64
	seen := make(map[int64]bool, len(xids))
	for _, xid := range xids {
		id, err := xidOf(xid)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	}
	return func(context.Context) ([]int64, bool, error) { return ids, false, nil }, nil
}

// jobSelection checks a filter.
func (s *Server) jobSelection(f JobFilter) (sel selection, err error) {
	if f == (JobFilter{}) {
		return sel, &argumentError{"filter is empty: say which transactions are meant"}
	}
	q := &sel.query
	*q = orchestrator.Query{
		Live: f.Live, Stuck: f.Stuck, Application: f.Application, Name: f.Name, Limit: orchestrator.PageItemsMax,
	}
	sel.group, sel.heuristic = f.Group, f.Heuristic
	if err := sel.narrow(f.Saga, f.Key, f.Kind); err != nil {
		return sel, err
	}
	var ok bool
	if f.Status != "" {
		if q.Status, ok = txn.ParseStatus(f.Status); !ok {
			return sel, &argumentError{fmt.Sprintf("filter.status: %q is no status", f.Status)}
		}
	}
	for text, at := range map[*string]*txn.Millis{&f.Since: &q.BeganFrom, &f.Until: &q.BeganTo} {
		if *text == "" {
			continue
		}
		if *at, ok = parseTime(*text, s.o.Clock.Now()); !ok {
			return sel, &argumentError{fmt.Sprintf("filter: %q is no time and no age such as 15m", *text)}
		}
	}
	return sel, nil
}

// selectItems fixes what is meant, and adds up what would be done.
func (s *Server) selectItems(ctx context.Context, job *Job, next source, op txn.Operation) ([]storedItem, error) {
	var items []storedItem
	var digests strings.Builder
	for more := true; more && !job.More; {
		var ids []int64
		var err error
		if ids, more, err = next(ctx); err != nil {
			return nil, err
		}
		for _, id := range ids {
			if len(items) == jobItemsMax {
				job.More = true
				break
			}
			plan, err := await(ctx, func(done func(txn.Plan, error)) { s.o.Coordinator.Plan(id, op, done) })
			var illegal *txn.IllegalEventError
			switch {
			case errors.As(err, &illegal), errors.Is(err, orchestrator.ErrNotFound):
				job.Refused++
				continue
			case err != nil:
				return nil, err
			}
			view := s.viewPlan(plan)
			items = append(items, storedItem{JobItem{XID: view.XID, Result: itemPending}, id, view.Digest})
			digests.WriteString(view.Digest)
			job.add(&view)
		}
	}
	job.Total = len(items)
	job.Digest = hashOf(job.Action, digests.String())[:32]
	return items, nil
}

// add adds up one plan.
func (job *Job) add(view *PlanView) {
	job.Calls, job.Leaves = job.Calls+len(view.Calls), job.Leaves+len(view.Leaves)
	for _, f := range view.Frees {
		job.Rows += f.Rows
	}
	if len(job.Sample) < jobSample {
		job.Sample = append(job.Sample, *view)
	}
}
