package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// followFlags are those of `concord decisions --follow`.
type followFlags struct {
	follow bool
	from   string
	count  int
}

func (f *followFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "print decisions as they are published, until it is interrupted")
	flags.StringVar(&f.from, "from", "next", "with --follow: where to begin: oldest, next, or a place in the log")
	flags.IntVar(&f.count, "count", 0, "with --follow: end after so many decisions; 0 goes on")
}

// followAgain is how long a server that ends the stream is asked again, followPause how long between two questions.
const (
	followAgain = 30 * time.Second
	followPause = time.Second
)

// followDecisions prints decisions as they come.
func (a *app) followDecisions(cmd *cobra.Command, f followFlags) error {
	return a.follow(cmd, &reading{
		what: "decisions", path: "/decisions/stream?" + url.Values{"from": {f.from}}.Encode(), left: f.count,
		print: a.printDecision,
		gap: func(data []byte) {
			_, _ = fmt.Fprintf(a.stderr, "concord: decisions are gone, or the log was made anew: %s\n", data)
		},
	})
}

// reading is an event stream that is read over connections that follow each other.
type reading struct {
	what, path string // what it is a stream of, and where, with its query
	left       int    // events to print; 0: no end
	print      func(data []byte) error
	gap        func(data []byte) // events are missing
	last       string            // id of the last event
	heard      time.Time
}

// errEnough ends the reading.
var errEnough = errors.New("enough")

// follow prints a stream until it is interrupted. When the server goes away, as for a restart, it goes on where it was.
func (a *app) follow(cmd *cobra.Command, r *reading) error {
	ctx, stop := a.untilSignal(cmd.Context())
	defer stop()
	r.heard = time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		err := a.readOn(ctx, r)
		var refused *web.Problem
		var usage usageError
		switch {
		case ctx.Err() != nil || errors.Is(err, errEnough):
			return nil
		case errors.As(err, &usage), errors.As(err, &refused) && !refused.Retryable:
			return err
		case r.last == "" || time.Since(r.heard) > followAgain:
			return err
		}
		pause.Reset(followPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// readOn prints what one connection brings.
func (a *app) readOn(ctx context.Context, r *reading) error {
	req, err := a.request(ctx, http.MethodGet, r.path, nil)
	if err != nil {
		return err
	}
	if r.last != "" {
		req.Header.Set("Last-Event-ID", r.last)
	}
	answer, err := a.send(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, answerBytesMax)
	var next received
	for lines.Scan() {
		r.heard = time.Now()
		line := lines.Bytes()
		if len(line) == 0 { // the end of an event; what is cut off before it comes again
			if err := r.take(&next); err != nil {
				return err
			}
			next = received{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "id":
			next.id = string(value)
		case "event":
			next.gap = string(value) == "gap"
		case "data":
			next.data = append(next.data, bytes.Clone(value))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s of %s: %w", r.what, a.server, err)
	}
	return errors.New("the server has ended the stream")
}

// received is what has come of an event.
type received struct {
	id   string
	gap  bool
	data [][]byte
}

// take prints an event that is there as a whole.
func (r *reading) take(x *received) error {
	r.last = cmp.Or(x.id, r.last)
	for _, data := range x.data {
		if x.gap {
			r.gap(data)
			continue
		}
		if err := r.print(data); err != nil {
			return err
		}
		if r.left--; r.left == 0 {
			return errEnough
		}
	}
	return nil
}

// printDecision prints one decision.
func (a *app) printDecision(event []byte) error {
	if a.output == "json" {
		_, err := a.stdout.Write(append(event, '\n'))
		return err
	}
	var e struct {
		Data struct{ XID, Outcome, Cause, DecidedAt, Application, Name string }
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return fmt.Errorf("the server sent what is no event: %w", err)
	}
	d := &e.Data
	_, err := fmt.Fprintf(a.stdout, "%s  %-8s  %s  %s  %s/%s\n", d.DecidedAt, d.Outcome, d.XID, d.Cause,
		dash(d.Application), dash(d.Name))
	return err
}
