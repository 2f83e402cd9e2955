package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) txWhy() *cobra.Command {
	return &cobra.Command{
		Use:   "why XID",
		Short: "Say why a transaction has not ended, and what you can do",
		Long: `Say why a transaction has not ended: which branch, what it said last, who holds the row that it waits for, when
it is tried again, and what is wrong with the parts that it needs; and what you can do about it.`,
		Example: "  concord tx why 10.0.0.5:8091:4194305",
		Args:    oneXID,
		RunE: func(cmd *cobra.Command, args []string) error {
			var why web.Why
			raw, err := a.get(cmd.Context(), path(args[0], "why"), nil, &why)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s  %s\n", why.XID, why.Status)
			if len(why.Causes) == 0 {
				fmt.Fprintf(&b, "\n%s\n", why.Sentence)
			}
			for _, c := range why.Causes {
				fmt.Fprintf(&b, "\n- %s (%s)\n", c.Sentence, c.Code)
			}
			if more := why.CauseCount - len(why.Causes); more > 0 {
				fmt.Fprintf(&b, "  and %d more\n", more)
			}
			if len(why.Actions) > 0 {
				b.WriteString("\nwhat you can do\n")
			}
			for _, action := range why.Actions {
				command := "concord tx " + action.Action + " " + why.XID
				if action.Branch != "" {
					command += " --branch " + action.Branch
				}
				fmt.Fprintf(&b, "  %s\n    %s\n", command, action.Sentence)
			}
			_, err = fmt.Fprint(a.stdout, b.String())
			return err
		},
	}
}
