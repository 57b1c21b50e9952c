package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) checkCommand() *cobra.Command {
	var stream string
	cmd := &cobra.Command{
		Use:   "check ADDRESS",
		Short: "say whether a recipient may be mailed, and why",
		Long: `Say what the gate would decide about a recipient of a stream now: verdict, reason, the rule that
decided, the law behind it, and what would unblock. Nothing is sent and nothing is recorded.

Exit codes: 0 permit, 3 block, 4 defer (the store does not answer, or takes no
writes, as a replica: what it says of people may be old).`,
		Example: `  consentgate check ann@example.com --stream newsletter
  consentgate check ann@example.com --stream newsletter --json | jq -r .reason`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.check(ctx, args[0], stream) }),
	}
	cmd.Flags().StringVar(&stream, "stream", "", "`name` of the stream (default: the default stream)")
	return cmd
}

// answer is the JSON of check; its fields are fixed.
type answer struct {
	Recipient     string               `json:"recipient"`
	RecipientID   string               `json:"recipient_id"` // empty where the store could not be opened
	Stream        string               `json:"stream"`
	Purpose       string               `json:"purpose"`
	Verdict       gate.Verdict         `json:"verdict"`
	Reason        gate.Reason          `json:"reason"`
	Rule          string               `json:"rule"`
	State         gate.State           `json:"state"`
	Suppression   gate.SuppressionKind `json:"suppression"`
	Jurisdiction  string               `json:"jurisdiction"`
	Citation      string               `json:"citation"`
	Hint          string               `json:"hint"`
	PolicyVersion string               `json:"policy_version"`
}

func (p *program) check(ctx context.Context, recipient, streamName string) error {
	addr, err := address(recipient)
	if err != nil {
		return err
	}
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if streamName == "" {
		streamName = cfg.DefaultStream
	}
	if streamName == "" {
		return usage("--stream is missing, and the config has no default_stream: name the stream")
	}
	stream, err := cfg.Stream(streamName)
	if err != nil {
		return usage("--stream: %v", err)
	}
	policy, err := app.Policy(cfg)
	if err != nil {
		return err
	}
	id, found, err := p.lookup(ctx, cfg, addr)
	if err != nil {
		return err
	}
	d := policy.Decide(p.now(), stream, addr, found)
	return p.answer(answer{
		Recipient: addr.String(), RecipientID: id, Stream: d.Stream, Purpose: d.Purpose, Verdict: d.Verdict,
		Reason: d.Reason, Rule: d.Rule, State: d.State, Suppression: d.Suppression, Jurisdiction: d.Jurisdiction,
		Citation: d.Citation, Hint: d.Hint, PolicyVersion: d.PolicyVersion,
	})
}

// lookup asks the store about one recipient. A store that is away is an answer too: the message would be deferred.
func (p *program) lookup(ctx context.Context, cfg *config.Config, addr gate.Address) (string, gate.Lookup, error) {
	s, err := p.openWith(ctx, cfg)
	switch {
	case errors.Is(err, gate.ErrUnavailable):
		p.say("%v", err)
		return "", gate.Lookup{Err: err}, nil
	case err != nil:
		return "", gate.Lookup{}, err
	}
	defer s.close()
	id := s.keys.ID(addr)
	if err := s.Ping(ctx); err != nil { // a replica answers, with what its master had a while ago
		p.say("%v", err)
		return id.String(), gate.Lookup{Err: err}, nil
	}
	return id.String(), s.marked(ctx).Records(ctx, []gate.ID{id})[0], nil
}

func (p *program) answer(a answer) error {
	err := p.print(a, func(w io.Writer) {
		for _, row := range [][2]string{
			{"recipient", a.Recipient},
			{"stream", a.Stream},
			{"purpose", a.Purpose},
			{"verdict", string(a.Verdict)},
			{"reason", string(a.Reason)},
			{"rule", a.Rule},
			{"state", string(a.State)},
			{"suppression", string(a.Suppression)},
			{"jurisdiction", a.Jurisdiction},
			{"citation", a.Citation},
			{"hint", a.Hint},
			{"policy", a.PolicyVersion},
		} {
			if row[1] != "" {
				line(w, row[0], row[1])
			}
		}
	})
	if err != nil {
		return err
	}
	return verdict(a.Verdict)
}
