package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
)

// sagaDraftView is a definition that is being written.
type sagaDraftView struct {
	Name     string        `json:"name"`
	Version  any           `json:"version"` // of the draft, as in its ETag
	At       string        `json:"at"`
	By       string        `json:"by"`
	Sound    bool          `json:"sound"`
	Text     string        `json:"text"`
	Findings []sagaFinding `json:"findings"`
}

func (a *app) sagaDraft() *cobra.Command {
	return group(&cobra.Command{
		Use:   "draft",
		Short: "Keep definitions on the server that are not published yet",
		Long: `Keep definitions on the server that are not published yet, so that several people can work on them. A draft
need not be sound; what is found in it is shown each time it is put.`,
		Example: `  concord saga draft put travel.yaml
  concord saga draft publish travel --note "reviewed"`,
	}, a.draftPut(), a.draftGet(), a.draftList(), a.draftDelete(), a.draftPublish())
}

func draftPath(name string) string { return "/sagas/drafts/" + url.PathEscape(name) }

func (a *app) draftPut() *cobra.Command {
	var name, match string
	cmd := &cobra.Command{
		Use: "put FILE", Short: "Store a draft, or replace it",
		Long: `Store a draft, or replace it; - is standard input. With --if-match it is replaced only if it is still the one
whose ETag "concord saga draft get" has shown.`,
		Example: "  concord saga draft put travel.yaml\n  concord saga draft put travel.yaml --if-match 3",
		Args:    exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readDefinition(args[0], cmd.InOrStdin())
			if err != nil {
				return usageError{err}
			}
			if name == "" {
				def, _ := definition.Parse(text)
				if def == nil || def.Name == "" {
					return usageError{fmt.Errorf("%s does not say what the saga is called; name the draft with --name", args[0])}
				}
				name = def.Name
			}
			header := http.Header{}
			if match == "" {
				if match, err = a.draftTag(cmd, name); err != nil {
					return err
				}
			}
			if match == "" {
				header.Set("If-None-Match", "*")
			} else {
				header.Set("If-Match", quoted(match))
			}
			var v sagaDraftView
			resp, raw, err := a.sendText(cmd.Context(), http.MethodPut, draftPath(name), text, header, &v)
			if err != nil {
				return changedMeanwhile(name, err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			drawFindings(a.stdout, args[0], v.Findings)
			_, err = fmt.Fprintf(a.stdout, "draft of %s is stored%s\n", name, tagged(resp))
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "of the draft; as a rule the definition says it")
	cmd.Flags().StringVar(&match, "if-match", "", "replace only the draft with this ETag; else whatever is there")
	return cmd
}

// draftTag asks what a draft's tag is, "" if there is no draft.
func (a *app) draftTag(cmd *cobra.Command, name string) (string, error) {
	resp, _, err := a.draft(cmd, name)
	if p := problemOf(err); p != nil && p.Status == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return resp.Header.Get("ETag"), nil
}

// draft reads a draft.
func (a *app) draft(cmd *cobra.Command, name string) (*http.Response, json.RawMessage, error) {
	req, err := a.request(cmd.Context(), http.MethodGet, draftPath(name), nil)
	if err != nil {
		return nil, nil, err
	}
	return a.exchange(req, &sagaDraftView{})
}

// quoted puts a tag into quotes if it is not.
func quoted(tag string) string {
	if len(tag) > 1 && tag[len(tag)-1] == '"' {
		return tag
	}
	return `"` + tag + `"`
}

func tagged(resp *http.Response) string {
	if tag := resp.Header.Get("ETag"); tag != "" {
		return ", ETag " + tag
	}
	return ""
}

// changedMeanwhile explains a precondition that did not hold.
func changedMeanwhile(name string, err error) error {
	if p := problemOf(err); p != nil && (p.Status == http.StatusPreconditionFailed || p.Status == http.StatusConflict) {
		return fmt.Errorf("%w It is shown by: concord saga draft get %s", err, name)
	}
	return err
}

// exactlyOne is the check of commands with one argument.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return fmt.Errorf("%s takes one %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// atLeastOne is the check of commands that take files and the like.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s takes at least one %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

func (a *app) draftGet() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Print the text of a draft; its ETag goes to standard error",
		Example: "  concord saga draft get travel > travel.yaml", Args: exactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			resp, raw, err := a.draft(cmd, args[0])
			if err != nil {
				return a.unknownDraft(cmd, args[0], err)
			}
			if a.output == "json" {
				return a.printJSON(raw)
			}
			var v sagaDraftView
			if err := json.Unmarshal(raw, &v); err != nil {
				return err
			}
			if _, err := io.WriteString(a.stdout, v.Text); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stderr, "draft of %s%s\n", args[0], tagged(resp))
			return err
		},
	}
}

// unknownDraft says which draft was likely meant.
func (a *app) unknownDraft(cmd *cobra.Command, name string, err error) error {
	if p := problemOf(err); p == nil || p.Status != http.StatusNotFound {
		return err
	}
	err = fmt.Errorf("there is no draft of %s", name)
	page, e := pages[sagaDraftView](cmd.Context(), a, "/sagas/drafts", url.Values{}, 200)
	if e != nil {
		return err
	}
	var names []string
	for _, item := range page.Items {
		names = append(names, item.Name)
	}
	return suggest(err, "drafts", name, names)
}

func (a *app) draftList() *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use: "list", Short: "List the drafts", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if cursor != "" {
				q.Set("cursor", cursor)
			}
			page, err := pages[sagaDraftView](cmd.Context(), a, "/sagas/drafts", q, limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error {
				return a.table("There is no draft.", "DRAFT\tCHANGED\tBY", len(page.Items), func(w io.Writer, i int) {
					d := &page.Items[i]
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", d.Name, ago(d.At), dash(d.By))
				})
			})
		},
	}
	pageFlags(cmd, &limit, &cursor)
	return cmd
}

func (a *app) draftDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Throw a draft away", Args: exactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			tag, err := a.draftTag(cmd, args[0])
			if err != nil {
				return err
			}
			req, err := a.request(cmd.Context(), http.MethodDelete, draftPath(args[0]), nil)
			if err != nil {
				return err
			}
			if tag != "" {
				req.Header.Set("If-Match", tag)
			}
			if _, _, err := a.exchange(req, &struct{}{}); err != nil {
				return a.unknownDraft(cmd, args[0], err)
			}
			_, err = fmt.Fprintf(a.stdout, "draft of %s is deleted\n", args[0])
			return err
		},
	}
}

func (a *app) draftPublish() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "publish NAME", Short: "Publish a draft, and remove it", Args: exactlyOne("NAME"),
		Example: `  concord saga draft publish travel --note "reviewed"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := a.publishOne(cmd.Context(), &publishing{file: args[0]}, draftPath(args[0])+"/publish", note)
			if err != nil {
				return a.unknownDraft(cmd, args[0], err)
			}
			if a.output == "json" {
				err = a.printValue(result)
			} else {
				result.draw(a.stdout, nil)
			}
			if err == nil && result.Outcome == outcomeUnsound {
				err = errNotPublished
			}
			return err
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what is new; it is kept with the version")
	return cmd
}
