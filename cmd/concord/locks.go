package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) locks() *cobra.Command {
	var f struct {
		resource, table, pk, holder, cursor string
		waits                               bool
		limit                               int
	}
	cmd := &cobra.Command{
		Use:   "locks",
		Short: "Show which rows are locked and by whom, or who waits for them",
		Example: `  concord locks --table orders --pk 42
  concord locks --holder 10.0.0.5:8091:4194305
  concord locks --waits`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if f.waits {
				if f.resource+f.table+f.pk+f.holder+f.cursor != "" {
					return usageError{errors.New("--waits takes only --limit: it lists everybody who waits")}
				}
				page, err := pages[web.Wait](cmd.Context(), a, "/waits", q, f.limit)
				if err != nil {
					return err
				}
				return a.showList(cmd, page, a.drawWaits)
			}
			for name, value := range map[string]string{
				"resource": f.resource, "table": f.table, "pk": f.pk, "holder": f.holder, "cursor": f.cursor,
			} {
				if value != "" {
					q.Set(name, value)
				}
			}
			page, err := pages[web.Lock](cmd.Context(), a, "/locks", q, f.limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, a.drawLocks)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.resource, "resource", "", "only rows of this resource, such as jdbc:mysql://db:3306/shop")
	flags.StringVar(&f.table, "table", "", "only rows of this table")
	flags.StringVar(&f.pk, "pk", "", "only rows with this primary key")
	flags.StringVar(&f.holder, "holder", "", "only rows that this xid holds")
	flags.BoolVar(&f.waits, "waits", false, "show who waits for rows instead")
	pageFlags(cmd, &f.limit, &f.cursor)
	cmd.AddCommand(a.lockGraph(), a.lockHottest())
	return a.clientFlags(cmd)
}

func (a *app) lockGraph() *cobra.Command {
	return &cobra.Command{
		Use: "graph", Short: "Show who waits for whom, with cycles marked", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var g web.LockGraph
			raw, err := a.get(cmd.Context(), "/locks/graph", nil, &g)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			header := "WAITER\tHOLDER\tRESOURCE\tTABLE\tPK\tFOR\tCYCLE"
			err = a.table("Nobody waits.", header, len(g.Edges), func(w io.Writer, i int) {
				e := &g.Edges[i]
				cycle := ""
				if e.InCycle {
					cycle = "CYCLE"
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d ms\t%s\n", e.Waiter, e.Holder, e.Row.Resource, e.Row.Table,
					e.Row.PK, e.WaitMs, dash(cycle))
			})
			return cmp.Or(err, a.sayPartial(g.Partial))
		},
	}
}

func (a *app) lockHottest() *cobra.Command {
	return &cobra.Command{
		Use: "hottest", Short: "Show the rows that were fought for most in the last minutes, on the node that answers",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var h web.HotLocks
			raw, err := a.get(cmd.Context(), "/locks/hottest", nil, &h)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			header := "RESOURCE\tTABLE\tPK\tCONFLICTS\tWAITED\tLONGEST\tWAITING NOW\tLAST HOLDER"
			err = a.table("There were no conflicts.", header, len(h.Items), func(w io.Writer, i int) {
				x := &h.Items[i]
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d ms\t%d ms\t%d\t%s\n", x.Resource, x.Table, x.PK, x.Conflicts,
					x.WaitedMs, x.LongestMs, x.Waiters, x.Holder)
			})
			return cmp.Or(err, a.sayPartial(h.Partial))
		},
	}
}
