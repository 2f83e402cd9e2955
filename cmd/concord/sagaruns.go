package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
)

// sagaRun is a run as the API shows it.
type sagaRun struct {
	XID         string          `json:"xid"`
	Saga        string          `json:"saga"`
	Version     uint32          `json:"version"`
	Key         string          `json:"key"`
	Application string          `json:"application"`
	Status      string          `json:"status"`
	Stuck       bool            `json:"stuck"`
	StuckReason string          `json:"stuckReason"`
	Cause       string          `json:"cause"`
	Heuristic   bool            `json:"heuristic"`
	Late        bool            `json:"late"`
	LateMs      int64           `json:"lateMs"`
	Explanation string          `json:"explanation"`
	Advice      string          `json:"advice"`
	BeganAt     string          `json:"beganAt"`
	DeadlineAt  string          `json:"deadlineAt"`
	DecidedAt   string          `json:"decidedAt"`
	EndedAt     string          `json:"endedAt"`
	Input       json.RawMessage `json:"input"`
	Output      json.RawMessage `json:"output"`
	Failure     string          `json:"failure"`
	Steps       []runStep       `json:"steps"`
	Waits       []runWait       `json:"waits"`
	Timeline    []runEvent      `json:"timeline"`
	Actions     []string        `json:"actions"`
}

// runStep is a step of a run.
type runStep struct {
	Branch        string          `json:"branch"`
	Name          string          `json:"name"`
	ID            string          `json:"id"`
	Kind          string          `json:"kind"`
	State         string          `json:"state"`
	Attempts      int             `json:"attempts"`
	StartedAt     string          `json:"startedAt"`
	EndedAt       string          `json:"endedAt"`
	NextAttemptAt string          `json:"nextAttemptAt"`
	Until         string          `json:"until"`
	Code          int             `json:"code"`
	Answer        json.RawMessage `json:"answer"`
	Failure       string          `json:"failure"`
	Pivot         bool            `json:"pivot"`
	ByHand        bool            `json:"byHand"`
	Undo          *runUndo        `json:"undo"`
}

// runUndo is the compensation of a step.
type runUndo struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	EndedAt  string `json:"endedAt"`
	Failure  string `json:"failure"`
}

// runWait is what a run waits for.
type runWait struct {
	Step   string   `json:"step"`
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	Prompt string   `json:"prompt"`
	By     []string `json:"by"`
	Until  string   `json:"until"`
}

// runEvent is one thing that happened.
type runEvent struct {
	At      string `json:"at"`
	Event   string `json:"event"`
	Step    string `json:"step"`
	Attempt int    `json:"attempt"`
	Text    string `json:"text"`
	Actor   string `json:"actor"`
}

// The statuses of a run that has ended.
const (
	statusCommitted  = "Committed"
	statusRolledBack = "RolledBack"
)

// statusByWord has the statuses by the words that people see; the statuses themselves are understood, too.
var statusByWord = map[string]string{
	"running": "Active", "compensating": "RollingBack", "done": statusCommitted, "compensated": statusRolledBack,
	"Active": "Active", "Committing": "Committing", "RollingBack": "RollingBack",
	statusCommitted: statusCommitted, statusRolledBack: statusRolledBack,
}

// ended reports whether nothing more happens.
func (r *sagaRun) ended() bool { return r.Status == statusCommitted || r.Status == statusRolledBack }

// word says in a word how the run stands.
func (r *sagaRun) word() string {
	switch {
	case r.Status == statusCommitted:
		return "done"
	case r.Status == statusRolledBack:
		return "compensated"
	case r.Stuck:
		return "STUCK"
	case r.Status == "RollingBack":
		return "compensating"
	case len(r.Waits) > 0 && r.Waits[0].Kind != waitTimer:
		return "waiting"
	}
	return "running"
}

// state is the word, and that the run is late if it is.
func (r *sagaRun) state() string {
	if r.Late {
		return r.word() + ", late"
	}
	return r.word()
}

// waitTimer is a wait for a time, which nobody has to do anything about.
const waitTimer = "timer"

// runPath is that of a run, with a verb or without.
func runPath(xid, verb string) string {
	p := "/sagas/runs/" + url.PathEscape(xid)
	if verb != "" {
		p += "/" + verb
	}
	return p
}

