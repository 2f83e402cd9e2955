package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/saga/validate"
)

// errUnsound has `concord saga verify` end with 1.
var errUnsound = errors.New("not all definitions are sound")

// verified is the report on one file.
type verified struct {
	File     string               `json:"file"`
	Saga     string               `json:"saga,omitempty"`
	Sound    bool                 `json:"sound"`
	Findings []definition.Finding `json:"findings"`
	// Explored is missing if the definition was too broken to be run.
	Explored *explored `json:"explored,omitempty"`

	failures []explore.Failure // what may be replayed
	machine  bool              // it is a state machine of Seata
}

type explored struct {
	States     int       `json:"states"`
	Paths      int       `json:"paths"`
	Exhaustive bool      `json:"exhaustive"`
	Failures   []failure `json:"failures"`
	// Part says what was looked at as a whole, "" if all was.
	Part string `json:"part,omitempty"`
	// Crashes says at how many events a crash was tried, missing if at all of them.
	Crashes *crashes `json:"crashes,omitempty"`
}

type crashes struct {
	Tried int `json:"tried"`
	Of    int `json:"of"`
}

type failure struct {
	Step     string   `json:"step,omitempty"`
	Text     string   `json:"text"`
	Timeline []string `json:"timeline"`
}

func (a *app) sagaVerify() *cobra.Command {
	var output, save string
	var states int
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check definitions, and look at everything that can happen to them",
		Long: `Read definitions of sagas (YAML or JSON; - is standard input), check them by the rules of the lint, and then
run each of them through every outcome of every step: done, refused, lost, too late, after the deadline; each way of
each condition, choice and loop. Every path has to end either done or compensated; the shortest way to each that does
not is shown.

Sub-sagas are looked for in the files that are given. No server is needed. The exit code is 0 if all definitions are
sound, 1 if one has errors or a path that ends badly, 2 if a file cannot be read. Warnings and hints do not count.`,
		Example: `  concord saga verify order.yaml
  concord saga verify trip.yaml journey.yaml --output json
  concord saga verify order.yaml --counterexamples bad/`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, files []string) error {
			if output != "table" && output != "json" {
				return usageError{fmt.Errorf("--output is table or json, not %q", output)}
			}
			if states < 0 { // nothing would be looked at
				return usageError{fmt.Errorf("--states-max is not negative, as %d is", states)}
			}
			all, err := verifyAll(files, cmd.InOrStdin(), states)
			if err != nil {
				return usageError{err}
			}
			if save != "" {
				if err := saveCounterexamples(save, all, a.stderr); err != nil {
					return usageError{err}
				}
			}
			if output == "json" {
				raw, err := json.Marshal(all)
				if err == nil {
					err = a.printJSON(raw)
				}
				if err != nil {
					return usageError{err}
				}
			} else {
				for _, v := range all {
					v.draw(a.stdout)
				}
			}
			if slices.ContainsFunc(all, func(v verified) bool { return !v.Sound }) {
				return errUnsound
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "table", "how to show the result: table or json")
	cmd.Flags().StringVar(&save, "counterexamples", "", counterexamplesUsage)
	cmd.Flags().IntVar(&states, "states-max", 0,
		"how many states of one saga are looked at; 0: as many as a few seconds are enough for")
	return cmd
}

func (a *app) sagaSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the language, for editors", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.printJSON(definition.SchemaJSON) },
	}
}

