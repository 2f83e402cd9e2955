package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// moving is what `concord saga move` is told.
type moving struct {
	to          uint32
	maps        []string
	dryRun, yes bool
}

func (a *app) sagaMove() *cobra.Command {
	var f moving
	cmd := &cobra.Command{
		Use:   "move NAME@VERSION | XID",
		Short: "Have runs that are under way go on by another version",
		Long: `Have runs that are under way go on by another version of their definition: all runs of a version, or one run.
What would become of each is shown first, and nothing is changed without a yes.

A run is moved if the new version, with what has happened so far, would have begun all that was begun, and can undo it.
If steps that have begun are called otherwise there, say how with --map. All other runs stay with their version, which
they go on to the end with.`,
		Example: `  concord saga move order@1 --to 2 --dry-run
  concord saga move order@1 --map reserve=book --map trip/hotel=trip/room
  concord saga move 10.0.0.5:8091:4194305 --to 3 --yes`,
		Args: exactlyOne("NAME@VERSION or XID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			mapping, err := mappingOf(f.maps)
			if err != nil {
				return usageError{err}
			}
			if !strings.Contains(args[0], "@") {
				return a.moveOne(cmd, args[0], &f, mapping)
			}
			name, from, err := sagaVersionOf(args[0])
			if err != nil {
				return err
			}
			return a.moveAll(cmd, name, from, &f, mapping)
		},
	}
	cmd.Flags().Uint32Var(&f.to, "to", 0, "the version to go on by; the newest if absent")
	cmd.Flags().StringArrayVar(&f.maps, "map", nil, "what a step is called in it, as OLD=NEW; may be given several times")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would become of each, and change nothing")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	return cmd
}

func mappingOf(pairs []string) (map[string]string, error) {
	mapping := map[string]string{}
	for _, pair := range pairs {
		old, now, found := strings.Cut(pair, "=")
		if !found || old == "" || now == "" {
			return nil, fmt.Errorf("--map is OLD=NEW, not %q", pair)
		}
		mapping[old] = now
	}
	return mapping, nil
}

// moveOne moves a run.
func (a *app) moveOne(cmd *cobra.Command, xid string, f *moving, mapping map[string]string) error {
	if !strings.ContainsAny(xid, ":0123456789") {
		return usageError{fmt.Errorf("name the version whose runs are moved, as in %s@1, or a run", xid)}
	}
	body := map[string]any{"to": f.to, "mapping": mapping, "dryRun": true}
	ask := func() (moved web.SagaMoved, raw json.RawMessage, err error) {
		raw, err = a.call(cmd.Context(), http.MethodPost, runPath(xid, "move"), body, &moved)
		return moved, raw, err
	}
	moved, raw, err := ask()
	if err == nil && !f.dryRun && moved.Verdict == "safe" {
		if !f.yes {
			drawMoves(a.stderr, []web.SagaMoved{moved})
			if err := a.confirm(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		body["dryRun"] = false
		moved, raw, err = ask()
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", xid, err)
	case a.output == "json":
		err = a.printJSON(raw)
	default:
		drawMoves(a.stdout, []web.SagaMoved{moved})
	}
	if err == nil && moved.Verdict != "safe" {
		err = errors.New("the run stays with its version")
	}
	return err
}

// moveAll shows what would become of the runs of a version, asks, and moves them.
func (a *app) moveAll(cmd *cobra.Command, saga string, from uint32, f *moving, mapping map[string]string) error {
	body := map[string]any{"from": from, "to": f.to, "mapping": mapping, "dryRun": true}
	all, err := a.movePages(cmd.Context(), saga, body)
	if err != nil {
		return err
	}
	safe := 0
	for _, m := range all.Items {
		if m.Verdict == "safe" {
			safe++
		}
	}
	if !f.dryRun && safe > 0 {
		if !f.yes {
			drawMoves(a.stderr, all.Items)
			_, _ = fmt.Fprintf(a.stderr, "%d of %d runs of %s go on by version %d%s.\n", safe, len(all.Items), saga, all.To,
				stayingOf(all.Items))
			if err := a.confirm(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		body["dryRun"], body["to"] = false, all.To
		if all, err = a.movePages(cmd.Context(), saga, body); err != nil {
			return err
		}
	}
	if a.output == "json" {
		raw, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return a.printJSON(raw)
	}
	drawMoves(a.stdout, all.Items)
	moved := 0
	for _, m := range all.Items {
		if m.Moved {
			moved++
		}
	}
	text := fmt.Sprintf("%d of %d runs were moved to version %d", moved, len(all.Items), all.To) + stayingOf(all.Items)
	switch {
	case len(all.Items) == 0:
		text = fmt.Sprintf("no run of %s version %d is under way; nothing was changed", saga, from)
	case f.dryRun || safe == 0:
		text = fmt.Sprintf("%d of %d runs could be moved to version %d%s; nothing was changed", safe, len(all.Items), all.To,
			stayingOf(all.Items))
	}
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}

// stayingOf counts those of the runs that stay with their version, by why: "" if none does.
func stayingOf(all []web.SagaMoved) (text string) {
	count := map[string]int{}
	for i := range all {
		count[all[i].Verdict]++
	}
	if n := count["needsMapping"]; n == 1 {
		text += ", 1 needs a mapping"
	} else if n > 1 {
		text += fmt.Sprintf(", %d need a mapping", n)
	}
	if n := count["mustStay"]; n > 0 {
		text += fmt.Sprintf(", %d must stay", n)
	}
	return text
}

// movePages goes through all pages.
func (a *app) movePages(ctx context.Context, saga string, body map[string]any) (all web.SagaMoves, err error) {
	for cursor := ""; ; {
		var page web.SagaMoves
		body["cursor"] = cursor
		path := "/sagas/definitions/" + url.PathEscape(saga) + "/move"
		if _, err := a.call(ctx, http.MethodPost, path, body, &page); err != nil {
			return all, a.notMoved(ctx, saga, err)
		}
		items := append(all.Items, page.Items...)
		all, all.Items = page, items
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// notMoved says which saga was likely meant, or which version there is.
func (a *app) notMoved(ctx context.Context, saga string, err error) error {
	if p := problemOf(err); p != nil && p.Code == "sagaNotFound" {
		return a.unknownSaga(ctx, saga, err)
	}
	return fmt.Errorf("%s: %w", saga, err)
}

// drawMoves lists what becomes of runs.
func drawMoves(w io.Writer, all []web.SagaMoved) {
	var b strings.Builder
	for i := range all {
		m := &all[i]
		if i == movesShown {
			fmt.Fprintf(&b, "... and %d more; --output json has them all\n", len(all)-i)
			break
		}
		word := map[string]string{"safe": "safe", "needsMapping": "needs mapping", "mustStay": "must stay"}[m.Verdict]
		if m.Moved {
			word = "moved"
		}
		fmt.Fprintf(&b, "%s  %s", m.XID, word)
		if len(m.Begins) > 0 {
			fmt.Fprintf(&b, "; begins %s", strings.Join(m.Begins, ", "))
		}
		if m.Ends {
			b.WriteString("; it is done then")
		}
		b.WriteString("\n")
		for _, reason := range m.Reasons {
			fmt.Fprintf(&b, "    %s\n", reason)
		}
	}
	_, _ = io.WriteString(w, b.String())
}

// movesShown is how many runs are listed.
const movesShown = 50
