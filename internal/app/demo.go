package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/sink"
)

// DemoOptions of Demo.
type DemoOptions struct {
	Once bool // exit after the table instead of staying up
	JSON bool // a JSON object for each outcome, for the header and for the addresses, one a line, instead of text
	Out  io.Writer
	Log  *slog.Logger // nil: nothing is logged
}

// errDemo: the gate did not do what the table says it must.
var errDemo = errors.New("the outcome differs from what it must be")

// arrivalTime is how long a message may take from the upstream's 250 into the capture mailbox.
const arrivalTime = 5 * time.Second

// Demo runs a gate with an embedded store and a capture mailbox in this process, sends a newsletter and a receipt to
// one person in each important state, and shows what became of them. Everything it makes is gone afterwards. The error
// wraps what differs where an outcome is not the one that the table must show.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := os.MkdirTemp("", "consentgate-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	box, err := sink.New(ctx, sink.Options{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Log: o.Log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts errgroup.Group
	parts.Go(func() error { return box.Serve(ctx) }) // before the gate asks it what it can do
	err = demonstrate(ctx, &parts, dir, box, o)
	cancel()
	return errors.Join(err, parts.Wait())
}

// demonstrate runs the gate in front of the mailbox and shows it at work.
func demonstrate(ctx context.Context, parts *errgroup.Group, dir string, box *sink.Sink, o DemoOptions) error {
	a, err := demoApp(ctx, dir, box.Addr(), o.Log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts.Go(func() error {
		defer a.Close()
		return a.Run(ctx, Reloads{})
	})
	d := &demo{app: a, box: box, out: o.Out, json: o.JSON}
	if err := d.show(ctx); err != nil || o.Once {
		return err
	}
	d.stay(ctx)
	return nil
}

func demoApp(ctx context.Context, dir, upstream string, log *slog.Logger) (*App, error) {
	web, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
mode: enforce
jurisdictions: [EU, FR]
default_stream: newsletter
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: %q}]
streams:
  newsletter: {kind: marketing, purpose: newsletter, match: {mail_from: ["news@example.com"]}, unsubscribe: [https], list_id: "Example news <news.example.com>"}
  receipts: {kind: transactional, match: {mail_from: ["*@shop.example.com"]}}
