package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// release is the version of this source.
const release = "0.1.0"

// buildVersion returns the version, with the commit if the build knows it.
func buildVersion() web.Version {
	v := web.Version{Version: release, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && v.Commit != "" {
		v.Commit += "-dirty"
	}
	return v
}

func (a *app) version() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Example: "  concord version\n  concord version --output json",
		Args:    noArguments,
		PreRunE: func(*cobra.Command, []string) error { return a.checkOutput() },
		RunE: func(*cobra.Command, []string) error {
			if a.output == "json" {
				raw, err := json.Marshal(buildVersion())
				if err != nil {
					return err
				}
				return a.printJSON(raw)
			}
			_, err := fmt.Fprintln(a.stdout, versionLine())
			return err
		},
	}
	a.outputFlag(cmd.Flags())
	return cmd
}

// versionLine is the version for people.
func versionLine() string {
	v := buildVersion()
	line := "concord " + v.Version
	if v.Commit != "" {
		line += " (" + v.Commit + ")"
	}
	return fmt.Sprintf("%s, %s %s/%s", line, v.Go, runtime.GOOS, runtime.GOARCH)
}
