package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit code.
func (p *program) execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	return p.explain(root.ExecuteContext(ctx))
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "consentgate",
		Short: "an SMTP relay that only mails people whose consent allows it",
		Long: `consentgate stands between your applications and your real mailer. It lets a message
through only to people whose consent allows it, and explains every decision.

Settings come from flags, the environment (CONSENTGATE_CONFIG, CONSENTGATE_STORE,
CONSENTGATE_DATA_DIR, CONSENTGATE_JSON, ...) and ` + "/etc/consentgate/config.yaml" + `, in this order.

Exit codes: 0 done or permit, 1 error, 2 usage, 3 block, 4 defer.`,
		Example: `  consentgate demo
  consentgate serve --listen 127.0.0.1:2525 --upstream 127.0.0.1:25 --mode observe
  consentgate check ann@example.com --stream newsletter`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	f := root.PersistentFlags()
	f.StringVar(&p.configPath, "config", "", "config `file` (CONSENTGATE_CONFIG; default /etc/consentgate/config.yaml if it is there)")
	f.StringVar(&p.store, "store", "", "consent store `URL` (CONSENTGATE_STORE; default sqlite in the data directory)")
	f.StringVar(&p.dataDir, "data-dir", "", "`directory` of keys, journal and embedded store (CONSENTGATE_DATA_DIR)")
	f.StringVar(&p.as, "actor", p.env("CONSENTGATE_ACTOR"), "`name` of who gives the command, for history and audit log (CONSENTGATE_ACTOR; the account is added)")
	f.BoolVar(&p.json, "json", p.env("CONSENTGATE_JSON") == "1" || p.env("CONSENTGATE_JSON") == "true", "print JSON (CONSENTGATE_JSON=1)")
	root.AddCommand(
		p.serveCommand(), p.demoCommand(), p.checkCommand(), p.consentCommand(), p.suppressCommand(), p.invalidateCommand(), p.linkCommand(), p.blockedCommand(),
		p.importCommand(), p.exportCommand(), p.statsCommand(), p.auditCommand(), p.wordingCommand(), p.evidenceCommand(),
		p.policyCommand(), p.configCommand(), p.storeCommand(), p.keyCommand(), p.retentionCommand(), p.passwordCommand(), p.tokenCommand(), p.sinkCommand(), p.versionCommand(),
		p.lintCommand(), p.doctorCommand(), p.completionCommand(),
	)
	p.complete(root)
	return root
}

// group is a command that only holds others.
func (p *program) group(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	names := make([]string, len(subs))
	for i, s := range subs {
		names[i] = s.Name()
	}
	g := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("%s needs a command: %s", use, strings.Join(names, ", "))
		},
	}
	g.AddCommand(subs...)
	return g
}

// noArgs is the argument check of commands that are told everything by flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument; got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneAddress is the argument check of commands about one recipient.
func oneAddress(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs one ADDRESS, such as ann@example.com; got %s", cmd.CommandPath(), count(len(args), "argument"))
	}
	return nil
}
