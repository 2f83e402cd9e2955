package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) tx() *cobra.Command {
	return a.clientFlags(group(&cobra.Command{
		Use:   "tx",
		Short: "Look at transactions, and bring them to an end",
		Example: `  concord tx list --stuck
  concord tx show 10.0.0.5:8091:4194305
  concord tx retry 10.0.0.5:8091:4194305 --reason "participant is back"`,
	}, a.txList(), a.txShow(), a.txWhy(), a.txHistory(), a.operation("commit"), a.operation("rollback"),
		a.operation("retry"), a.operation("skip"), a.operation("release")))
}

// pagesMax bounds how many short pages are read for one list.
const pagesMax = 100

func (a *app) txList() *cobra.Command {
	var f struct {
		status, application, name, since, cursor string
		stuck, live                              bool
		limit                                    int
	}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List transactions, newest first",
		Long: `List transactions, newest first. Filters can be combined. A transaction that was begun but has neither a branch
nor an outcome yet is not listed.`,
		Example: `  concord tx list --live
  concord tx list --stuck --output json
  concord tx list --status RollingBack --application shop --since 1h --limit 20`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			set := func(name, value string) {
				if value != "" && value != "false" {
					q.Set(name, value)
				}
			}
			set("status", f.status)
			set("application", f.application)
			set("name", f.name)
			set("since", f.since)
			set("cursor", f.cursor)
			set("stuck", strconv.FormatBool(f.stuck))
			set("live", strconv.FormatBool(f.live))
			page, err := pages[web.Transaction](cmd.Context(), a, "/transactions", q, f.limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, a.drawTransactions)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.status, "status", "", "only this status: Active, Committing, RollingBack, Committed or RolledBack")
	flags.BoolVar(&f.stuck, "stuck", false, "only those that need a person")
	flags.BoolVar(&f.live, "live", false, "only those that have not ended")
	flags.StringVar(&f.application, "application", "", "only those that this application began")
	flags.StringVar(&f.name, "name", "", "only those of this name")
	flags.StringVar(&f.since, "since", "", "only those begun since: an age such as 15m, or 2026-01-31T15:04:05Z")
	pageFlags(cmd, &f.limit, &f.cursor)
	return cmd
}

func pageFlags(cmd *cobra.Command, limit *int, cursor *string) {
	cmd.Flags().IntVar(limit, "limit", 50, "how many to list, at most 1000")
	cmd.Flags().StringVar(cursor, "cursor", "", "go on after a page; the page before says with what")
}

// pages reads as many pages as it takes to have limit items, since a page may be short and still have a next.
func pages[T any](ctx context.Context, a *app, path string, q url.Values, limit int) (web.Page[T], error) {
	all := web.Page[T]{Items: []T{}}
	for range pagesMax {
		q.Set("limit", strconv.Itoa(limit-len(all.Items)))
		var page web.Page[T]
		if _, err := a.get(ctx, path, q, &page); err != nil {
			return all, err
		}
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
		all.Partial = all.Partial || page.Partial
		if page.Next == "" || len(all.Items) >= limit {
			break
		}
		q.Set("cursor", page.Next)
	}
	return all, nil
}

// showList prints a page, and how to see the next one.
func (a *app) showList(cmd *cobra.Command, page any, draw func(any) error) error {
	raw, err := json.Marshal(page)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(raw)
	}
	if err := draw(page); err != nil {
		return err
	}
	var rest struct {
		Next    string
		Partial bool
	}
	if err := json.Unmarshal(raw, &rest); err != nil {
		return err
	}
	if err := a.sayPartial(rest.Partial); err != nil || rest.Next == "" {
		return err
	}
	_, err = fmt.Fprintf(a.stderr, "There may be more: repeat '%s' with your flags and --cursor %s\n",
		cmd.CommandPath(), rest.Next)
	return err
}

// xidArgs takes one or more xids.
func xidArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || slices.Contains(args, "") {
		return fmt.Errorf("name the transaction: %s XID", cmd.CommandPath())
	}
	return nil
}

func oneXID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one transaction: %s XID", cmd.CommandPath())
	}
	return nil
}

func path(xid, verb string) string {
	p := "/transactions/" + url.PathEscape(xid)
	if verb != "" {
		p += "/" + verb
	}
	return p
}

func (a *app) txShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show XID",
		Short:   "Show one transaction: its branches, what it waits for, and what you can do",
		Example: "  concord tx show 10.0.0.5:8091:4194305",
		Args:    oneXID,
		RunE: func(cmd *cobra.Command, args []string) error {
			var g web.TransactionDetail
			raw, err := a.get(cmd.Context(), path(args[0], ""), nil, &g)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			return a.drawDetail(&g)
		},
	}
}

func (a *app) txHistory() *cobra.Command {
	return &cobra.Command{
		Use:     "history XID",
		Short:   "Show what happened to a transaction, oldest first",
		Example: "  concord tx history 10.0.0.5:8091:4194305",
		Args:    oneXID,
		RunE: func(cmd *cobra.Command, args []string) error {
			var page web.Page[web.HistoryEntry]
			raw, err := a.get(cmd.Context(), path(args[0], "history"), nil, &page)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			return a.drawHistory(page.Items)
		},
	}
}

// showOutcome says what a change led to.
func (a *app) showOutcome(verb string, raw json.RawMessage, g *web.TransactionDetail) error {
	if a.output == "json" {
		return a.printJSON(raw)
	}
	text := fmt.Sprintf("%s of %s: it is %s now.", verb, g.XID, g.Status)
	if g.EndedAt == "" {
		text += " " + g.Explanation
	}
	if g.Advice != "" {
		text += "\n" + g.Advice
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}