func (a *app) sagaRuns() *cobra.Command {
	var f struct {
		saga, key, status, application, from, to, cursor string
		stuck, live, late                                bool
		limit                                            int
	}
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List runs of sagas, newest first",
		Example: `  concord saga runs --saga travel --live
  concord saga runs --stuck --output json
  concord saga runs --saga travel --key order-7`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.key != "" && f.saga == "" {
				return usageError{fmt.Errorf("--key needs --saga: keys are those of a saga")}
			}
			if f.status != "" && statusByWord[f.status] == "" {
				return usageError{fmt.Errorf("--status is running, compensating, done or compensated, not %q", f.status)}
			}
			q := url.Values{}
			for name, value := range map[string]string{
				"saga": f.saga, "key": f.key, "status": statusByWord[f.status], "application": f.application,
				"from": f.from, "to": f.to, "cursor": f.cursor,
				"stuck": strconv.FormatBool(f.stuck), "live": strconv.FormatBool(f.live),
				"late": strconv.FormatBool(f.late),
			} {
				if value != "" && value != "false" {
					q.Set(name, value)
				}
			}
			page, err := pages[sagaRun](cmd.Context(), a, "/sagas/runs", q, f.limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error { return a.drawRuns(page.Items, page.Next != "") })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.saga, "saga", "", "only runs of this saga")
	flags.StringVar(&f.key, "key", "", "only the run that was started with this key; needs --saga")
	flags.StringVar(&f.status, "status", "", "only these: running, compensating, done or compensated")
	flags.BoolVar(&f.stuck, "stuck", false, "only those that need a person")
	flags.BoolVar(&f.live, "live", false, "only those that have not ended")
	flags.BoolVar(&f.late, "late", false, "only those that have gone on after their deadline")
	flags.StringVar(&f.application, "application", "", "only those that this application started")
	flags.StringVar(&f.from, "from", "", "only those begun since then, as 2026-01-31T15:04:05Z")
	flags.StringVar(&f.to, "to", "", "only those begun before then")
	pageFlags(cmd, &f.limit, &f.cursor)
	return cmd
}

func (a *app) drawRuns(items []sagaRun, more bool) error {
	empty := "No run matches."
	if more { // the server looks at so many at once
		empty = "No run matches among those that were looked at so far."
	}
	return a.table(empty, "XID\tSAGA\tSTATUS\tBEGAN\tTOOK\tKEY", len(items), func(w io.Writer, i int) {
		r := &items[i]
		_, _ = fmt.Fprintf(w, "%s\t%s@%d\t%s\t%s\t%s\t%s\n", r.XID, r.Saga, r.Version, r.state(), ago(r.BeganAt),
			dash(took(r.BeganAt, r.EndedAt)), dash(r.Key))
	})
}

// took shows how long something lasted, "" if that is not known.
func took(from, to string) string {
	d, ok := between(from, to)
	if !ok {
		return ""
	}
	return span(d)
}

// between returns how far two times are apart.
func between(from, to string) (time.Duration, bool) {
	start, err := time.Parse(time.RFC3339, from)
	if err != nil {
		return 0, false
	}
	end, err := time.Parse(time.RFC3339, to)
	if err != nil {
		return 0, false
	}
	return max(end.Sub(start), 0), true
}

// span shows a duration that may be short.
func span(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return short(d)
}

// run reads a run.
func (a *app) sagaRun(ctx context.Context, xid string) (*sagaRun, json.RawMessage, error) {
	var r sagaRun
	raw, err := a.get(ctx, runPath(xid, ""), nil, &r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", xid, err)
	}
	return &r, raw, nil
}

func (a *app) sagaRunShow() *cobra.Command {
	var follow, all bool
	cmd := &cobra.Command{
		Use:   "run XID",
		Short: "Show one run: its steps and attempts over time, what it waits for, and what you can do",
		Long: `Show one run: its steps and attempts over time, what it waits for, and what you can do. Items of loops are
shown together, but for those that are not done; --all shows each, and all that happened.

With --follow what happens is printed as it happens, until the run has ended or is stuck. The exit code is then 0 if it
is done, 3 if it is compensated, 4 if it is stuck, and 5 if it still runs when you interrupt it.`,
		Example: "  concord saga run 10.0.0.5:8091:4194305\n  concord saga run 10.0.0.5:8091:4194305 --follow",
		Args:    exactlyOne("XID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if follow {
				return a.followRun(cmd, args[0], 0, all)
			}
			r, raw, err := a.sagaRun(cmd.Context(), args[0])
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			return drawRun(a.stdout, r, all)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "print what happens until the end")
	cmd.Flags().BoolVar(&all, "all", false, "show each item of loops, and all that happened")
	return cmd
}

// starting is what `concord saga start` was told.
type starting struct {
	key, input, application, deadline string
	patience                          time.Duration
	wait                              bool
}

