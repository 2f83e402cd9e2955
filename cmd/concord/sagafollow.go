package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// How often a run is looked at: soon after something has happened, and less and less if nothing does.
const (
	lookFirst = 50 * time.Millisecond
	lookMax   = time.Second
	lookShare = 4 // the pause is that many times as long as the answer took
)

// followRun prints what happens to a run until it has ended, is stuck, or patience is over; 0 is no bound. The error
// says by its exit code how it ended.
func (a *app) followRun(cmd *cobra.Command, xid string, patience time.Duration, all bool) error {
	ctx, stop := a.untilSignal(cmd.Context())
	defer stop()
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	r, raw, err := a.watchRun(ctx, xid)
	if err != nil {
		return err
	}
	if a.output == "json" {
		err = a.printJSON(raw)
	} else {
		_, _ = fmt.Fprintln(a.stdout)
		err = drawRun(a.stdout, r, all)
	}
	if err != nil {
		return err
	}
	return endOf(r)
}

// endOf says by an exit code how a run has ended; nil if it is done.
func endOf(r *sagaRun) error {
	switch {
	case r.Status == statusCommitted:
		return nil
	case r.Status == statusRolledBack:
		return exitError{fmt.Errorf("%s is compensated%s", r.XID, because(r.Failure)), exitCompensated}
	case r.Stuck:
		return exitError{fmt.Errorf("%s is stuck%s; see what you can do with: concord saga run %s", r.XID,
			because(r.Failure), r.XID), exitStuck}
	}
	return exitError{fmt.Errorf("%s still runs, and goes on; look at it with: concord saga run %s", r.XID, r.XID),
		exitRunning}
}

func because(failure string) string {
	if failure == "" {
		return ""
	}
	return ": " + failure
}

// watchRun prints what happens, and returns the run as it was last seen. A server that goes away is waited for.
func (a *app) watchRun(ctx context.Context, xid string) (*sagaRun, json.RawMessage, error) {
	seen := progress{steps: map[string]string{}}
	pause := time.NewTimer(0)
	defer pause.Stop()
	var last *sagaRun
	var lastRaw json.RawMessage
	delay, heard := lookFirst, time.Now()
	for {
		asked := time.Now()
		// What was begun is read to its end, so that there is something to show when the time is over.
		r, raw, err := a.sagaRun(context.WithoutCancel(ctx), xid)
		switch {
		case err == nil:
			last, lastRaw, heard = r, raw, time.Now()
			if seen.changes(r, func(line string) {
				if a.output != "json" {
					_, _ = fmt.Fprintln(a.stdout, line)
				}
			}) {
				delay = lookFirst
			}
		case last == nil || problemOf(err) != nil && !problemOf(err).Retryable || time.Since(heard) > followAgain:
			return nil, nil, err
		}
		if last.ended() || last.Stuck && err == nil {
			return last, lastRaw, nil
		}
		// A run of thousands of steps is a large answer: most of the time goes by between two questions.
		pause.Reset(max(delay, lookShare*time.Since(asked)))
		delay = min(delay*3/2, lookMax)
		select {
		case <-pause.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return last, lastRaw, nil
			}
			return nil, nil, ctx.Err()
		}
	}
}

// progress is what was printed of a run.
type progress struct {
	steps map[string]string
	waits string
}

// changes prints what is new, and reports whether there was something.
func (p *progress) changes(r *sagaRun, print func(string)) bool {
	news := false
	type told struct {
		after time.Duration
		line  string
	}
	var lines []told
	tell := func(key, state, at, text string) {
		if p.steps[key] == state {
			return
		}
		p.steps[key], news = state, true
		after, _ := between(r.BeganAt, at)
		lines = append(lines, told{after, fmt.Sprintf("%9s  %s", span(after), text)})
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	for i := range r.Steps {
		s := &r.Steps[i]
		text := withFailure(fmt.Sprintf("%-16s %s%s", s.Name, s.State, tries(s.Attempts)), s.State, s.Failure)
		at := cmp.Or(s.EndedAt, now)
		if s.EndedAt == "" && s.Attempts < 2 && s.Failure == "" && r.DecidedAt == "" {
			at = cmp.Or(s.StartedAt, now) // it has been so since then, and the end that is told next may be before now
		}
		tell(s.Name, fmt.Sprint(s.State, s.Attempts, s.Failure), at, text)
		if u := s.Undo; u != nil && u.State != "" {
			text := withFailure(fmt.Sprintf("%-16s undo: %s%s", s.Name, u.State, tries(u.Attempts)), u.State, u.Failure)
			tell(s.Name+" undo", fmt.Sprint(u.State, u.Attempts, u.Failure), cmp.Or(u.EndedAt, now), text)
		}
	}
	slices.SortStableFunc(lines, func(a, b told) int { return cmp.Compare(a.after, b.after) })
	for _, l := range lines {
		print(harmless(l.line))
	}
	var waits []string
	for i := range r.Waits {
		if w := &r.Waits[i]; w.Kind != waitTimer {
			waits = append(waits, fmt.Sprintf("%11s%s:\n%11s%s", "", waitText(w), "", howToAnswer(r.XID, w)))
		}
	}
	if text := strings.Join(waits, "\n"); text != p.waits {
		if p.waits, news = text, true; text != "" {
			print(harmless(text))
		}
	}
	return news
}

// withFailure adds why a step failed, as far as it fits on the line. What runs again has not failed yet.
func withFailure(text, state, failure string) string {
	if failure == "" || state == "running" {
		return text
	}
	return text + ": " + oneLine(failure, max(drawWidth-len("123456789  ")-len(text)-len(": "), failureMin))
}

// failureMin is how many letters of a failure are shown at least.
const failureMin = 24

// tries says how often something was tried, if that was more than once.
func tries(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (attempt %d)", n)
}

// oneLine shortens a text to one line of so many letters.
func oneLine(text string, most int) string {
	return clipped(strings.Join(strings.Fields(text), " "), most)
}

// clipped shortens a text to so many letters.
func clipped(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}
