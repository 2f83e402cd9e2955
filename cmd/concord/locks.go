package main

import (
	"errors"
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
	return a.clientFlags(cmd)
}
