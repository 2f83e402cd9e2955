package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/simulate"
	"github.com/concord-tx/concord/saga/validate"
)

// errBadEnd has a command that simulates end with 1.
var errBadEnd = errors.New("it ends badly: somebody would have to see to it")

// simulateFlags are those of `concord saga simulate`.
type simulateFlags struct {
	input, scenario, seed, weights, horizon, save, output string
	outcomes, bodies                                      []string
	runs                                                  int
	all                                                   bool
}

func (a *app) sagaSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate FILE...",
		Short: "Run a saga without participants, in virtual time",
		Long: `Run a saga with the real planner, and with answers that you choose or that are drawn from a seed. Nothing is
called, no server is needed, and time goes by at once. The first file is the saga; sub-sagas are in the others, or
beside it in a file that is called as they are.

An outcome is STEP=WORDS: done, refused, failed (it may succeed later), lost (no answer; of a signal or approval: it
never comes), unreachable, ongoing, or a status of HTTP; "failed x3" is three times and then done, "failed,refused" one
after the other; the last one stays. STEP is an id, "items[2]" one item of a loop, "trip/hotel" a step of a sub-saga,
and "STEP.undo" its compensation. What is not said is done, or drawn if there is a seed.

The exit code is 0 if it ends done or compensated, 1 if it ends stuck, not at all, or with steps that were not undone, 2
if something was asked for wrongly.`,
		Example: `  concord saga simulate order.yaml --input '{"order": "7", "total": 12}' --outcome pay=refused
  concord saga simulate order.yaml --input in.json --outcome 'reserve.undo=failed x3' --outcome pay=409
  concord saga simulate order.yaml --input in.json --body 'pay={"id": 7}' --save order-paid.test.yaml
  concord saga simulate order.yaml --input in.json --runs 1000`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, files []string) error { return a.simulate(cmd, &f, files) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.input, "input", "", "the input: JSON, the name of a file with JSON, or - for standard input")
	flags.StringArrayVar(&f.outcomes, "outcome", nil, "what a step answers, as STEP=WORDS; may be given several times")
	flags.StringArrayVar(&f.bodies, "body", nil, "what a step answers when it is done, as STEP=JSON; several times")
	flags.StringVar(&f.scenario, "scenario", "", "a file with input, outcomes and more, written as a test is")
	flags.StringVar(&f.seed, "seed", "", "draw what is not said from this number")
	flags.StringVar(&f.weights, "weights", "", "how often what is drawn, as in done=90,refused=3,failed=5,lost=2")
	flags.StringVar(&f.horizon, "horizon", "", "how long it is looked at in virtual time; 30d by default")
	flags.IntVar(&f.runs, "runs", 1, "how many runs, each with the next seed; more than one are counted")
	flags.StringVar(&f.save, "save", "", "write a test of it into this file, for concord saga test")
	flags.StringVar(&f.output, "output", "table", "how to show the result: table or json")
	flags.BoolVar(&f.all, "all", false, "show all that happened")
	return cmd
}

// runsMax bounds how many simulations one command makes.
const runsMax = 1_000_000

func (a *app) simulate(cmd *cobra.Command, f *simulateFlags, files []string) error {
	switch {
	case f.output != "table" && f.output != "json":
		return usageError{fmt.Errorf("--output is table or json, not %q", f.output)}
	case f.runs < 1 || f.runs > runsMax:
		return usageError{fmt.Errorf("--runs is from 1 to %d", runsMax)}
	case f.runs > 1 && f.save != "":
		return usageError{errors.New("--save writes one run; leave --runs away, and name its --seed")}
	}
	test, err := f.test(cmd, a.stderr)
	if err != nil {
		return err
	}
	l := &loader{stdin: cmd.InOrStdin(), complaints: a.stderr}
	saga, err := l.load(files[0], files[1:])
	if err != nil {
		return err
	}
	model, err := simulate.NewModel(saga.def, saga.subs)
	if err != nil {
		return fmt.Errorf("%s: %w", files[0], err)
	}
	a.warnUnsound(saga)
	if problems := model.Check(&test.Scenario); len(problems) > 0 {
		for _, p := range problems {
			_, _ = fmt.Fprintln(a.stderr, p)
		}
		return usageError{errors.New("what was chosen does not fit the saga")}
	}
	if f.runs > 1 {
		return a.simulateMany(cmd.Context(), f, model, test, files)
	}
	result, err := model.Run(cmd.Context(), &test.Scenario)
	if err != nil {
		return err
	}
	if err := a.showResult(f, model, result); err != nil {
		return err
	}
	if f.save != "" {
		if err := saveTest(f.save, test.With(result), saga); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(a.stderr, "written to %s; run it with: concord saga test %s\n", f.save, f.save)
		return nil // a bad end may be what the test is about
	}
	if result.Bad() {
		return errBadEnd
	}
	return nil
}

