package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) nodes() *cobra.Command {
	return a.clientFlags(&cobra.Command{
		Use:   "nodes",
		Short: "Show the nodes of the cluster",
		Long: `Show the nodes that were members of the cluster in the last day. The state is alive; draining, when the node
lets its clients go; or gone, when it has left or its lease is over. The epoch grows each time that any node joins.`,
		Example: "  concord nodes --server http://127.0.0.1:8088",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.NodeView]
			raw, err := a.get(cmd.Context(), "/nodes", nil, &page)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			return a.drawNodes(page.Items)
		},
	})
}

// drawNodes prints nodes.
func (a *app) drawNodes(nodes []web.NodeView) error {
	header := "NODE\tSTATE\tEPOCH\tADVERTISED\tINTERNAL\tVERSION\tJOINED"
	return a.table("There is no node.", header, len(nodes), func(w io.Writer, i int) {
		n := &nodes[i]
		state := n.State
		if n.Self {
			state += " (asked)"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", n.ID, state, n.Epoch, n.Advertise, dash(n.Internal),
			n.Version, dash(ago(n.JoinedAt)))
	})
}

func (a *app) settings() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show or change what counts in the whole cluster at run time",
		Long: `Show the settings that can be changed for the whole cluster while it runs: what counts now, and what the
node that is asked is configured with. A change is kept in the database, and every node follows within seconds.`,
		Example: `  concord settings
  concord settings set limits.lockWait 1s
  concord settings unset limits.lockWait`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.SettingView]
			raw, err := a.get(cmd.Context(), "/settings", nil, &page)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			header := "SETTING\tVALUE\tNODE'S OWN\tCHANGED BY"
			return a.table("Nothing can be changed at run time.", header, len(page.Items), func(w io.Writer, i int) {
				x := &page.Items[i]
				by := "-"
				if x.Changed {
					by = strings.TrimSpace(x.ChangedBy + " " + ago(x.ChangedAt))
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Key, x.Value, x.Own, by)
			})
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "set KEY VALUE", Short: "Change a setting for the whole cluster",
			Example: "  concord settings set limits.lockWait 1s",
			Args:    exactArguments("KEY", "VALUE"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.putSetting(cmd, args[0], args[1])
			},
		},
		&cobra.Command{
			Use: "unset KEY", Short: "Go back to what each node is configured with",
			Example: "  concord settings unset limits.lockWait",
			Args:    exactArguments("KEY"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.putSetting(cmd, args[0], "")
			},
		})
	return a.clientFlags(cmd)
}

func (a *app) putSetting(cmd *cobra.Command, key, value string) error {
	var now web.SettingView
	body := map[string]string{"value": value}
	raw, err := a.call(cmd.Context(), http.MethodPut, "/settings/"+url.PathEscape(key), body, &now)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(raw)
	}
	_, err = fmt.Fprintf(a.stdout, "%s is %s on every node within seconds.\n", now.Key, now.Value)
	return err
}

// exactArguments requires these arguments and names the one that is missing.
func exactArguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError{fmt.Errorf("%s is missing", names[len(args)])}
		case len(args) > len(names):
			return usageError{fmt.Errorf("%q is one argument too many", args[len(names)])}
		}
		return nil
	}
}
