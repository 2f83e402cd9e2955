package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/concord-tx/concord/store/pebble"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// app is what the commands need of the outside.
type app struct {
	stdout, stderr io.Writer
	stdin          io.Reader // nil: that of the process
	environ        []string
	exit           func(int) // ends the process at once
	// adjustStore lets tests put a file system of their own under the store; nil otherwise.
	adjustStore func(*pebble.Options)

	// Set by flags.
	server, output string
	// began is true when a command's flags and arguments were right.
	began bool
}

// usageError says that something was asked for wrongly.
type usageError struct{ error }

// Unwrap returns what was wrong.
func (e usageError) Unwrap() error { return e.error }

// run carries out a command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetIn(a.stdin)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case !a.began || errors.As(err, &usage):
		_, _ = fmt.Fprintf(a.stderr, "concord: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
		return exitUsage
	}
	_, _ = fmt.Fprintf(a.stderr, "concord: %v\n", err)
	var own exitError
	if errors.As(err, &own) {
		return own.code
	}
	return exitFailure
}

// env returns a variable of the environment.
func (a *app) env(name string) string {
	for _, v := range slices.Backward(a.environ) {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return ""
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "concord",
		Short: "A coordinator for distributed transactions that speaks Seata's protocol",
		Long: `Concord coordinates distributed transactions. Services that use Seata today connect to it without a change of
code: AT, TCC and XA branches, and the records of Seata's saga engine. Its own sagas are defined, checked and run with
"concord saga".

Start a coordinator to try things with, which keeps its state in ./data:

  concord serve --dev

and look at it from another terminal:

  concord tx list --live
  concord tx show 10.0.0.5:8091:4194305`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRun:  func(*cobra.Command, []string) { a.began = true },
		CompletionOptions: cobra.CompletionOptions{},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(helpCommand(root))
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.serve(), a.health(), a.tx(), a.job(), a.locks(), a.decisions(), a.cluster(), a.keys(), a.approvals(),
		a.events(), a.saga(), a.nodes(), a.settings(), a.migrate(), a.audit(), a.version())
	return root
}

// helpCommand is cobra's own, but fails for a command that does not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  concord help tx list",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("there is no command %q", "concord "+strings.Join(args, " "))}
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// flagError says in plain words what a flag takes, where pflag would name a function of Go.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	what := map[string]string{"int": "a whole number", "bool": "true or false"}[invalid.GetFlag().Value.Type()]
	if what == "" {
		return err
	}
	return fmt.Errorf("--%s is %s, not %q", invalid.GetFlag().Name, what, invalid.GetValue())
}

// noArguments is the check of commands that take flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, only flags; there is %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// group returns a command that only holds others; without one of them it shows its help, with a wrong one it fails.
func group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range children {
			names = append(names, c.Name())
		}
		return fmt.Errorf("%s has no command %q; there are: %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	}
	cmd.AddCommand(children...)
	return cmd
}
