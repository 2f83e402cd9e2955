package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
)

// twoArguments is the check of commands that take a run and something of it.
func twoArguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 || args[0] == "" || args[1] == "" {
			return fmt.Errorf("name the run and the %s: %s XID %s", strings.ToLower(what), cmd.CommandPath(), what)
		}
		return nil
	}
}

// stepOf returns the name of the step that is meant: by its name, by its id in the definition if only one has it, or by
// the number of its branch. It fails if there is none, and says which was likely meant.
func (a *app) stepOf(ctx context.Context, xid, step string) (r *sagaRun, name string, err error) {
	r, _, err = a.sagaRun(ctx, xid)
	if err != nil || step == "" {
		return r, "", err
	}
	var names, same []string
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.Name == step || s.Branch == step:
			return r, s.Name, nil
		case s.ID == step:
			same = append(same, s.Name)
		}
		names = append(names, s.Name)
	}
	err = fmt.Errorf("%s has no step %q", r.XID, step)
	switch {
	case len(same) == 1:
		return r, same[0], nil
	case len(same) > 1:
		err, names, step = fmt.Errorf("%s has several steps %q", r.XID, step), same, ""
	case len(names) == 0:
		return nil, "", fmt.Errorf("%w; none has begun", err)
	}
	return nil, "", suggest(err, "steps", step, names)
}

