package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/evidence"
	"github.com/consentgate/consentgate/internal/stats"
	"github.com/consentgate/consentgate/unsub"
)

func (p *program) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print a script that completes commands, flags and values in a shell",
		Long: `Print a script with which a shell completes commands, flags, and the values of flags that take one of a
few words; streams and purposes are those of the config file. SHELL is bash, zsh, fish or powershell.`,
		Example: `  source <(consentgate completion bash)
  consentgate completion zsh > "${fpath[1]}/_consentgate"
  consentgate completion fish > ~/.config/fish/completions/consentgate.fish`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return fmt.Errorf("%s needs one SHELL: %s", cmd.CommandPath(), strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.run(func(context.Context, []string) error { return p.completion(cmd.Root(), args[0]) })(cmd, args)
		},
	}
}

func (p *program) completion(root *cobra.Command, shell string) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(p.out)
	case "fish":
		return root.GenFishCompletion(p.out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(p.out)
	}
	return root.GenBashCompletionV2(p.out, true)
}

// choices are the values that flags may have, by command and flag, and arguments, by command alone; "*" is any command.
func (p *program) choices() map[string]func() []string {
	return map[string]func() []string{
		"*/purpose":                   p.purposes,
		"*/stream":                    p.streams,
		"*/jurisdiction":              p.jurisdictions,
		"*/audience":                  func() []string { return []string{"b2b", "b2c"} },
		"*/source":                    sources,
		"serve/mode":                  func() []string { return texts(config.Modes()) },
		"serve/on-block":              func() []string { return texts(config.OnBlocks()) },
		"consent grant/method":        func() []string { return texts(methods()) },
		"consent grant/default-state": func() []string { return texts(defaultStates()) },
		"consent confirm/via":         func() []string { return texts(waysToConfirm()) },
		"consent grant/evidence":      evidenceKeys,
		"consent confirm/evidence":    evidenceKeys,
		"consent evidence/format":     func() []string { return []string{"json", "html"} },
		"consent evidence/language":   evidence.Languages,
		"consent request/language":    unsub.Languages,
		"stats/by":                    func() []string { return texts(stats.Breakdowns()) },
		"stats/format":                blockFormats,
		"token new/role":              func() []string { return texts(admin.Roles()) },
		"key rotate/":                 func() []string { return []string{"token", "encryption"} },
		"policy show/":                p.packs,
		"blocked/format":              blockFormats,
		"blocked/reason":              func() []string { return texts(gate.Reasons()) },
		"export/format":               func() []string { return []string{bulk.FormatCSV, bulk.FormatJSONL} },
		"export/state":                func() []string { return texts(exportStates()) },
		"import/format":               func() []string { return []string{bulk.FormatCSV, bulk.FormatJSONL} },
		"import/preset":               bulk.Presets,
		"import/dates":                func() []string { return texts([]bulk.DateOrder{bulk.DayFirst, bulk.MonthFirst}) },
	}
}

// complete gives every argument and flag below cmd that takes no file something else to complete, or nothing.
func (p *program) complete(cmd *cobra.Command) {
	choices, path := p.choices(), strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	completeArgs(cmd, choices[path+"/"])
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		words := choices[path+"/"+f.Name]
		if words == nil {
			words = choices["*/"+f.Name]
		}
		completeFlag(cmd, f, words)
	})
	for _, sub := range cmd.Commands() {
		p.complete(sub)
	}
}

func completeArgs(cmd *cobra.Command, words func() []string) {
	switch {
	case cmd.ValidArgs != nil || cmd.ValidArgsFunction != nil:
	case words != nil:
		cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words(), cobra.ShellCompDirectiveNoFileComp
		}
	case !strings.Contains(cmd.Use, "FILE") && !strings.Contains(cmd.Use, "DIR"):
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// completeFlag leaves a flag alone that its command has seen to.
func completeFlag(cmd *cobra.Command, f *pflag.Flag, words func() []string) {
	_, seenTo := cmd.GetFlagCompletionFunc(f.Name)
	what, _ := pflag.UnquoteUsage(f)
	if seenTo || words == nil && what == "file" {
		return
	}
	nothing := cobra.ShellCompDirectiveNoFileComp
	if what == "directory" {
		nothing = cobra.ShellCompDirectiveFilterDirs
	}
	// An error means that the flag does not exist or is seen to, neither of which can be.
	_ = cmd.RegisterFlagCompletionFunc(f.Name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if words == nil {
			return nil, nothing
		}
		all, directive := words(), cobra.ShellCompDirectiveNoFileComp
		if slices.ContainsFunc(all, func(w string) bool { return strings.HasSuffix(w, "=") || strings.HasSuffix(w, ":") }) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return all, directive
	})
}

// purposes are those of the streams; none where the settings are wrong, of which completion is no place to speak.
func (p *program) purposes() []string {
	var names []string
	if cfg, err := p.config(); err == nil {
		for _, s := range cfg.Streams() {
			if s.Purpose != "" {
				names = append(names, s.Purpose)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *program) streams() []string {
	var names []string
	if cfg, err := p.config(); err == nil {
		for _, s := range cfg.Streams() {
			names = append(names, s.Name)
		}
	}
	return names
}

func (p *program) jurisdictions() []string {
	cfg, err := p.config()
	if err != nil {
		return nil
	}
	return cfg.Jurisdictions
}

// packs are the codes of all packs, enabled or not.
func (p *program) packs() []string {
	cfg, err := p.config()
	if err != nil {
		return nil
	}
	var codes []string
	for _, e := range cfg.Packs() {
		codes = append(codes, e.Jurisdiction)
	}
	return codes
}

// texts are words as plain strings.
func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

func methods() []gate.Method {
	return []gate.Method{
		gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper, gate.MethodSoft,
		gate.MethodB2B, gate.MethodImplied, gate.MethodImported,
	}
}

func defaultStates() []gate.DefaultState {
	return []gate.DefaultState{gate.DefaultTicked, gate.DefaultUnticked, gate.DefaultBundled, gate.DefaultNone}
}

func sources() []string {
	return []string{
		"form:", "contest:", "whitepaper:", "checkout:", "account:", "preference:", "import:", "broker:", "api:", "operator:",
		"unsubscribe:", "provider:",
	}
}
