package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// sagaVersion is one version of a definition.
type sagaVersion struct {
	Name     string            `json:"name"`
	Version  uint32            `json:"version"`
	Title    string            `json:"title,omitempty"`
	Language string            `json:"language,omitempty"`
	Digest   string            `json:"digest,omitempty"`
	At       string            `json:"at,omitempty"`
	By       string            `json:"by,omitempty"`
	Note     string            `json:"note,omitempty"`
	Subs     map[string]uint32 `json:"subs,omitempty"`
	Text     string            `json:"text,omitempty"`
	Steps    []sagaStep        `json:"steps,omitempty"`
	Findings []sagaFinding     `json:"findings,omitempty"`
	// Unreadable says why the server cannot run it.
	Unreadable string `json:"unreadable,omitempty"`
}

// sagaStep is what is shown of a step of a definition.
type sagaStep struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Target     string   `json:"target"`
	After      []string `json:"after"`
	When       string   `json:"when"`
	OnRefused  string   `json:"onRefused"`
	Compensate string   `json:"compensate"`
	Pivot      bool     `json:"pivot"`
	ReadOnly   bool     `json:"readOnly"`
	ForEach    string   `json:"forEach"`
	Repeat     bool     `json:"repeat"`
}

func (a *app) sagaList() *cobra.Command {
	var prefix, cursor string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the sagas that are published, each with its newest version", Args: noArguments,
		Example: "  concord saga list --prefix order",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, value := range map[string]string{"prefix": prefix, "cursor": cursor} {
				if value != "" {
					q.Set(name, value)
				}
			}
			page, err := pages[sagaVersion](cmd.Context(), a, "/sagas/definitions", q, limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error {
				return a.drawVersions("No saga is published; publish one with: concord saga publish FILE", page.Items)
			})
		},
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only those whose name begins so")
	pageFlags(cmd, &limit, &cursor)
	return cmd
}

func (a *app) drawVersions(empty string, items []sagaVersion) error {
	return a.table(empty, "SAGA\tVERSION\tPUBLISHED\tBY\tTITLE\tNOTE", len(items), func(w io.Writer, i int) {
		v := &items[i]
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", v.Name, v.Version, ago(v.At), dash(v.By), dash(v.Title),
			dash(v.Note))
	})
}

func oneSaga(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one saga: %s NAME", cmd.CommandPath())
	}
	return nil
}

// definitionPath is that of a version, 0 being the newest.
func definitionPath(name string, version uint32) string {
	p := "/sagas/definitions/" + url.PathEscape(name)
	if version > 0 {
		p += fmt.Sprint("/versions/", version)
	}
	return p
}

func (a *app) sagaShow() *cobra.Command {
	var text, versions bool
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "show NAME[@VERSION]",
		Short: "Show a saga: its steps, its text, its versions",
		Example: `  concord saga show travel
  concord saga show travel@2 --text > travel.yaml
  concord saga show travel --versions`,
		Args: oneSaga,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, version, err := sagaVersionOf(args[0])
			switch {
			case err != nil:
				return err
			case text && versions:
				return usageError{fmt.Errorf("--text or --versions, not both")}
			case versions:
				return a.showVersions(cmd, name, limit, cursor)
			}
			v, raw, err := a.sagaVersion(cmd.Context(), name, version)
			switch {
			case err != nil:
				return err
			case text:
				_, err = io.WriteString(a.stdout, v.Text)
				return err
			case a.output == "json":
				return a.printJSON(raw)
			}
			return a.drawVersion(v)
		},
	}
	cmd.Flags().BoolVar(&text, "text", false, "print the definition as it was published")
	cmd.Flags().BoolVar(&versions, "versions", false, "list its versions, newest first")
	pageFlags(cmd, &limit, &cursor)
	return cmd
}

// sagaVersion reads a version with its steps.
func (a *app) sagaVersion(ctx context.Context, name string, version uint32) (*sagaVersion, []byte, error) {
	var v sagaVersion
	raw, err := a.get(ctx, definitionPath(name, version), nil, &v)
	if err == nil && version == 0 && len(v.Steps) == 0 {
		raw, err = a.get(ctx, definitionPath(name, v.Version), nil, &v)
	}
	if err != nil {
		return nil, nil, a.unknownSaga(ctx, name, err)
	}
	return &v, raw, nil
}

func (a *app) showVersions(cmd *cobra.Command, name string, limit int, cursor string) error {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	page, err := pages[sagaVersion](cmd.Context(), a, definitionPath(name, 0)+"/versions", q, limit)
	if err != nil {
		return a.unknownSaga(cmd.Context(), name, err)
	}
	return a.showList(cmd, page, func(any) error { return a.drawVersions("There is no version.", page.Items) })
}

// drawVersion shows what a version is and its steps.
func (a *app) drawVersion(v *sagaVersion) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s version %d\n", v.Name, v.Version)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", name, text)
		}
	}
	line("title", v.Title)
	line("published", moment(v.At)+by(v.By))
	line("note", v.Note)
	line("digest", v.Digest)
	var subs []string
	for name, version := range v.Subs {
		subs = append(subs, fmt.Sprintf("%s version %d", name, version))
	}
	slices.Sort(subs)
	line("runs", strings.Join(subs, ", "))
	line("unreadable", v.Unreadable)
	var steps strings.Builder
	w := tabwriter.NewWriter(&steps, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "STEP\tKIND\tAFTER\tIF REFUSED\tUNDONE BY\t")
	for i := range v.Steps {
		s := &v.Steps[i]
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Kind, dash(strings.Join(s.After, ", ")),
			refusalText(s), dash(s.Compensate), strings.Join(s.marks(), ", "))
	}
	_ = w.Flush() // writes to memory
	for row := range strings.Lines("\n" + steps.String()) {
		b.WriteString(strings.TrimRight(row, " \n") + "\n")
	}
	fmt.Fprintf(&b, "\nThe definition: concord saga show %s@%d --text\n", v.Name, v.Version)
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

func refusalText(s *sagaStep) string {
	if s.OnRefused == "" {
		return "compensate"
	}
	return s.OnRefused
}

// marks are what is special about a step.
func (s *sagaStep) marks() []string {
	var marks []string
	for _, m := range []struct {
		set  bool
		text string
	}{
		{s.Pivot, "PIVOT"}, {s.ForEach != "", "loop"}, {s.Repeat, "repeated"}, {s.When != "", "conditional"},
	} {
		if m.set {
			marks = append(marks, m.text)
		}
	}
	return marks
}
