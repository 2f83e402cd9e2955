package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
)

// The exit codes of commands that wait for the end of a run; 0 is done.
const (
	exitCompensated = 3
	exitStuck       = 4
	exitRunning     = 5
)

// exitError ends the program with a code of its own.
type exitError struct {
	error
	code int
}

// Unwrap returns what happened.
func (e exitError) Unwrap() error { return e.error }

func (a *app) saga() *cobra.Command {
	commands := []*cobra.Command{
		a.sagaVerify(), a.sagaSchema(), a.sagaSimulate(), a.sagaTest(), a.sagaReplay(),
	}
	for _, cmd := range []*cobra.Command{
		a.sagaPublish(), a.sagaList(), a.sagaShow(), a.sagaDraft(), a.sagaTasks(),
		a.sagaStart(), a.sagaRuns(), a.sagaRunShow(), a.sagaSignal(),
		a.sagaApproval("approve", "Approve what a step of a run asks", true),
		a.sagaApproval("reject", "Reject what a step of a run asks", false),
		a.sagaCancel(), a.sagaRetry(), a.sagaSkip(), a.sagaResume(), a.sagaMove(), a.sagaImport(), a.sagaExport(),
	} {
		commands = append(commands, a.clientFlags(cmd))
	}
	return group(&cobra.Command{
		Use:   "saga",
		Short: "Define sagas, check them before they go live, and run them",
		Long: `Define sagas, check them before they go live, and run them. A saga is a list of steps; if one of them cannot be
done, those that were done are compensated. docs/SAGAS.md is the language.`,
		Example: `  concord saga verify travel.yaml
  concord saga publish travel.yaml --note "with a car"
  concord saga start travel --key order-7 --input '{"traveller":"ann","from":"FRA","to":"OSL","nights":2}' --wait
  concord saga runs --stuck
  concord saga run 10.0.0.5:8091:4194305`,
	}, commands...)
}

// suggest adds to an error which name was likely meant, and which there are.
func suggest(err error, what, meant string, names []string) error {
	if len(names) == 0 {
		return err
	}
	if best := definition.Closest(meant, names); best != "" && best != meant {
		return fmt.Errorf("%w; did you mean %s?", err, best)
	}
	if slices.Contains(names, meant) {
		return err
	}
	more := ""
	if len(names) > namesShown {
		names, more = names[:namesShown], ", ..."
	}
	return fmt.Errorf("%w; there are the %s %s%s", err, what, strings.Join(names, ", "), more)
}

// namesShown bounds how many names an error lists.
const namesShown = 12
