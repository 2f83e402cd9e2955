package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) sagaTasks() *cobra.Command {
	return &cobra.Command{
		Use: "tasks", Short: "Show the tasks that workers fetch, and where they poll", Args: noArguments,
		Long: `Show the steps of sagas that programs fetch, by the names of their tasks: the nodes at which workers poll, how
many polls wait, how many tasks wait for a worker, and how many are with workers. The numbers are those of the node that
is asked.`,
		Example: "  concord saga tasks",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.TaskView]
			raw, err := a.get(cmd.Context(), "/sagas/tasks", nil, &page)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			header := "TASK\tPARKED\tOLDEST\tLEASED\tPOLLS\tWORKERS AT"
			return a.table("No task is known here.", header, len(page.Items), func(w io.Writer, i int) {
				t := &page.Items[i]
				nodes := strings.Join(t.Nodes, ", ")
				if nodes == "" {
					nodes = "nowhere"
				}
				_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\n", t.Task, t.Parked, dash(ago(t.Oldest)), t.Leased, t.Waiting,
					nodes)
			})
		},
	}
}