// verifyAll checks files, each of which may use the others as sub-sagas. How many states are looked at depends on the
// size of the saga, unless somebody has asked for so many.
func verifyAll(files []string, stdin io.Reader, states int) ([]verified, error) {
	defs, parsed := map[string]*definition.Definition{}, make([]verified, len(files))
	own, machines := make([]*definition.Definition, len(files)), []*imported(nil)
	for i, file := range files {
		text, err := readDefinition(file, stdin)
		if err != nil {
			return nil, err
		}
		if machine.Recognise(text) {
			parsed[i] = verified{File: file, Findings: []definition.Finding{}, machine: true}
			machines = append(machines, &imported{verified: parsed[i], source: machine.ParseSource(text), at: i})
			continue
		}
		def, findings := definition.Parse(text)
		parsed[i] = verified{File: file, Findings: append([]definition.Finding{}, findings...)}
		if own[i] = def; def == nil {
			continue
		}
		parsed[i].Saga = def.Name
		if defs[def.Name] != nil && def.Name != "" {
			return nil, fmt.Errorf("%s: another file has a saga %s, too", file, def.Name)
		}
		defs[def.Name] = def
	}
	if err := checkMachines(machines, false, states, noMachine); err != nil {
		return nil, err
	}
	for _, m := range machines {
		parsed[m.at] = m.verified
	}
	lookup := func(name string, _ int) (*definition.Definition, bool) { return defs[name], defs[name] != nil }
	for i, def := range own {
		if def == nil {
			continue
		}
		v := &parsed[i]
		v.Findings = append(v.Findings, validate.Check(def, validate.Options{Sagas: lookup})...)
		if definition.Broken(v.Findings) {
			continue
		}
		report, err := explore.Run(def, func(name string, _ int) (*definition.Definition, error) {
			if sub := defs[name]; sub != nil {
				return sub, nil
			}
			return nil, fmt.Errorf("none of the files has the saga %s", name)
		}, explore.Options{StatesMax: states})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.File, err)
		}
		v.Explored, v.failures = exploredOf(report), report.Failures
		v.Sound = len(report.Failures) == 0
	}
	return parsed, nil
}

func readDefinition(file string, stdin io.Reader) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	return io.ReadAll(io.LimitReader(stdin, limits.DocumentBytesMax+1))
}

func exploredOf(r explore.Report) *explored {
	e := &explored{
		States: r.States, Paths: r.Paths, Exhaustive: r.Exhaustive, Failures: []failure{},
	}
	if !r.Exhaustive {
		e.Part = r.Part()
	}
	if r.Crashes < r.CrashesOf {
		e.Crashes = &crashes{r.Crashes, r.CrashesOf}
	}
	for _, f := range r.Failures {
		out := failure{Step: f.Step, Text: f.Text}
		for _, event := range f.Timeline {
			out.Timeline = append(out.Timeline, event.String())
		}
		e.Failures = append(e.Failures, out)
	}
	return e
}

// draw writes the report for people.
func (v *verified) draw(w io.Writer) {
	for _, f := range v.Findings {
		place := v.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", v.File, f.Line, f.Column)
		}
		fmt.Fprintf(w, "%s: %s: %s (%s)\n", place, f.Severity, f.Text, f.Rule)
		if f.Advice != "" {
			fmt.Fprintf(w, "    %s\n", f.Advice)
		}
	}
	if v.Explored == nil {
		fmt.Fprintf(w, "%s: broken; what can happen was not explored\n", v.File)
		return
	}
	for _, f := range v.Explored.Failures {
		if f.Step != "" {
			fmt.Fprintf(w, "%s: step %s: %s\n", v.File, f.Step, f.Text)
		} else {
			fmt.Fprintf(w, "%s: %s\n", v.File, f.Text)
		}
		for i, line := range f.Timeline {
			fmt.Fprintf(w, "    %2d  %s\n", i+1, line)
		}
	}
	scope := "all of them"
	if !v.Explored.Exhaustive {
		scope = "not all; looked at are " + v.Explored.Part
	}
	if c := v.Explored.Crashes; c != nil {
		scope += fmt.Sprintf("; crashes were tried at %d of %d events", c.Tried, c.Of)
	}
	verdict := "sound"
	if !v.Sound {
		verdict = "NOT sound"
	}
	paths := fmt.Sprintf("%d paths", v.Explored.Paths)
	if v.Explored.Paths == 1 {
		paths = "1 path"
	}
	fmt.Fprintf(w, "%s: %s is %s: %s through %d states, %s\n", v.File, v.Saga, verdict, paths, v.Explored.States, scope)
}