// warnUnsound says that the lint has found errors: one may want to see what comes of them.
func (a *app) warnUnsound(saga *loaded) {
	lookup := func(name string, version int) (*definition.Definition, bool) {
		def, err := saga.subs(name, version)
		return def, err == nil
	}
	if definition.Broken(validate.Check(saga.def, validate.Options{Sagas: lookup})) {
		_, _ = fmt.Fprintf(a.stderr, "The definition has errors and cannot be published: concord saga verify %s\n", saga.file)
	}
}

func (a *app) showResult(f *simulateFlags, model *simulate.Model, r *simulate.Result) error {
	if f.output == "json" {
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return a.printJSON(raw)
	}
	return drawResult(a.stdout, r, f.all, model.Saga())
}

// test makes a test of the flags, on top of a scenario if there is one.
func (f *simulateFlags) test(cmd *cobra.Command, complaints io.Writer) (*simulate.Test, error) {
	test := &simulate.Test{}
	if f.scenario != "" {
		text, err := os.ReadFile(f.scenario)
		if err != nil {
			return nil, usageError{err}
		}
		var findings []definition.Finding
		if test, findings = simulate.ReadTest(text); len(findings) > 0 {
			drawFound(complaints, f.scenario, findings)
			return nil, usageError{errors.New("the scenario cannot be read")}
		}
	}
	s := &test.Scenario
	if f.input != "" {
		input, err := jsonArgument(cmd, "input", f.input)
		if err != nil {
			return nil, err
		}
		s.Input = input
	}
	if err := f.answers(s); err != nil {
		return nil, usageError{err}
	}
	if f.horizon != "" {
		d, err := definition.ParseDuration(f.horizon)
		if err != nil || d <= 0 {
			return nil, usageError{fmt.Errorf("--horizon is a duration such as 30d, not %q", f.horizon)}
		}
		s.Horizon = d
	}
	switch {
	case f.seed != "":
		seed, err := strconv.ParseUint(f.seed, 10, 64)
		if err != nil {
			return nil, usageError{fmt.Errorf("--seed is a whole number from 0, not %q", f.seed)}
		}
		s.Random, s.Seed = true, seed
	case f.runs > 1 && !s.Random:
		s.Random, s.Seed = true, 1
	}
	if f.weights == "" {
		return test, nil
	}
	w, err := weightsOf(f.weights)
	if err != nil {
		return nil, usageError{err}
	}
	s.Weights = w
	return test, nil
}

// answers reads --outcome and --body.
func (f *simulateFlags) answers(s *simulate.Scenario) error {
	for _, text := range f.outcomes {
		step, words, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("--outcome is STEP=WORDS as in pay=refused, not %q", text)
		}
		answers, err := simulate.ParseAnswers(words)
		if err != nil {
			return fmt.Errorf("--outcome %s: %w", step, err)
		}
		if s.Outcomes == nil {
			s.Outcomes = map[string][]simulate.Answer{}
		}
		s.Outcomes[step] = answers
	}
	for _, text := range f.bodies {
		step, body, found := strings.Cut(text, "=")
		if !found || !json.Valid([]byte(body)) {
			return fmt.Errorf(`--body is STEP=JSON as in 'pay={"id": 7}', not %q`, text)
		}
		if s.Bodies == nil {
			s.Bodies = map[string]json.RawMessage{}
		}
		s.Bodies[step] = json.RawMessage(body)
	}
	return nil
}

// weightsOf reads --weights.
func weightsOf(text string) (w simulate.Weights, err error) {
	for _, part := range strings.Split(text, ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 1_000_000 {
			return w, fmt.Errorf("--weights: %q is no whole number from 0 to 1000000", number)
		}
		switch name {
		case "done":
			w.Done = n
		case "refused":
			w.Refused = n
		case "failed":
			w.Failed = n
		case "lost":
			w.Lost = n
		default:
			return w, fmt.Errorf("--weights: %q is not drawn; there are done, refused, failed and lost", name)
		}
	}
	if w == (simulate.Weights{}) {
		return w, errors.New("--weights: one of them has to be more than 0")
	}
	return w, nil
}