unsubscribe: {listen: %q, public_url: %q}
`, dir, upstream, web, "http://"+web), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		return nil, err
	}
	return New(ctx, cfg, log)
}

// freeAddress finds a loopback port for the page that the links lead to; it has to be known before the links are made.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// demo is one run of it.
type demo struct {
	app *App
	box *sink.Sink
	out io.Writer

	json bool
}

// outcome is what became of one message.
type outcome struct {
	sample   sample
	stream   string
	decision gate.Decision
	reply    string // what the client read where it was refused
}

func (d *demo) show(ctx context.Context) error {
	people := samples(time.Now())
	if err := d.record(ctx, people); err != nil {
		return err
	}
	var all []outcome
	for _, p := range people {
		for _, stream := range []string{"newsletter", "receipts"} {
			o, err := d.send(ctx, p, stream)
			if err != nil {
				return err
			}
			all = append(all, o)
		}
	}
	if err := d.tell(all); err != nil {
		return err
	}
	if err := d.verify(ctx, all); err != nil {
		return err
	}
	return d.addresses()
}

// record gives everybody their history, as an application would by the API or the command line.
func (d *demo) record(ctx context.Context, people []sample) error {
	in := gate.Intake{Store: d.app.store, Keys: d.app.keys}
	for _, p := range people {
		for _, o := range in.Apply(ctx, time.Now(), p.events, false) {
			if o.Err != nil {
				return fmt.Errorf("%s: %w", p.address, o.Err)
			}
		}
	}
	return nil
}

// send puts one message through the gate over SMTP, and asks it why it decided so.
func (d *demo) send(ctx context.Context, p sample, stream string) (outcome, error) {
	addr, err := gate.ParseAddress(p.address)
	if err != nil {
		return outcome{}, err
	}
	policy, err := Policy(d.app.cfg)
	if err != nil {
		return outcome{}, err
	}
	st, err := d.app.cfg.Stream(stream)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{sample: p, stream: stream}
	l := d.app.store.Records(ctx, []gate.ID{d.app.keys.ID(addr)})[0]
	o.decision = policy.Decide(time.Now(), st, addr, l)
	from, text := demoMessage(p.address, stream)
	err = smtp.SendMail(d.app.SMTPAddrs()[0].String(), nil, from, []string{p.address}, text)
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		o.reply, err = fmt.Sprintf("%d %s", refused.Code, refused.Msg), nil
	}
	return o, err
}

func demoMessage(to, stream string) (from string, text []byte) {
	from, subject := "news@example.com", "What is new this week"
	if stream == "receipts" {
		from, subject = "orders@shop.example.com", "Your receipt"
	}
	return from, fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-Id: <%s.%d@example.com>\r\n\r\nHello.\r\n",
		from, to, subject, time.Now().Format(time.RFC1123Z), stream, time.Now().UnixNano())
}

// shown is an outcome as JSON.
type shown struct {
	Recipient string       `json:"recipient"`
	Stream    string       `json:"stream"`
	Verdict   gate.Verdict `json:"verdict"`
	Reason    gate.Reason  `json:"reason"`
	Hint      string       `json:"hint"`
	Reply     string       `json:"reply"` // empty where the client was not refused
}

func (d *demo) tell(all []outcome) error {
	if !d.json {
		return d.table(all)
	}
	for _, o := range all {
		x := shown{o.sample.address, o.stream, o.decision.Verdict, o.decision.Reason, o.decision.Hint, o.reply}
		if err := d.printJSON(x); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) printJSON(v any) error {
	e := json.NewEncoder(d.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (d *demo) table(all []outcome) error {
	w := tabwriter.NewWriter(d.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "RECIPIENT\tSTREAM\tVERDICT\tREASON\tWHAT WOULD UNBLOCK IT")
	for _, o := range all {
		hint := o.decision.Hint
		if o.decision.Verdict == gate.Permit {
			hint = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.sample.address, o.stream, o.decision.Verdict, orDash(string(o.decision.Reason)), hint)
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// verify holds replies and mailbox against what each sample must come to, and shows the header of one newsletter.
func (d *demo) verify(ctx context.Context, all []outcome) error {
	var wrong []error
	want := 0
	for _, o := range all {
		if reason := o.sample.reason(o.stream); reason == "" {
			want++
		}
		if err := o.check(); err != nil {
			wrong = append(wrong, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, arrivalTime)
	defer cancel()
	got, err := d.box.Wait(ctx, want)
	if err != nil || len(got) != want {
		wrong = append(wrong, fmt.Errorf("%w: %d messages arrived, want %d", errDemo, len(got), want))
	}
	for _, m := range got {
		header, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
		if bytes.Contains(header, []byte("From: <news@")) {
			wrong = append(wrong, d.tellHeader(header))
			if !bytes.Contains(header, []byte("List-Unsubscribe: <http")) || !bytes.Contains(header, []byte("List-Unsubscribe-Post: ")) {
				wrong = append(wrong, fmt.Errorf("%w: a newsletter has no List-Unsubscribe", errDemo))
			}
			break
		}
	}
	return errors.Join(wrong...)
}

func (d *demo) tellHeader(header []byte) error {
	if d.json {
		return d.printJSON(map[string]string{"header": string(header)})
	}
	_, err := fmt.Fprintf(d.out, "\nA newsletter as it was delivered:\n\n  %s\n", strings.ReplaceAll(string(header), "\r\n", "\n  "))
	return err
}

// check holds the decision, and what the client read, against the sample.
func (o outcome) check() error {
	want := o.sample.reason(o.stream)
	agree := o.decision.Reason == want
	if want == "" {
		agree = agree && o.reply == ""
	} else {
		agree = agree && strings.Contains(o.reply, "("+string(want)+")")
	}
	if agree {
		return nil
	}
	return fmt.Errorf("%w: %s, %s: decided %q, replied %q, want %q", errDemo, o.sample.address, o.stream, o.decision.Reason, o.reply, want)
}

func (d *demo) addresses() error {
	if d.json {
		return d.printJSON(map[string]string{
			"gate": d.app.SMTPAddrs()[0].String(), "mailbox": "http://" + d.box.HTTPAddr(),
			"unsubscribe": "http://" + d.app.WebAddr().String(),
		})
	}
	_, err := fmt.Fprintf(d.out, `
Gate             %s    (send to it yourself: swaks --server %[1]s --from news@example.com --to you@example.com)
Capture mailbox  http://%s
Unsubscribe      http://%s    (open a link of a captured newsletter)
`, d.app.SMTPAddrs()[0], d.box.HTTPAddr(), d.app.WebAddr())
	return err
}

// stay waits for Ctrl-C.
func (d *demo) stay(ctx context.Context) {
	if !d.json {
		fmt.Fprintln(d.out, "\nRunning until Ctrl-C.")
	}
	<-ctx.Done()
}
