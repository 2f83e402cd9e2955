package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/concord-tx/concord/web"
)

// bulkFlags select many transactions for one operation.
type bulkFlags struct {
	filter web.JobFilter
	rate   int
}

func (f *bulkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Status, "status", "", "instead of XIDs: all in this status")
	flags.BoolVar(&f.filter.Stuck, "stuck", false, "instead of XIDs: all that need a person")
	flags.BoolVar(&f.filter.Live, "live", false, "instead of XIDs: all that have not ended")
	flags.StringVar(&f.filter.Application, "application", "", "instead of XIDs: all that this application began")
	flags.StringVar(&f.filter.Name, "name", "", "instead of XIDs: all of this name")
	flags.StringVar(&f.filter.Since, "since", "", "instead of XIDs: all begun since, an age such as 15m or a time")
	flags.StringVar(&f.filter.Until, "until", "", "instead of XIDs: all begun before, an age or a time")
	flags.IntVar(&f.rate, "rate", 0, "with such a filter: how many to begin in a second; 200 if absent")
}

// given reports whether anything is selected.
func (f *bulkFlags) given() bool { return f.filter != web.JobFilter{} }

// bulk makes a job, shows what it would do, asks, starts it and follows it.
func (a *app) bulk(cmd *cobra.Command, verb string, f operationFlags) error {
	body := map[string]any{"action": verb, "filter": f.bulk.filter}
	if f.bulk.rate != 0 {
		body["ratePerSecond"] = f.bulk.rate
	}
	var job web.Job
	raw, err := a.call(cmd.Context(), http.MethodPost, "/jobs", body, &job)
	if err != nil {
		return err
	}
	switch {
	case f.plan && a.output == "json":
		return a.printJSON(raw)
	case f.plan:
		return a.drawJobPlan(a.stdout, &job)
	case job.Total == 0:
		_, err := fmt.Fprintf(a.stderr, "Nothing matches for which that is allowed (%d match, and it is not).\n", job.Refused)
		return err
	}
	if !f.yes {
		if err := a.drawJobPlan(a.stderr, &job); err != nil {
			return err
		}
		if err := a.confirm(cmd.InOrStdin()); err != nil {
			return err
		}
	}
	start := map[string]string{"digest": job.Digest, "reason": f.reason}
	raw, err = a.call(cmd.Context(), http.MethodPost, "/jobs/"+job.ID+"/start", start, &job)
	if err != nil {
		return err
	}
	if asked, err := a.asked(raw); asked {
		return err
	}
	if f.noWait {
		_, err := fmt.Fprintf(a.stdout, "Job %s runs. Follow it with: concord job follow %s\n", job.ID, job.ID)
		return err
	}
	return a.followJob(cmd.Context(), job.ID)
}

// drawJobPlan says in words what a job would do.
func (a *app) drawJobPlan(to io.Writer, job *web.Job) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	more := ""
	if job.More {
		more = ", and there are more than a job can have"
	}
	line("%s of %d transactions%s, %d a second", job.Action, job.Total, more, job.RatePerSecond)
	if job.Refused > 0 {
		line("  passes over\t%d more, for which it is not allowed", job.Refused)
	}
	line("  calls\t%d branches", job.Calls)
	line("  unlocks\t%d rows", job.Rows)
	if job.Leaves > 0 {
		line("  leaves\t%d branches undone", job.Leaves)
	}
	for _, p := range job.Sample {
		line("  such as\t%s: %s, in the end %s", p.XID, p.Status, p.ResultingStatus)
	}
	return w.Flush()
}

// followEvery is the time between two looks at a job.
const followEvery = 250 * time.Millisecond

// terminal is where something that moves is drawn: nowhere if a person does not look.
func (a *app) terminal() io.Writer {
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return io.Discard
}