// saveTest writes a test with the names of its definitions as seen from its file.
func saveTest(file string, test *simulate.Test, saga *loaded) error {
	if saga.file == "-" {
		return usageError{errors.New("--save names the file of the saga, which standard input is not")}
	}
	names, err := seenFrom(filepath.Dir(file), append([]string{saga.file}, saga.used...)...)
	if err != nil {
		return err
	}
	test.Saga, test.Subs = names[0], names[1:]
	if test.Name == "" {
		test.Name = fmt.Sprintf("%s ends %s", saga.def.Name, test.Expect.End)
	}
	text, err := test.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// simulateMany counts how many runs end.
func (a *app) simulateMany(
	ctx context.Context, f *simulateFlags, model *simulate.Model, test *simulate.Test, files []string,
) error {
	sum, err := model.RunMany(ctx, &test.Scenario, f.runs)
	if err != nil {
		return err
	}
	if f.output == "json" {
		raw, err := json.Marshal(sum)
		if err == nil {
			err = a.printJSON(raw)
		}
		if err != nil {
			return err
		}
	} else if err := drawSummary(a.stdout, sum, files[0]); err != nil {
		return err
	}
	if sum.BadCount > 0 {
		return fmt.Errorf("%d of %d runs end badly: somebody would have to see to them", sum.BadCount, sum.Runs)
	}
	return nil
}

// drawResult draws a simulation as a run is drawn.
func drawResult(to io.Writer, r *simulate.Result, all bool, saga string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, simulated: %s after %s of virtual time", saga, r.End, span(r.Took()))
	if r.Seed != nil {
		fmt.Fprintf(&b, ", seed %d", *r.Seed)
	}
	b.WriteString("\n")
	if r.Output != nil {
		fmt.Fprintf(&b, "  %-9s%s\n", "output", oneLine(compactJSON(r.Output), drawWidth-12))
	}
	if r.Failure != "" {
		fmt.Fprintf(&b, "  %-9s%s\n", "failure", r.Failure)
	}
	for _, left := range r.Left {
		fmt.Fprintf(&b, "  %-9s%s may have run, and was not undone\n", "left", left)
	}
	if r.Cut {
		b.WriteString("  It was cut: there are too many events.\n")
	}
	if strings.Contains(r.Failure, "expression ") {
		b.WriteString("  Steps answer {} unless you say what: --body STEP=JSON, or bodies in a scenario.\n")
	}
	run := runOf(r)
	if rows := rowsOf(run, all); len(rows) > 0 {
		b.WriteString("\n")
		begin := parsed(run.BeganAt)
		for i := range rows {
			for _, s := range r.Steps {
				if rows[i].undo && rows[i].name == s.Name && s.UndoFromMs != nil {
					rows[i].from = begin.Add(time.Duration(*s.UndoFromMs) * time.Millisecond)
				}
			}
		}
		drawChart(&b, run, rows)
	}
	if n := len(run.Timeline) - simulatedShown; n > 0 && !all {
		run.Timeline = run.Timeline[:simulatedShown]
		drawEvents(&b, run, true)
		fmt.Fprintf(&b, "  … and %d more: --all shows them\n", n)
	} else {
		drawEvents(&b, run, true)
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// simulatedShown is how many events are shown at most without --all.
const simulatedShown = 60

// runOf shows a simulation as a run of a server is shown.
func runOf(r *simulate.Result) *sagaRun {
	begin := time.Time{}
	if len(r.Timeline) > 0 {
		begin = r.Timeline[0].At
	}
	at := func(ms *int64) string {
		if ms == nil {
			return ""
		}
		return begin.Add(time.Duration(*ms) * time.Millisecond).Format(time.RFC3339Nano)
	}
	zero := int64(0)
	run := &sagaRun{Saga: r.Saga, BeganAt: at(&zero), EndedAt: at(&r.TookMs), Output: r.Output, Failure: r.Failure}
	for _, e := range r.Timeline {
		if e.Event == "rollbackDecided" || e.Event == "commitDecided" {
			run.DecidedAt = e.At.Format(time.RFC3339Nano)
		}
		event := e.Event
		if event == "undoStarted" {
			event = "undo starts"
		}
		run.Timeline = append(run.Timeline, runEvent{
			At: e.At.Format(time.RFC3339Nano), Event: event, Step: e.Step, Attempt: int(e.Attempt), Text: e.Text,
		})
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		step := runStep{
			Name: s.Name, Kind: s.Kind, State: s.State, Attempts: int(s.Attempts), StartedAt: at(&s.FromMs), EndedAt: at(s.ToMs),
			Failure: s.Failure,
		}
		if step.EndedAt == "" {
			step.EndedAt = run.EndedAt
			if s.UndoFromMs != nil {
				step.EndedAt = at(s.UndoFromMs)
			}
		}
		if s.UndoFromMs != nil {
			step.Undo = &runUndo{State: s.State, Attempts: int(s.UndoAttempts), EndedAt: at(s.UndoToMs)}
			if step.State = "done"; s.ToMs == nil {
				step.State = "lost"
			}
			if s.State == "undoRefused" || s.UndoToMs == nil {
				step.Failure, step.Undo.Failure = "", s.Failure
			}
		}
		run.Steps = append(run.Steps, step)
	}
	return run
}
