package main

import (
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
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Example: "  concord version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			line := "concord " + v.Version
			if v.Commit != "" {
				line += " (" + v.Commit + ")"
			}
			_, err := fmt.Fprintf(a.stdout, "%s, %s %s/%s\n", line, v.Go, runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