// followJob shows the progress of a job until it has ended, and then what became of it.
func (a *app) followJob(ctx context.Context, id string) error {
	var job web.Job
	var bar *progressbar.ProgressBar
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if _, err := a.get(ctx, "/jobs/"+url.PathEscape(id), nil, &job); err != nil {
			return err
		}
		if bar == nil {
			bar = progressbar.NewOptions(job.Total, progressbar.OptionSetWriter(a.terminal()), progressbar.OptionShowCount(),
				progressbar.OptionSetDescription(job.Action), progressbar.OptionSetWidth(30), progressbar.OptionShowIts(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		}
		if err := bar.Set(job.Done + job.Moved + job.Failed); err != nil {
			return err
		}
		if job.State != web.JobRunning && job.State != web.JobPlanned {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if err := bar.Clear(); err != nil {
		return err
	}
	if err := a.showJob(ctx, &job); err != nil {
		return err
	}
	if job.Failed > 0 || job.State != web.JobDone {
		return fmt.Errorf("job %s is %s; %d failed", job.ID, job.State, job.Failed)
	}
	return nil
}

// showJob prints a job and those of its items that were not carried out.
func (a *app) showJob(ctx context.Context, job *web.Job) error {
	var missed []web.JobItem
	cursor := url.Values{}
	for job.Moved+job.Failed > 0 {
		var page web.Page[web.JobItem]
		if _, err := a.get(ctx, "/jobs/"+url.PathEscape(job.ID)+"/items", cursor, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if item.Result == "moved" || item.Result == "failed" {
				missed = append(missed, item)
			}
		}
		if page.Next == "" {
			break
		}
		cursor.Set("cursor", page.Next)
	}
	if a.output == "json" {
		return a.printValue(map[string]any{"job": job, "notDone": missed})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "Job %s (%s) is %s: %d done, %d had moved on, %d failed.\n", job.ID, job.Action, job.State,
		job.Done, job.Moved, job.Failed)
	for _, item := range missed {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", item.XID, item.Result, item.Detail)
	}
	return w.Flush()
}

// job is the command that looks at jobs.
func (a *app) job() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List operations on many transactions, newest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.Job]
			raw, err := a.get(cmd.Context(), "/jobs", nil, &page)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "JOB\tACTION\tSTATE\tTOTAL\tDONE\tMOVED\tFAILED\tBY\tREASON")
			for _, j := range page.Items {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", j.ID, j.Action, j.State, j.Total, j.Done, j.Moved,
					j.Failed, j.Actor, j.Reason)
			}
			return w.Flush()
		},
	}
	one := func(use, short string, run func(cmd *cobra.Command, id string) error) *cobra.Command {
		return &cobra.Command{
			Use: use + " JOB", Short: short, Args: oneJob,
			RunE: func(cmd *cobra.Command, args []string) error { return run(cmd, args[0]) },
		}
	}
	show := one("show", "Show a job and what was not carried out", func(cmd *cobra.Command, id string) error {
		var job web.Job
		if _, err := a.get(cmd.Context(), "/jobs/"+url.PathEscape(id), nil, &job); err != nil {
			return err
		}
		return a.showJob(cmd.Context(), &job)
	})
	follow := one("follow", "Show the progress of a job until it has ended", func(cmd *cobra.Command, id string) error {
		return a.followJob(cmd.Context(), id)
	})
	cancel := one("cancel", "Stop a job; what is done stays done", func(cmd *cobra.Command, id string) error {
		var job web.Job
		if _, err := a.call(cmd.Context(), http.MethodPost, "/jobs/"+url.PathEscape(id)+"/cancel", nil, &job); err != nil {
			return err
		}
		return a.showJob(cmd.Context(), &job)
	})
	return a.clientFlags(group(&cobra.Command{
		Use:   "job",
		Short: "Look at operations on many transactions",
		Long: `Look at operations on many transactions. They are made by commit, rollback, retry and release with a filter:

  concord tx retry --stuck --application shop --reason "participant is back"`,
	}, list, show, follow, cancel))
}

func oneJob(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one job: %s JOB", cmd.CommandPath())
	}
	return nil
}
