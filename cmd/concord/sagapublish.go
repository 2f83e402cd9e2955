package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
)

// errNotPublished has a command end with 1.
var errNotPublished = errors.New("not all definitions were published")

// publishing is one file on its way.
type publishing struct {
	file string
	text []byte
	name string   // "" if it cannot be read here
	subs []string // the sagas that it runs

	shown []definition.Finding // that people have seen already
}

// published is what became of a file.
type published struct {
	File string `json:"file"`
	// Outcome is published, unchanged, unsound, or waits: a saga that it runs was not published.
	Outcome  string          `json:"outcome"`
	Version  *sagaVersion    `json:"published,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Findings []sagaFinding   `json:"findings,omitempty"`
	Explored json.RawMessage `json:"explored,omitempty"`

	explored *explored
}

// The outcomes of publishing.
const (
	outcomePublished = "published"
	outcomeUnchanged = "unchanged"
	outcomeUnsound   = "unsound"
	outcomeWaits     = "waits"
)

func (a *app) sagaPublish() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "publish FILE...",
		Short: "Publish definitions: new versions, which never change",
		Long: `Publish definitions of sagas (YAML or JSON; - is standard input). The server checks and explores them as
"concord saga verify" does; one that is not sound is not published. A definition that means the same as the newest
version is no new version. Runs that are under way stay on theirs.

Files are published in such an order that sub-sagas come before those that run them. The exit code is 0 if all are
published or were before, 1 if one is not sound, 2 if a file cannot be read: then nothing was published.`,
		Example: `  concord saga publish travel.yaml --note "asks for a car"
  concord saga publish examples/sagas/*.yaml --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("name what is published: %s FILE...", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			order, err := readAll(files, cmd.InOrStdin())
			if err != nil {
				return usageError{err}
			}
			return a.publishAll(cmd.Context(), order, note)
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what is new; it is kept with the version")
	return cmd
}

// readAll reads files and puts those that others run before those.
func readAll(files []string, stdin io.Reader) ([]*publishing, error) {
	all, byName := make([]*publishing, len(files)), map[string]*publishing{}
	for i, file := range files {
		text, err := readDefinition(file, stdin)
		if err != nil {
			return nil, err
		}
		p := &publishing{file: file, text: text}
		if def, _ := definition.Parse(text); def != nil {
			if p.name = def.Name; p.name != "" && byName[p.name] != nil {
				return nil, fmt.Errorf("%s and %s both define the saga %s", byName[p.name].file, file, p.name)
			}
			byName[p.name] = p
			for _, s := range def.Steps {
				if s.Sub != nil {
					p.subs = append(p.subs, s.Sub.Saga)
				}
			}
		}
		all[i] = p
	}
	var order []*publishing
	seen := map[*publishing]bool{}
	var add func(p *publishing)
	add = func(p *publishing) {
		if p == nil || seen[p] {
			return // also of sagas that run each other, which the server refuses
		}
		seen[p] = true
		for _, sub := range p.subs {
			add(byName[sub])
		}
		order = append(order, p)
	}
	for _, p := range all {
		add(p)
	}
	return order, nil
}

// publishAll publishes files in their order. One that is not sound holds back only those that run it.
func (a *app) publishAll(ctx context.Context, order []*publishing, note string) error {
	var done []published
	failed := map[string]bool{}
	for _, p := range order {
		result := published{File: p.file, Outcome: outcomeWaits}
		for _, sub := range p.subs {
			if failed[sub] {
				result.Detail = "it runs " + sub + ", which was not published"
			}
		}
		if result.Detail == "" {
			var err error
			if result, err = a.publishOne(ctx, p, "/sagas/definitions", note); err != nil {
				return fmt.Errorf("%s: %w", p.file, err)
			}
		}
		if result.Outcome == outcomeUnsound || result.Outcome == outcomeWaits {
			failed[p.name] = true
		}
		done = append(done, result)
		if a.output != "json" {
			result.draw(a.stdout, p.shown)
		}
	}
	if a.output == "json" {
		if err := a.printValue(done); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return errNotPublished
	}
	return nil
}

// publishOne publishes a definition; the error is of what nobody can mend in the definition.
func (a *app) publishOne(ctx context.Context, p *publishing, path, note string) (published, error) {
	result, v := published{File: p.file, Outcome: outcomePublished}, sagaVersion{}
	if note != "" {
		path += "?" + url.Values{"note": {note}}.Encode()
	}
	resp, raw, err := a.sendText(ctx, http.MethodPost, path, p.text, nil, &v)
	if err != nil {
		problem := problemOf(err)
		if problem == nil || problem.Status != http.StatusUnprocessableEntity {
			return result, err
		}
		result.unsound(raw)
		result.Detail = problem.Error()
		return result, nil
	}
	if result.Version, result.Findings = &v, v.Findings; resp.StatusCode != http.StatusCreated {
		result.Outcome = outcomeUnchanged
	}
	v.Findings = nil
	return result, nil
}

// unsound takes over what the server says of a definition that it refused.
func (p *published) unsound(raw json.RawMessage) {
	var more sagaProblem
	var own struct{ Explored json.RawMessage }
	_ = json.Unmarshal(raw, &more) // without them the problem itself is shown
	_ = json.Unmarshal(raw, &own)
	p.Outcome, p.Findings, p.explored, p.Explored = outcomeUnsound, more.Findings, more.Explored, own.Explored
}

// draw says what became of a file, without the findings that were shown.
func (p *published) draw(w io.Writer, shown []definition.Finding) {
	drawFindings(w, p.File, slices.DeleteFunc(slices.Clone(p.Findings), func(f sagaFinding) bool {
		return slices.ContainsFunc(shown, func(s definition.Finding) bool {
			return s.Rule == definition.Rule(f.Rule) && s.Path == f.Path && s.Text == f.Text
		})
	}))
	drawFailures(w, p.File, p.explored)
	switch v := p.Version; {
	case p.Outcome == outcomePublished:
		_, _ = fmt.Fprintf(w, "%s: %s version %d is published\n", p.File, v.Name, v.Version)
	case p.Outcome == outcomeUnchanged:
		_, _ = fmt.Fprintf(w, "%s: %s means the same as version %d, so there is nothing new\n", p.File, v.Name, v.Version)
	case p.Outcome == outcomeWaits:
		_, _ = fmt.Fprintf(w, "%s: NOT published: %s\n", p.File, p.Detail)
	case len(p.Findings) == 0 && p.explored == nil:
		_, _ = fmt.Fprintf(w, "%s: NOT published: %s\n", p.File, p.Detail)
	default:
		_, _ = fmt.Fprintf(w, "%s: NOT published: it is not sound\n", p.File)
	}
}
