package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/web"
)

// serverDefault is where a server that was started without flags listens.
const serverDefault = "http://127.0.0.1:8088"

// answerBytesMax bounds what is read of an answer; requestWait is longer than any request may take.
const (
	answerBytesMax = 64 << 20
	requestWait    = 45 * time.Second
)

// clientFlags gives a command the flags of those that talk to a server.
func (a *app) clientFlags(cmd *cobra.Command) *cobra.Command {
	server := a.env(config.EnvServer)
	if server == "" {
		server = serverDefault
	}
	cmd.PersistentFlags().StringVar(&a.server, "server", server, "address of the server; environment "+config.EnvServer)
	a.outputFlag(cmd.PersistentFlags())
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		if err := a.checkOutput(); err != nil {
			return err
		}
		u, err := url.Parse(a.server)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("--server is an address such as %s, not %q", serverDefault, a.server)
		}
		a.began = true
		return nil
	}
	return cmd
}

func (a *app) outputFlag(flags *pflag.FlagSet) {
	flags.StringVarP(&a.output, "output", "o", "table", "form of the output: table or json")
}

func (a *app) checkOutput() error {
	if a.output != "table" && a.output != "json" {
		return usageError{fmt.Errorf("--output is table or json, not %q", a.output)}
	}
	return nil
}

// get asks the server; query may be nil. The answer is decoded into out, and returned as it came.
func (a *app) get(ctx context.Context, path string, query url.Values, out any) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return a.call(ctx, http.MethodGet, path, nil, out)
}

// call sends a request to the server.
func (a *app) call(ctx context.Context, method, path string, body, out any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	req, err := a.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	_, raw, err := a.exchange(req, out)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// exchange sends a request and decodes the answer into out. What was answered is returned also with a refusal; without
// content it is nil, and out stays as it is.
func (a *app) exchange(req *http.Request, out any) (*http.Response, json.RawMessage, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return resp, nil, fmt.Errorf("read the answer of %s: %w", a.server, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp, raw, a.refused(resp.StatusCode, raw)
	}
	if resp.StatusCode == http.StatusNoContent {
		return resp, nil, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return resp, raw, fmt.Errorf("the answer of %s is not Concord's; does --server name the HTTP address of a "+
			"coordinator? (%w)", a.server, err)
	}
	return resp, raw, nil
}

// open asks the server for an answer of any length; the caller closes it.
func (a *app) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := a.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return a.send(req)
}

// send sends a request whose answer has any length; the caller closes it.
func (a *app) send(req *http.Request) (io.ReadCloser, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, a.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", a.server, err)
	}
	return nil, a.refused(resp.StatusCode, raw)
}

// request makes a request to the server; a body of nil is none.
func (a *app) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.server, "/")+"/api/v1"+path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Concord-Actor", a.actor())
	if token := a.env(config.EnvToken); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// actor is who asks: the user's name if the environment tells it.
func (a *app) actor() string {
	if user := a.env("USER"); user != "" {
		return "cli (" + user + ")"
	}
	return "cli"
}

// unreachable explains why there was no answer.
func (a *app) unreachable(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server answers at %s; start one with 'concord serve --dev', or name it with --server or %s",
			a.server, config.EnvServer)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer in %s; the outcome of the request is unknown", a.server, requestWait)
	case errors.Is(err, io.EOF) || strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%s does not speak HTTP; does --server name the HTTP address of a coordinator, not the one for "+
			"Seata clients?", a.server)
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the host of %s is not known (%w); --server or %s names the server", a.server, unknown,
			config.EnvServer)
	}
	return fmt.Errorf("ask %s: %w", a.server, err)
}

// refused turns a problem document into an error.
func (a *app) refused(status int, raw []byte) error {
	var p web.Problem
	if err := json.Unmarshal(raw, &p); err != nil || p.Code == "" || p.Code == "routeNotFound" {
		return fmt.Errorf("%s answered %d %s; does --server name the HTTP address of a coordinator?", a.server, status,
			http.StatusText(status))
	}
	switch {
	case p.Status == http.StatusBadRequest:
		return usageError{&p}
	case p.Status == http.StatusUnauthorized && a.env(config.EnvToken) == "":
		return fmt.Errorf("%w For this command, put the key into the environment variable %s", &p, config.EnvToken)
	case p.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w The key that was sent is that of the environment variable %s", &p, config.EnvToken)
	}
	return &p
}

// orPrint prints an answer, unless there was an error instead.
func orPrint(a *app, raw json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	return a.printJSON(raw)
}

// printValue writes a value as JSON.
func (a *app) printValue(v any) error {
	raw, err := json.Marshal(v)
	return orPrint(a, raw, err)
}

// printJSON writes an answer as it came, indented.
func (a *app) printJSON(raw json.RawMessage) error {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := out.WriteTo(a.stdout)
	return err
}
