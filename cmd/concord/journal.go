package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/journal"
)

// auditLog is what people did: the journal of a server, beside the checks of `concord audit` itself.
func (a *app) auditLog() []*cobra.Command {
	return []*cobra.Command{
		a.clientFlags(a.journalList()), a.clientFlags(a.journalExport()), a.clientFlags(a.journalVerify()),
	}
}

func (a *app) journalList() *cobra.Command {
	var f struct {
		who, action, target, since, cursor string
		limit                              int
	}
	cmd := &cobra.Command{
		Use: "log", Short: "Show what people did, newest first",
		Example: "  concord audit log --since 24h\n  concord audit log --who kim --action transaction.operate",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, value := range map[string]string{
				"who": f.who, "action": f.action, "target": f.target, "since": f.since, "cursor": f.cursor,
			} {
				if value != "" {
					q.Set(name, value)
				}
			}
			page, err := pages[web.JournalEntryView](cmd.Context(), a, "/journal", q, f.limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error {
				header := "SEQ\tAT\tWHO\tACTION\tTARGET\tPHASE\tSTATUS\tWHY"
				return a.table("Nothing matches.", header, len(page.Items), func(w io.Writer, i int) {
					e := &page.Items[i]
					status := ""
					if e.Status != 0 {
						status = fmt.Sprint(e.Status, " ", e.Code)
					}
					_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At, cmp.Or(e.Name, e.Who), e.Action,
						dash(e.Target), e.Phase, dash(status), dash(e.Why))
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.who, "who", "", "only what this principal did")
	flags.StringVar(&f.action, "action", "", "only this action, such as transaction.operate")
	flags.StringVar(&f.target, "target", "", "only what was done to this")
	flags.StringVar(&f.since, "since", "", "only since: an age such as 15m, or a time")
	pageFlags(cmd, &f.limit, &f.cursor)
	return cmd
}

func (a *app) journalExport() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole journal to standard output, oldest first",
		Example: "  concord audit export --format csv > journal.csv",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.copy(cmd.Context(), "/journal/export?"+url.Values{"format": {format}}.Encode())
		},
	}
	cmd.Flags().StringVar(&format, "format", "ndjson", "form: ndjson or csv")
	return cmd
}

// copy writes an answer of any length to standard output as it comes.
func (a *app) copy(ctx context.Context, path string) error {
	answer, err := a.open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(a.stdout, answer); err != nil {
		return fmt.Errorf("the answer of %s was cut off: %w", a.server, err)
	}
	return nil
}

func (a *app) journalVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check the chain of hashes of the journal", Args: noArguments,
		Long: `Check the chain of hashes of the journal: that no entry was changed, removed or put elsewhere. The exit code is
1 if one was.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all uint64
			q := url.Values{}
			for {
				var report journal.Report
				raw, err := a.get(cmd.Context(), "/journal/verify", q, &report)
				if err != nil {
					return err
				}
				all += report.Entries
				switch {
				case !report.Whole:
					return fmt.Errorf("the journal is not as it was written: entry %d: %s", report.Seq, report.Fault)
				case report.Next != 0:
					q.Set("after", fmt.Sprint(report.Next))
					continue
				case a.output == "json":
					return a.printJSON(raw)
				}
				_, err = fmt.Fprintf(a.stdout, "%d entries are as they were written. The last is %d, with the hash %s\n", all,
					report.Last, report.Hash)
				return err
			}
		},
	}
}
