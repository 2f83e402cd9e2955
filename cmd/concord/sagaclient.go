package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/web"
)

// sagaFinding is one thing that the server found in a definition or an input.
type sagaFinding struct {
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Path     string `json:"path"`
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Advice   string `json:"advice"`
}

// sagaProblem is what problem documents have beyond others when a definition or an input was refused.
type sagaProblem struct {
	Findings []sagaFinding `json:"findings"`
	Explored *explored     `json:"explored"`
}

// problemOf returns the problem document of a refusal, nil if err is none.
func problemOf(err error) *web.Problem {
	var p *web.Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// textRequest makes a request whose body is a definition.
func (a *app) textRequest(ctx context.Context, method, path string, text []byte) (*http.Request, error) {
	req, err := a.request(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	body := bytes.NewReader(text)
	req.Body, req.ContentLength = io.NopCloser(body), int64(len(text))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	req.Header.Set("Content-Type", "application/yaml")
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// sendText sends a definition.
func (a *app) sendText(
	ctx context.Context, method, path string, text []byte, header http.Header, out any,
) (*http.Response, json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	req, err := a.textRequest(ctx, method, path, text)
	if err != nil {
		return nil, nil, err
	}
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	return a.exchange(req, out)
}

// drawFindings says where what was found is.
func drawFindings(w io.Writer, file string, findings []sagaFinding) {
	for _, f := range findings {
		place := file
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", file, f.Line, f.Column)
		} else if f.Path != "" {
			place = file + ": " + f.Path
		}
		rule := ""
		if f.Rule != "" {
			rule = " (" + f.Rule + ")"
		}
		_, _ = fmt.Fprintf(w, "%s: %s%s%s\n", place, prefixed(f.Severity), f.Text, rule)
		if f.Advice != "" {
			_, _ = fmt.Fprintf(w, "    %s\n", f.Advice)
		}
	}
}

func prefixed(severity string) string {
	if severity == "" {
		return ""
	}
	return severity + ": "
}

// drawFailures shows the shortest way to each bad end.
func drawFailures(w io.Writer, file string, e *explored) {
	if e == nil {
		return
	}
	for _, f := range e.Failures {
		if f.Step != "" {
			_, _ = fmt.Fprintf(w, "%s: step %s: %s\n", file, f.Step, f.Text)
		} else {
			_, _ = fmt.Fprintf(w, "%s: %s\n", file, f.Text)
		}
		for i, line := range f.Timeline {
			_, _ = fmt.Fprintf(w, "    %2d  %s\n", i+1, line)
		}
	}
}

// sagaVersionOf reads NAME or NAME@VERSION; version is 0 for the newest.
func sagaVersionOf(text string) (name string, version uint32, err error) {
	name, number, found := strings.Cut(text, "@")
	if name == "" {
		return "", 0, usageError{fmt.Errorf("name the saga: NAME or NAME@VERSION, not %q", text)}
	}
	if !found {
		return name, 0, nil
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return "", 0, usageError{fmt.Errorf("a version is a number from 1, as in %s@2, not %q", name, number)}
	}
	return name, uint32(n), nil
}

// unknownSaga adds to an error that a saga is not there which one was likely meant.
func (a *app) unknownSaga(ctx context.Context, name string, err error) error {
	p := problemOf(err)
	if p == nil || p.Status != http.StatusNotFound {
		return err
	}
	err = fmt.Errorf("saga %s is not published", name)
	page, e := pages[sagaVersion](ctx, a, "/sagas/definitions", url.Values{}, 200)
	if e != nil {
		return err
	}
	var names []string
	for _, item := range page.Items {
		if item.Name == name {
			return fmt.Errorf("saga %s has no such version; the newest is %d", name, item.Version)
		}
		names = append(names, item.Name)
	}
	if len(names) == 0 {
		return fmt.Errorf("%w, and no other is; publish it with: concord saga publish FILE", err)
	}
	return suggest(err, "sagas", name, names)
}

// jsonArgument reads a value: JSON itself, - for standard input, or the name of a file. An empty text is none.
func jsonArgument(cmd *cobra.Command, flag, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	raw := []byte(strings.TrimSpace(text))
	if json.Valid(raw) {
		return raw, nil
	}
	where := "in --" + flag
	switch {
	case text == "-":
		var err error
		where = "on standard input"
		if raw, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), limits.DocumentBytesMax+1)); err != nil {
			return nil, err
		}
	case !strings.ContainsAny(text[:1], "{[\"") && !strings.ContainsAny(text, "\n"):
		var err error
		where = "in " + text
		if raw, err = os.ReadFile(text); errors.Is(err, os.ErrNotExist) {
			return nil, usageError{fmt.Errorf("--%s is JSON, the name of a file, or -; %q is neither JSON nor a file that "+
				"is there", flag, text)}
		} else if err != nil {
			return nil, usageError{err}
		}
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, usageError{fmt.Errorf("what is %s is not JSON%s: %w", where, placeIn(raw, err), err)}
	}
	return raw, nil
}

// placeIn says where in a text the JSON is broken.
func placeIn(raw []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset > int64(len(raw)) {
		return ""
	}
	before := raw[:max(syntax.Offset-1, 0)]
	line := bytes.Count(before, []byte("\n"))
	return fmt.Sprintf(" (line %d, column %d)", line+1, len(before)-bytes.LastIndexByte(before, '\n'))
}
