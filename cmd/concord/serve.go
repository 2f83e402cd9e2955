package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/concord-tx/concord/internal/config"
)

func (a *app) serve() *cobra.Command {
	var file string
	var printConfig bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a coordinator",
		Long: `Run a coordinator on the embedded store.

Settings come from their defaults, then a YAML file (--config), then environment variables (CONCORD_…), then flags;
later ones win. 'concord serve --print-config' shows them all, what they mean, and where each came from.

The HTTP API wants an API key. Where there is none yet, the first start makes one for an admin and prints it once. With
--dev the API is open without keys, on loopback only. Seata clients connect in both cases. See docs/SECURITY.md.

SIGTERM or SIGINT lets what is under way finish and ends the process with 0; a second one ends it at once.`,
		Example: `  concord serve --dev
  concord serve --data /var/lib/concord --tc :8091 --http :8088 --advertise 10.0.0.5:8091
  concord serve --config concord.yaml --print-config`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(config.Sources{File: file, Environ: a.environ, Flags: cmd.Flags()})
			if err != nil {
				return usageError{fmt.Errorf("configuration: %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
			}
			if err := checkDatabase(loaded); err != nil {
				return err
			}
			if printConfig {
				return loaded.Print(a.stdout)
			}
			ctx, stop := a.untilSignal(cmd.Context())
			defer stop()
			return a.runServer(ctx, &loaded.Config)
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&file, "config", a.env(config.EnvFile),
		"read settings from this YAML file; environment "+config.EnvFile)
	cmd.Flags().BoolVar(&printConfig, "print-config", false, "print the effective settings as YAML and end")
	cmd.SetUsageFunc(serveUsage)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			if best := config.NearestFlag(unknown.GetSpecifiedName()); best != "" {
				return fmt.Errorf("%w; did you mean --%s?", err, best)
			}
		}
		return flagError(cmd, err)
	})
	return cmd
}

// serveUsage prints the flags by group: those that everybody needs first.
func serveUsage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
	print := func(title string, keep func(group string, found bool) bool) {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SortFlags = false
		for _, k := range config.Keys() {
			if keep(k.Group(), true) {
				set.AddFlag(cmd.Flags().Lookup(k.Flag()))
			}
		}
		if keep("", false) {
			for _, name := range []string{"config", "print-config", "help"} {
				if f := cmd.Flags().Lookup(name); f != nil {
					set.AddFlag(f)
				}
			}
		}
		fmt.Fprintf(&b, "\n%s\n%s", title, set.FlagUsagesWrapped(110))
	}
	print("Flags:", func(group string, _ bool) bool { return group == "" })
	printed := ""
	for _, k := range config.Keys() {
		if group := k.Group(); group != "" && group != printed {
			printed = group
			print(k.GroupDoc, func(g string, found bool) bool { return found && g == group })
		}
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}

// signalEcho is the time within which a second signal is the same one: timeout(1), make and terminals signal a process
// and then its group.
const signalEcho = 200 * time.Millisecond

// untilSignal returns a context that ends with the first SIGTERM or SIGINT. A later one ends the process at once.
func (a *app) untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-done:
				return
			case <-signals:
			}
			switch {
			case first.IsZero():
				first = time.Now()
			case time.Since(first) > signalEcho:
				_, _ = fmt.Fprintln(a.stderr, "concord: ended at once by a second signal; nothing that was answered is lost")
				a.exit(exitFailure)
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