// change asks for a change of a run and says what became of it.
func (a *app) change(ctx context.Context, xid, verb string, body any, done string) error {
	var r sagaRun
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	req, err := a.request(ctx, http.MethodPost, runPath(xid, verb), body)
	if err != nil {
		return err
	}
	_, raw, err := a.exchange(req, &r)
	if err != nil {
		what := "data"
		if verb == "skip" {
			what = "result"
		}
		a.showUnfit(what, raw)
		return notChanged(xid, verb, err)
	}
	if asked, err := a.asked(raw); asked {
		return err
	}
	if a.output == "json" {
		return a.printJSON(raw)
	}
	if verb == "cancel" {
		done = cancelled(&r)
	}
	state := ""
	if r.Status != "" {
		state = fmt.Sprintf("; it is %s now", r.word())
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s%s\nLook at it with: concord saga run %s\n", xid, done, state, xid)
	return err
}

// notChanged explains why a change of a run was refused.
func notChanged(xid, verb string, err error) error {
	p := problemOf(err)
	switch {
	case p == nil || p.Code != "branchDone" && p.Code != "transactionNotActive":
		return fmt.Errorf("%s: %w", xid, plain(err))
	case p.Code == "transactionNotActive":
		return fmt.Errorf("%s: it is decided, so no step waits any more; look at it with: concord saga run %s", xid, xid)
	case verb == "skip":
		return fmt.Errorf("%s: the step has ended already; look at it with: concord saga run %s", xid, xid)
	}
	return fmt.Errorf("%s: nothing has failed, so there is nothing to try again; what it waits for: concord tx why %s",
		xid, xid)
}

// plain leaves out of a refusal what the command line shows otherwise: that there are findings, and the reason again.
func plain(err error) error {
	p := problemOf(err)
	if p == nil || p.Status == http.StatusBadRequest {
		return err
	}
	short := *p
	short.Title = strings.NewReplacer("; findings say where.", ".", "; findings say why.", ".").Replace(p.Title)
	if strings.Contains(p.Detail, " refused: ") {
		short.Detail = ""
	}
	return &short
}

func (a *app) sagaSignal() *cobra.Command {
	var data, step string
	cmd := &cobra.Command{
		Use:   "signal XID NAME",
		Short: "Give a run the signal that one of its steps waits for",
		Example: `  concord saga signal 10.0.0.5:8091:4194305 goods-received --data '{"complete":true}'
  concord saga signal 10.0.0.5:8091:4194305 paid --step "items[3]" --data receipt.json`,
		Args: twoArguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := jsonArgument(cmd, "data", data)
			if err != nil {
				return err
			}
			r, step, err := a.stepOf(cmd.Context(), args[0], step)
			if err != nil {
				return err
			}
			body := map[string]any{}
			if value != nil {
				body["data"] = value
			}
			if step != "" {
				body["step"] = step
			}
			err = a.change(cmd.Context(), args[0], "signals/"+url.PathEscape(args[1]), body, "the signal is given")
			return suggestWait(err, r, args[1])
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "what comes with it: JSON, the name of a file with JSON, or -")
	cmd.Flags().StringVar(&step, "step", "", "the step that is meant, if several wait for the same signal")
	return cmd
}

// suggestWait adds to a refused signal what the run waits for instead.
func suggestWait(err error, r *sagaRun, name string) error {
	if problemOf(err) == nil {
		return err
	}
	var names []string
	for i := range r.Waits {
		w := &r.Waits[i]
		if w.Kind == "signal" {
			names = append(names, w.Name)
		}
		if w.Kind == "approval" && w.Step == name {
			return fmt.Errorf("%w That is an approval: %s", err, howToAnswer(r.XID, w))
		}
	}
	if slices.Contains(names, name) {
		return err
	}
	if best := definition.Closest(name, names); best != "" {
		return fmt.Errorf("%w Did you mean %s?", err, best)
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w It waits for %s", err, strings.Join(names, ", "))
}

func (a *app) sagaApproval(verb, short string, approve bool) *cobra.Command {
	var comment, data string
	cmd := &cobra.Command{
		Use: verb + " XID STEP", Short: short,
		Example: "  concord saga " + verb + ` 10.0.0.5:8091:4194305 manager --comment "talked to ann"`,
		Args:    twoArguments("STEP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := jsonArgument(cmd, "data", data)
			if err != nil {
				return err
			}
			r, step, err := a.stepOf(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if err := awaited(r, step); err != nil {
				return err
			}
			body := map[string]any{"approve": approve}
			if comment != "" {
				body["comment"] = comment
			}
			if value != nil {
				body["data"] = value
			}
			said := map[bool]string{true: "approved", false: "rejected"}[approve]
			return a.change(cmd.Context(), args[0], "approvals/"+url.PathEscape(step), body, step+" is "+said)
		},
	}
	cmd.Flags().StringVar(&comment, "comment", "", "why; it is kept in the run")
	cmd.Flags().StringVar(&data, "data", "", "what comes with it: JSON, the name of a file with JSON, or -")
	return cmd
}

// awaited fails if a run that waits for approvals does not wait for this one. Of an approval that was answered before
// the server says by whom.
func awaited(r *sagaRun, step string) error {
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Name == step && s.Kind == "approval" {
			return nil
		}
	}
	var names []string
	for i := range r.Waits {
		if w := &r.Waits[i]; w.Kind == "approval" {
			names = append(names, w.Step)
		}
	}
	if len(names) == 0 || slices.Contains(names, step) {
		return nil // if it waits for nothing the server says why
	}
	return fmt.Errorf("step %s waits for no approval; there wait: %s", step, strings.Join(names, ", "))
}

func (a *app) sagaCancel() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:   "cancel XID",
		Short: "Compensate a run",
		Long: `Compensate a run: what was done is undone, in reverse order. After the pivot there is no way back, and it is
refused. What would be undone is shown first and asked for once; with --yes it is done at once.`,
		Example: `  concord saga cancel 10.0.0.5:8091:4194305 --reason "the customer does not want it any more"`,
		Args:    exactlyOne("XID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, _, err := a.sagaRun(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in := bufio.NewReader(cmd.InOrStdin())
			if reason == "" {
				if reason, err = a.askWhy(in); err != nil {
					return err
				}
			}
			if !yes && !slices.Contains(r.Actions, "cancel") { // a plan would promise what the rules do not allow
				return fmt.Errorf("%s cannot be cancelled: %s; look at it with: concord saga run %s", r.XID,
					whyNotCancelled(r), r.XID)
			}
			if !yes {
				_, _ = fmt.Fprintln(a.stderr, cancelPlan(r))
				if err := a.confirm(in); err != nil {
					return err
				}
			}
			return a.change(cmd.Context(), args[0], "cancel", map[string]string{"reason": reason}, "")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the run")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// cancelled says what a cancel has done to a run, by what the server answers: it may have been decided meanwhile.
func cancelled(r *sagaRun) string {
	switch {
	case r.Status == "Active":
		return "the cancel is taken"
	case r.Cause == "requested":
		return "it is cancelled"
	}
	return "nothing is changed, since it was decided before" + because(r.Failure)
}

// whyNotCancelled says why a cancel is not among what may be done to a run.
func whyNotCancelled(r *sagaRun) string {
	if r.DecidedAt != "" || r.Status != "Active" {
		return "it is " + r.word() + because(r.Failure)
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Pivot && s.State != "refused" {
			return "the pivot " + s.Name + " has begun, and there is no way back"
		}
	}
	return "the server does not allow it now"
}

// askWhy asks for a reason on the terminal.
func (a *app) askWhy(in *bufio.Reader) (string, error) {
	_, _ = fmt.Fprint(a.stderr, "Why? It is kept in the run: ")
	text, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	if text = strings.TrimSpace(text); text == "" {
		_, _ = fmt.Fprintln(a.stderr)
		return "", usageError{fmt.Errorf("say why with --reason; it is kept in the run")}
	}
	return text, nil
}

// cancelPlan says what would be undone.
func cancelPlan(r *sagaRun) string {
	var names []string
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Attempts > 0 && s.State != "refused" && s.State != "skipped" {
			names = append(names, s.Name)
		}
	}
	slices.Reverse(names)
	if len(names) == 0 {
		return fmt.Sprintf("cancel of %s (%s version %d): nothing has been done that could be undone", r.XID, r.Saga,
			r.Version)
	}
	if len(names) > namesShown {
		names = append(names[:namesShown], fmt.Sprintf("and %d more", len(names)-namesShown))
	}
	return fmt.Sprintf("cancel of %s (%s version %d): these steps are undone, as far as they have a compensation:\n  %s",
		r.XID, r.Saga, r.Version, strings.Join(names, ", "))
}

func (a *app) sagaRetry() *cobra.Command {
	var step string
	cmd := &cobra.Command{
		Use:   "retry XID",
		Short: "Try steps or compensations again now",
		Long: `Try steps or compensations again now, whatever was planned; also those that were refused, after you have mended
what they complained about.`,
		Example: "  concord saga retry 10.0.0.5:8091:4194305 --step hotel",
		Args:    exactlyOne("XID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, step, err := a.stepOf(cmd.Context(), args[0], step)
			if err != nil {
				return err
			}
			body := map[string]string{}
			if step != "" {
				body["step"] = step
			}
			return a.change(cmd.Context(), args[0], "retry", body, "it is tried again")
		},
	}
	cmd.Flags().StringVar(&step, "step", "", "the step that is meant; all that are not done, if absent")
	return cmd
}

func (a *app) sagaResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume XID", Short: "Go on from the steps that have failed",
		Example: "  concord saga resume 10.0.0.5:8091:4194305",
		Args:    exactlyOne("XID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), args[0], "resume", struct{}{}, "it goes on")
		},
	}
}

