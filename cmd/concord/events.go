package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) events() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at the events of decisions and at who consumes them",
		Long: `Look at the events of decisions that the server keeps itself, and at the consumer groups that read them. With
RocketMQ the events are on its topics, and the broker's own tools show them.`,
		Example: "  concord events groups\n  concord events tail --from oldest",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.eventGroups(), a.eventTail())
	return a.clientFlags(cmd)
}

func (a *app) eventGroups() *cobra.Command {
	return &cobra.Command{
		Use:     "groups",
		Short:   "Show the consumer groups and how far each is",
		Example: "  concord events groups",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.EventGroup]
			raw, err := a.get(cmd.Context(), "/events/groups", nil, &page)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			header := "GROUP\tTOPICS\tNEXT\tBEHIND\tUNANSWERED"
			return a.table("There is no consumer group.", header, len(page.Items), func(w io.Writer, i int) {
				g := &page.Items[i]
				topics := "all decisions"
				if len(g.Topics) > 0 {
					topics = strings.Join(g.Topics, ",")
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", g.Name, topics, g.Offset, g.End-g.Offset, g.InFlight)
			})
		},
	}
}

func (a *app) eventTail() *cobra.Command {
	var from, topics string
	var count int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come, one JSON object a line",
		Long: `Print events as they come, one JSON object a line, until it is interrupted. It reads beside the consumer groups
and takes nothing away from them. When the server is restarted it goes on where it was.`,
		Example: "  concord events tail\n  concord events tail --from oldest --topics concord-rollback --count 10",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"from": {from}}
			if topics != "" {
				q.Set("topics", topics)
			}
			return a.follow(cmd, &reading{
				what: "events", path: "/events/stream?" + q.Encode(), left: count, gap: a.tellGap,
				print: func(event []byte) error {
					_, err := a.stdout.Write(append(event, '\n'))
					return err
				},
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "next", "where to begin: oldest, next, or the number of an entry")
	cmd.Flags().StringVar(&topics, "topics", "", "only what is on these topics, separated by commas")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many events; 0 goes on")
	return cmd
}

// tellGap says that entries are missing.
func (a *app) tellGap(data []byte) {
	var gap struct{ First uint64 }
	if json.Unmarshal(data, &gap) == nil {
		_, _ = fmt.Fprintf(a.stderr, "concord: entries before %d are gone, or were never there\n", gap.First)
	}
}
