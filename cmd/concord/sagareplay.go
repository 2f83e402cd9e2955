package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/saga/simulate"
)

// errAgain ends a replay that ends as badly as before.
var errAgain = errors.New("it ends badly again")

// replayed is what a replay shows.
type replayed struct {
	File     string          `json:"file"`
	Saga     string          `json:"saga"`
	Step     string          `json:"step,omitempty"`
	Text     string          `json:"text"`
	Again    bool            `json:"again"`
	Failure  string          `json:"failure,omitempty"`
	Timeline []replayedEvent `json:"timeline"`
}

type replayedEvent struct {
	Step string `json:"step,omitempty"`
	Text string `json:"event"`
}

func (a *app) sagaReplay() *cobra.Command {
	output := "table"
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Let a counter-example happen again",
		Long: `Replay a counter-example that concord saga verify or import has written with --counterexamples: what has to
happen for a saga, or a state machine of Seata, to end badly. It shows step by step what happens, with the definition as
it is now.

The exit code is 1 if it ends badly again, 0 if it does not any more, 2 if a file cannot be read.`,
		Example: `  concord saga verify order.yaml --counterexamples bad/
  concord saga replay bad/order-1.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return usageError{fmt.Errorf("--output is table or json, not %q", output)}
			}
			return a.replay(args[0], output)
		},
	}
	cmd.Flags().StringVar(&output, "output", output, "how to show the result: table or json")
	return cmd
}

func (a *app) replay(file, output string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return usageError{err}
	}
	c, findings := simulate.ReadCounterexample(text)
	if len(findings) > 0 {
		drawFound(a.stderr, file, findings)
		return usageError{errors.New("this is no counter-example; a test is for concord saga test")}
	}
	name, r, err := replayFrom(file, c)
	if err != nil {
		return usageError{err}
	}
	out := replayed{File: file, Saga: name, Step: c.Step, Text: c.Text, Again: r.Failure != nil}
	for _, e := range r.Timeline {
		out.Timeline = append(out.Timeline, replayedEvent(e))
	}
	if r.Failure != nil {
		out.Failure = aboutStep(r.Failure.Step, r.Failure.Text)
	}
	if output == "json" {
		raw, err := json.Marshal(out)
		if err == nil {
			err = a.printJSON(raw)
		}
		if err != nil {
			return err
		}
	} else if err := out.draw(a.stdout, c.Timeline); err != nil {
		return err
	}
	if r.Failure != nil {
		return errAgain
	}
	return nil
}

// replayFrom replays a counter-example of what its file names: a saga, or a state machine of Seata.
func replayFrom(file string, c *simulate.Counterexample) (name string, r explore.Replayed, err error) {
	text, err := os.ReadFile(beside(file, c.Saga))
	if err != nil {
		return "", r, err
	}
	if machine.Recognise(text) {
		return replayMachine(file, c)
	}
	saga, err := loadFrom(file, c.Saga, c.Subs)
	if err != nil {
		return "", r, err
	}
	r, err = explore.Replay(saga.def, saga.subs, c.Failure)
	return saga.def.Name, r, err
}

// replayMachine replays a counter-example of a state machine of Seata.
func replayMachine(file string, c *simulate.Counterexample) (name string, r explore.Replayed, err error) {
	files := []string{beside(file, c.Saga)}
	for _, sub := range c.Subs {
		files = append(files, beside(file, sub))
	}
	all, err := importAll(files, strings.NewReader(""), "")
	if err != nil {
		return "", r, err
	}
	definitions, resolve, err := machinesOf(all, noMachine, func(m *imported, err error) error {
		return fmt.Errorf("%s: %w", m.File, err)
	})
	if err != nil {
		return "", r, err
	}
	r, err = machine.Replay(definitions[0], resolve, c.Failure)
	return definitions[0].Machine.Name, r, err
}

// aboutStep says what is wrong, and with what.
func aboutStep(step, text string) string {
	if step == "" {
		return text
	}
	return "step " + step + ": " + text
}

// draw shows what happened, and from where on it was otherwise than in the counter-example.
func (r *replayed) draw(w io.Writer, before []explore.Event) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", r.Saga, aboutStep(r.Step, r.Text))
	differs := false
	for i, e := range r.Timeline {
		if !differs && (i >= len(before) || before[i] != explore.Event(e)) {
			differs = true
			b.WriteString("        from here on it is otherwise than it was\n")
		}
		fmt.Fprintf(&b, "    %2d  %s\n", i+1, explore.Event(e))
	}
	if r.Again {
		fmt.Fprintf(&b, "\nIt ends badly: %s.\n", r.Failure)
	} else {
		b.WriteString("\nIt does not happen any more: this ends well. Look at the rest with concord saga verify.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// counterexamplesUsage says what --counterexamples is.
const counterexamplesUsage = "a directory for paths that end badly, for concord saga replay"

// saveCounterexamples writes each failure into a file of its own.
func saveCounterexamples(dir string, all []verified, complaints io.Writer) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, v := range all {
		for i, f := range v.failures {
			if v.File == "-" {
				return errors.New("--counterexamples names the file of the saga, which standard input is not")
			}
			names := []string{v.File}
			for _, other := range all {
				if other.File != v.File && other.File != "-" && other.machine == v.machine {
					names = append(names, other.File)
				}
			}
			names, err := seenFrom(dir, names...)
			if err != nil {
				return err
			}
			c := simulate.Counterexample{Saga: names[0], Subs: names[1:], Failure: f}
			text, err := c.Encode()
			if err != nil {
				return err
			}
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.yaml", cmp.Or(v.Saga, "saga"), i+1))
			if err := os.WriteFile(file, text, 0o600); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(complaints, "written: %s; see it happen with: concord saga replay %s\n", file, file)
		}
	}
	return nil
}