func (a *app) sagaStart() *cobra.Command {
	var f starting
	cmd := &cobra.Command{
		Use:   "start NAME[@VERSION]",
		Short: "Start a run of a saga",
		Long: `Start a run of a saga, of its newest version unless you name one. The input is checked before anything starts.

With --key, the run can be started again and again: there is one run for each key, and starting it twice with the same
input shows the one that there is. Use a name from your business, such as the number of an order.

With --wait, what happens is printed as it happens. The exit code is then
  0  the saga is done
  3  it is compensated: a step was refused, or the deadline has passed
  4  it is stuck and needs a person
  5  it still runs: --timeout is over, or you have interrupted the command; the run goes on
Without --wait it is 0 when the run is stored. 1 is a failure, 2 a wrong command line.`,
		Example: `  concord saga start travel --key order-7 --input travel.json --wait
  concord saga start travel --input '{"traveller":"ann","from":"FRA","to":"OSL","nights":2}'
  concord saga start travel@2 --input order.json
  generate-input | concord saga start payroll --input - --wait --timeout 10m --output json`,
		Args: exactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.start(cmd, args[0], &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "your name for the run, by which it is started only once")
	flags.StringVar(&f.input, "input", "", "the input: JSON, the name of a file with JSON, or - for standard input")
	flags.StringVar(&f.application, "application", "", "the application that it belongs to")
	flags.StringVar(&f.deadline, "deadline", "", "how long the run may take, as 90m or 7d; else as the definition says")
	flags.BoolVarP(&f.wait, "wait", "w", false, "wait for the end, and print what happens")
	flags.DurationVar(&f.patience, "timeout", 5*time.Minute, "how long --wait waits; 0: as long as it takes")
	return cmd
}

// start starts a run, and waits for its end if that is asked for.
func (a *app) start(cmd *cobra.Command, saga string, f *starting) error {
	if f.key == "" && cmd.Flags().Changed("key") { // a variable of a shell that is not set, mostly
		return usageError{fmt.Errorf("--key is empty, so that each repetition would start another run; leave it out if " +
			"that is meant")}
	}
	name, version, err := sagaVersionOf(saga)
	if err != nil {
		return err
	}
	input, err := jsonArgument(cmd, "input", f.input)
	if err != nil {
		return err
	}
	if err := checkDeadline(f.deadline); err != nil {
		return err
	}
	if f.patience < 0 {
		return usageError{fmt.Errorf("--timeout is a duration such as 90s, and 0 waits for ever, not %s", f.patience)}
	}
	body := map[string]any{"saga": name}
	for key, value := range map[string]string{
		"key": f.key, "application": f.application, "timeout": f.deadline,
	} {
		if value != "" {
			body[key] = value
		}
	}
	if version > 0 {
		body["version"] = version
	}
	if input != nil {
		body["input"] = input
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), requestWait)
	defer cancel()
	req, err := a.request(ctx, http.MethodPost, "/sagas/runs", body)
	if err != nil {
		return err
	}
	var r sagaRun
	resp, raw, err := a.exchange(req, &r)
	if err != nil {
		return a.notStarted(cmd.Context(), name, f.key, raw, err)
	}
	verb := "is started"
	if resp.StatusCode == http.StatusOK {
		verb = "was started before with this key"
	}
	if a.output == "json" && !f.wait {
		return a.printJSON(raw)
	}
	if a.output != "json" {
		_, _ = fmt.Fprintf(a.stdout, "%s  %s version %d %s\n", r.XID, cmp.Or(r.Saga, name), r.Version, verb)
	}
	if f.wait {
		return a.followRun(cmd, r.XID, f.patience, false)
	}
	if a.output != "json" {
		_, err = fmt.Fprintf(a.stdout, "Look at it with: concord saga run %s\n", r.XID)
	}
	return err
}

// checkDeadline has the flag named by an error, since the API calls it otherwise.
func checkDeadline(text string) error {
	if _, err := definition.ParseDuration(text); text != "" && err != nil {
		return usageError{fmt.Errorf("--deadline is a duration such as 90m or 2d, not %q", text)}
	}
	return nil
}

// notStarted explains why a run was not started: the findings of a bad input, the name that was likely meant.
func (a *app) notStarted(ctx context.Context, saga, key string, raw json.RawMessage, err error) error {
	p := problemOf(err)
	switch {
	case p == nil:
		return err
	case p.Status == http.StatusNotFound:
		return a.unknownSaga(ctx, saga, err)
	case p.Code == "keyTaken":
		return fmt.Errorf("%w Look at it with: concord saga runs --saga %s --key %s", err, saga, key)
	}
	a.showUnfit("input", raw)
	return plain(err)
}

// showUnfit says what in an input does not fit its schema, if that is why it was refused.
func (a *app) showUnfit(what string, raw json.RawMessage) {
	var more sagaProblem
	if json.Unmarshal(raw, &more) == nil {
		drawFindings(a.stderr, what, more.Findings)
	}
}
