package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/concord-tx/concord/tc/seata"
)

// listResult is the latency of one kind of list query.
type listResult struct {
	Cell     string    `json:"cell"`
	Machine  string    `json:"machine"`
	Query    string    `json:"query"`
	Finished int64     `json:"finished"`
	Pages    int       `json:"pages"`
	Items    int       `json:"items"`
	Time     quantiles `json:"time"`
}

const (
	listPages  = 200
	listFlight = 256
)

// lists finishes many transactions, then reads pages of the list as the console and the CLI do.
func (s *suite) lists(ctx context.Context) (err error) {
	b, err := newBench(ctx, s.o, s.start)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	w := s.of(seata.BranchAT)
	w.rollback = 1
	r, err := b.run(ctx, cell{name: "fill", w: w, inFlight: listFlight, count: s.o.live})
	if err != nil {
		return err
	}
	s.failed = s.failed || !r.OK
	if err := s.out.say("lists: %d finished in %.1f s, %.0f/s, faults %v", r.Tally.Finished, r.Seconds, r.Rate,
		r.Faults); err != nil {
		return err
	}
	for _, query := range []string{
		"limit=50", "limit=1000", "limit=50&status=RolledBack", "limit=50&application=bench-0",
		"limit=50&live=true", "limit=50&name=" + url.QueryEscape("bench.order(long,int)"),
		"limit=50&application=nobody",
	} {
		l, err := listTimes(ctx, b.server.http, query)
		if err != nil {
			return err
		}
		l.Machine, l.Finished = s.o.machine, s.o.live
		if err := s.out.json(l); err != nil {
			return err
		}
		if err := s.out.say("lists: %-45s %4d pages, %6d items, p50 %.2f ms, p99 %.2f ms, max %.2f ms", l.Query, l.Pages,
			l.Items, l.Time.P50, l.Time.P99, l.Time.Max); err != nil {
			return err
		}
	}
	return nil
}

// page is what the driver reads of an answer.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// listTimes follows the cursors of a query through listPages pages and measures each.
func listTimes(ctx context.Context, address, query string) (listResult, error) {
	r := listResult{Cell: "lists", Query: query}
	times, clk := newLatency(), newClock()
	for cursor := ""; r.Pages < listPages; {
		target := "http://" + address + "/api/v1/transactions?" + query
		if cursor != "" {
			target += "&cursor=" + url.QueryEscape(cursor)
		}
		began := clk.now()
		body, err := get(ctx, target)
		if err != nil {
			return r, fmt.Errorf("list: %w: %s", err, body[:min(len(body), 300)])
		}
		times.record(began, clk.now())
		var p page
		if err := json.Unmarshal(body, &p); err != nil {
			return r, fmt.Errorf("list: %w", err)
		}
		r.Pages++
		r.Items += len(p.Items)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	r.Time = times.quantiles()
	return r, nil
}