func (a *app) sagaSkip() *cobra.Command {
	var result, reason string
	var yes, whole bool
	cmd := &cobra.Command{
		Use:   "skip XID [STEP]",
		Short: "Count a step as done, with a result that you give",
		Long: `Count a step as done, with a result that you give: one that waits, was refused, or is given up. Of a run that
is compensating, the step counts as undone. With --run, a run that is stuck behind its pivot is ended as done, and the
result is its output. It is heuristic: whether it is true is up to you.`,
		Example: `  concord saga skip 10.0.0.5:8091:4194305 hotel --result '{"id":"H-17"}' --reason "booked by phone"
  concord saga skip 10.0.0.5:8091:4194305 --run --reason "shipped by hand"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if whole {
				return exactlyOne("XID")(cmd, args)
			}
			return twoArguments("STEP")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := jsonArgument(cmd, "result", result)
			if err != nil {
				return err
			}
			if reason == "" {
				return usageError{fmt.Errorf("say why with --reason; it is kept in the run")}
			}
			r, step, err := a.stepOf(cmd.Context(), args[0], strings.Join(args[1:], ""))
			if err != nil {
				return err
			}
			if !yes {
				_, _ = fmt.Fprintln(a.stderr, skipPlan(r, step, value))
				if err := a.confirm(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			body := map[string]any{"reason": reason}
			if value != nil {
				body["result"] = value
			}
			if step == "" {
				return a.change(cmd.Context(), args[0], "skip", body, "it is ended")
			}
			body["step"] = step
			return a.change(cmd.Context(), args[0], "skip", body, step+" is skipped")
		},
	}
	cmd.Flags().StringVar(&result, "result", "", "what the step has given: JSON, the name of a file with JSON, or -")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the run")
	cmd.Flags().BoolVar(&whole, "run", false, "end the whole run, which is stuck behind its pivot")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// skipPlan says what a skip would do.
func skipPlan(r *sagaRun, step string, result json.RawMessage) string {
	as := "as done, without a result"
	switch {
	case result != nil:
		as = "as done, with the result " + oneLine(string(result), drawWidth)
	case r.Status == "RollingBack":
		as = "as undone"
	}
	what := step + " in "
	if step == "" {
		what = ""
	}
	return fmt.Sprintf("skip of %s%s (%s version %d): it counts %s", what, r.XID, r.Saga, r.Version, as)
}
