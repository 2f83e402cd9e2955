package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) decisions() *cobra.Command {
	var f followFlags
	cmd := group(&cobra.Command{
		Use:   "decisions",
		Short: "Look at the decisions that were published, and at what consumers could not handle",
		Example: `  concord decisions list --outcome rollback --since 1h
  concord decisions --follow
  concord decisions show 10.0.0.5:8091:4194305
  concord decisions deadletters list mail
  concord decisions halves`,
	}, a.decisionList(), a.decisionShow(), a.decisionHalves(), a.deadLetters())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !f.follow {
			return cmd.Help()
		}
		return a.followDecisions(cmd, f)
	}
	f.add(cmd)
	return a.clientFlags(cmd)
}

func (a *app) decisionList() *cobra.Command {
	var f struct {
		xid, outcome, since, until, cursor string
		limit                              int
	}
	cmd := &cobra.Command{
		Use: "list", Short: "List published decisions, oldest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, value := range map[string]string{
				"xid": f.xid, "outcome": f.outcome, "since": f.since, "until": f.until, "cursor": f.cursor,
			} {
				if value != "" {
					q.Set(name, value)
				}
			}
			page, err := pages[web.DecisionEntry](cmd.Context(), a, "/decisions", q, f.limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error {
				header := "AT\tXID\tOUTCOME\tTOPIC\tPLACE"
				return a.table("No published decision matches.", header, len(page.Items), func(w io.Writer, i int) {
					d := &page.Items[i]
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.At, d.XID, d.Outcome, d.Topic, placeOf(d))
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.xid, "xid", "", "only that of this transaction")
	flags.StringVar(&f.outcome, "outcome", "", "only commit, or only rollback")
	flags.StringVar(&f.since, "since", "", "only since: an age such as 15m, or a time")
	flags.StringVar(&f.until, "until", "", "only before: an age or a time")
	pageFlags(cmd, &f.limit, &f.cursor)
	return cmd
}

// placeOf says where a decision stands.
func placeOf(d *web.DecisionEntry) string {
	if d.Broker == "" {
		return fmt.Sprint(d.Offset)
	}
	return fmt.Sprintf("%s queue %d offset %d", d.Broker, d.Queue, d.Offset)
}

func (a *app) decisionShow() *cobra.Command {
	return &cobra.Command{
		Use: "show XID", Short: "Compare what is stored of a decision with what was published", Args: oneXID,
		Example: "  concord decisions show 10.0.0.5:8091:4194305",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r web.DecisionReport
			raw, err := a.get(cmd.Context(), "/decisions/"+url.PathEscape(args[0]), nil, &r)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s is %s: %s", r.XID, r.Status, r.Outcome)
			if r.DecidedAt != "" {
				fmt.Fprintf(&b, ", decided %s (%s)", r.DecidedAt, r.Cause)
			}
			b.WriteString("\n")
			for i := range r.Published {
				d := &r.Published[i]
				verdict := "as stored"
				if !d.Agrees {
					verdict = "NOT as stored"
				}
				fmt.Fprintf(&b, "  published on %s at %s, %s: %s, sha256 %s\n", d.Topic, d.At, placeOf(&d.DecisionEntry),
					verdict, d.SHA256)
			}
			if len(r.Published) == 0 {
				b.WriteString("  no copy was found; perhaps it is not published yet, or the log has not kept it\n")
			}
			_, err = fmt.Fprint(a.stdout, b.String())
			return err
		},
	}
}

func (a *app) decisionHalves() *cobra.Command {
	return &cobra.Command{
		Use: "halves", Short: "Show half messages without an end, and decisions that are not published yet",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var h web.HalvesView
			raw, err := a.get(cmd.Context(), "/decisions/halves", nil, &h)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			if _, err := fmt.Fprintf(a.stdout, "%d in flight, %d decisions not known to be published (oldest: %s).\n",
				h.InFlight, h.Pending, dash(ago(h.OldestAt))); err != nil {
				return err
			}
			header := "STORED\tPACK\tBROKER\tQUEUE\tOFFSET\tXIDS"
			return a.table("The broker has given up no half message.", header, len(h.GivenUp), func(w io.Writer, i int) {
				g := &h.GivenUp[i]
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", g.StoredAt, g.Pack, g.Broker, g.Queue, g.Offset,
					strings.Join(g.XIDs, " "))
			})
		},
	}
}

func (a *app) cluster() *cobra.Command {
	return a.clientFlags(&cobra.Command{
		Use:   "cluster",
		Short: "Show the whole cluster: nodes, health, who is connected, what is not published, dead targets",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c web.ClusterView
			raw, err := a.get(cmd.Context(), "/cluster", nil, &c)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "answered by %s, version %s\n", c.Node, c.Version.Version)
			state := "takes new work"
			if !c.Ready {
				state = "takes NO new work"
			}
			fmt.Fprintf(&b, "this node %s\n", state)
			for _, r := range append(c.Reasons, c.Degraded...) {
				fmt.Fprintf(&b, "  %s (%s)\n", r.Sentence, r.Code)
			}
			fmt.Fprintf(&b, "%d applications, %d resources, %d connections\n", c.Applications, c.Resources, c.Clients)
			if c.Unpublished > 0 {
				fmt.Fprintf(&b, "%d decisions are not known to be published, since %s\n", c.Unpublished,
					dash(c.UnpublishedSince))
			}
			for i := range c.Targets {
				if t := &c.Targets[i]; t.State != "alive" || t.Full {
					fmt.Fprintf(&b, "target %s is %s: %d wait; it said %q\n", t.Origin, t.State, t.Queued, t.LastError)
				}
			}
			if _, err := fmt.Fprintln(a.stdout, b.String()); err != nil {
				return err
			}
			return a.drawNodes(c.Nodes)
		},
	})
}
