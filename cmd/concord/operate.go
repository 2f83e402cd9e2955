package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// operationHelp describes an operation.
type operationHelp struct {
	short, long string
	branch      bool     // takes --branch
	wanted      []string // statuses that it should lead to
}

func (o *operationHelp) example(verb string) string {
	if verb == "skip" {
		return `  concord tx skip 10.0.0.5:8091:4194305 --branch 4194307 --reason "paid back by hand, ticket 4711"`
	}
	return "  concord tx " + verb + ` 10.0.0.5:8091:4194305 --reason "ticket 4711"` + "\n" +
		"  concord tx " + verb + ` --application shop --since 2h --plan`
}

// operations are what a person can do to transactions.
var operations = map[string]operationHelp{
	"commit": {
		short: "Commit active transactions",
		long: `Decide commit for active transactions, as the service that began them would. A decision is never reversed: a
transaction that is decided already keeps its outcome, and one past its deadline is rolled back.`,
		wanted: []string{"Committing", "Committed"},
	},
	"rollback": {
		short: "Roll back active transactions",
		long: `Decide rollback for active transactions, as the service that began them would. A decision is never reversed: a
transaction that is committing goes on committing.`,
		wanted: []string{"RollingBack", "RolledBack"},
	},
	"retry": {
		short: "Try unfinished branches again now",
		long: `Try every unfinished branch of decided transactions again now, whatever was planned; also branches that refused
for good, after you have mended what they complained about.`,
		branch: true,
	},
	"skip": {
		short: "Give up phase two of a branch",
		long: `Have the coordinator give up phase two of one branch of a decided transaction, which is heuristic: the outcome
stays what it is, but whether this participant follows it is up to you. Consumers are told by a message.`,
		branch: true,
	},
	"release": {
		short: "Unlock rows whose undo is not done",
		long: `Unlock the rows of a transaction that is rolling back although their undo is not done, which is heuristic:
others may change them, and a later undo would then be refused. Consumers are told by a message.`,
		branch: true,
	},
}

// operationFlags are the flags of an operation.
type operationFlags struct {
	reason, branch    string
	yes, plan, noWait bool
	bulk              bulkFlags
}

// operation is a command that changes transactions: it shows the plan, asks, and carries it out.
func (a *app) operation(verb string) *cobra.Command {
	var f operationFlags
	o := operations[verb]
	cmd := &cobra.Command{
		Use:   verb + " XID...",
		Short: o.short,
		Long: o.long + `

What would be done is shown first and asked for once; with --yes it is done at once, with --plan it is only shown.`,
		Example: o.example(verb),
		Args: func(cmd *cobra.Command, args []string) error {
			if f.bulk.given() && len(args) > 0 {
				return errors.New("name transactions or give a filter, not both")
			}
			if f.bulk.given() {
				return nil
			}
			return xidArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.reason == "" && !f.plan {
				return usageError{fmt.Errorf("say why with --reason; it is kept in the history")}
			}
			if f.bulk.given() {
				return a.bulk(cmd, verb, f)
			}
			for _, xid := range args {
				if err := a.operate(cmd, xid, f, verb); err != nil {
					return fmt.Errorf("%s of %s: %w", verb, xid, err)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; it is kept in the history")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.plan, "plan", false, "only show what would be done")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "do not wait for the end of phase two")
	if verb != "skip" {
		f.bulk.add(cmd)
	}
	if o.branch {
		cmd.Flags().StringVar(&f.branch, "branch", "", "the branch that is meant; all, if absent")
	}
	return cmd
}

func (a *app) operate(cmd *cobra.Command, xid string, f operationFlags, verb string) error {
	body := map[string]string{"action": verb}
	if f.branch != "" {
		body["branch"] = f.branch
	}
	var plan web.PlanView
	raw, err := a.call(cmd.Context(), http.MethodPost, path(xid, "plan"), body, &plan)
	if err != nil {
		return err
	}
	switch {
	case f.plan && a.output == "json":
		return a.printJSON(raw)
	case f.plan:
		return a.drawPlan(a.stdout, &plan)
	case !f.yes:
		if err := a.drawPlan(a.stderr, &plan); err != nil {
			return err
		}
		if err := a.confirm(cmd.InOrStdin()); err != nil {
			return err
		}
	}
	body["digest"], body["reason"] = plan.Digest, f.reason
	var g web.TransactionDetail
	if raw, err = a.call(cmd.Context(), http.MethodPost, path(xid, "operations"), body, &g); err != nil {
		return err
	}
	if asked, err := a.asked(raw); asked {
		return err
	}
	if !f.noWait {
		wait := url.Values{"waitMs": {"10000"}}
		if raw, err = a.get(cmd.Context(), path(xid, ""), wait, &g); err != nil {
			return fmt.Errorf("it is done, but what became of it is not known: %w", err)
		}
	}
	if err := a.showOutcome(verb, raw, &g); err != nil {
		return err
	}
	if wanted := operations[verb].wanted; len(wanted) > 0 && !slices.Contains(wanted, g.Status) {
		return fmt.Errorf("it was asked for, but the transaction is %s (decided by: %s)", g.Status, g.Cause)
	}
	return nil
}

// confirm asks on the terminal.
func (a *app) confirm(in io.Reader) error {
	if _, err := fmt.Fprint(a.stderr, "Do it? [y/N] "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if err == io.EOF {
		_, _ = fmt.Fprintln(a.stderr)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return fmt.Errorf("nothing was done; --yes does it without asking")
	}
	return nil
}

// drawPlan says in words what an operation would do.
func (a *app) drawPlan(to io.Writer, p *web.PlanView) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("%s of %s", p.Action, p.XID)
	line("  status\t%s, in the end %s", p.Status, p.ResultingStatus)
	if p.Decides != "" {
		line("  decides\t%s, which is never reversed", p.Decides)
	}
	if p.Heuristic {
		line("  heuristic\tthe effects may not be all or nothing afterwards")
	}
	for _, c := range p.Calls {
		target := c.Resource
		if c.URL != "" {
			target = c.URL
		}
		line("  calls\tbranch %s (%s): %s at %s", c.Branch, c.Kind, c.Operation, target)
	}
	for _, f := range p.Frees {
		when := "when the calls have succeeded"
		if f.AtOnce {
			when = "at once"
		}
		line("  unlocks\t%d rows of branch %s in %s, %s", f.Rows, f.Branch, f.Resource, when)
	}
	for _, m := range p.Messages {
		line("  publishes\ton %s (%s)", m.Topic, m.About)
	}
	if len(p.Leaves) > 0 {
		line("  leaves\tundone: branches %s", strings.Join(p.Leaves, ", "))
	}
	return w.Flush()
}
