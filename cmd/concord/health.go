package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthWait is shorter than the patience of those who ask every few seconds.
const healthWait = 3 * time.Second

func (a *app) health() *cobra.Command {
	return a.clientFlags(&cobra.Command{
		Use:   "health",
		Short: "Tell whether a coordinator is ready for new work",
		Long: `Asks /readyz, and ends with 0 if new work is welcome and with 1 if it is not, or if nobody answers. It needs no
shell and no other program, so it serves as the health check of a container.`,
		Example: "  concord health\n  concord health --server http://10.0.0.5:8088",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.askReady(cmd.Context()) },
	})
}

// askReady returns nil if the server is ready, and says why it is not.
func (a *app) askReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.server, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.server, err)
	}
	var answer struct {
		Ready   bool `json:"ready"`
		Reasons []struct{ Sentence string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the answer of %s is not Concord's (status %d)", a.server, resp.StatusCode)
	}
	if answer.Ready && resp.StatusCode == http.StatusOK {
		if a.output == "json" {
			return a.printJSON(raw)
		}
		_, err = fmt.Fprintln(a.stdout, "ready")
		return err
	}
	sentences := []string{"not ready"}
	for _, r := range answer.Reasons {
		sentences = append(sentences, r.Sentence)
	}
	return errors.New(strings.Join(sentences, ": "))
}
