package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the JSON of version.
type version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Long:    `Print the version, the commit it was built from, and the Go version.`,
		Example: `  consentgate version --json`,
		Args:    noArgs,
		RunE: p.run(func(context.Context, []string) error {
			v := built()
			return p.print(v, func(w io.Writer) { fmt.Fprintf(w, "consentgate %s %s %s\n", v.Version, v.Commit, v.Go) })
		}),
	}
}

// built reads what the Go toolchain noted in the binary.
func built() version {
	v := version{Version: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}
