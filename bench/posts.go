//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// postsGoal is what 99 of 100 POSTs may take.
const postsGoal = 50 * time.Millisecond

// postsOptions are how many POSTs there are beside how much mail.
type postsOptions struct {
	Rate  int           // POSTs a second
	Mail  int           // messages a second
	Conns int           // of POSTs
	Time  time.Duration // that is measured
	Quiet time.Duration
	Prof  string
}

func postsFlags(args []string, log io.Writer) (o postsOptions, err error) {
	f := flag.NewFlagSet("bench posts", flag.ContinueOnError)
	f.SetOutput(log)
	f.IntVar(&o.Rate, "rate", 2000, "one-click `POSTs` a second")
	f.IntVar(&o.Mail, "mail", 200, "`messages` a second beside them")
	f.IntVar(&o.Conns, "conns", 64, "`connections` that the POSTs come on")
	f.DurationVar(&o.Time, "time", 15*time.Second, "of the run")
	f.DurationVar(&o.Quiet, "quiet", 20*time.Second, "`time` to wait until the machine is quiet")
	f.StringVar(&o.Prof, "profile", "", "`file` for a CPU profile of the gate")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.Rate < 1 || o.Mail < 1 || o.Conns < 1 || o.Time <= 0 {
		return o, errors.New("rate, mail, conns and time want to be more than nothing")
	}
	return o, nil
}

// posts measures one-click POSTs beside mail: a built gate with its fsynced journal, a real Redis with its append-only
// file. Every POST withdraws somebody else.
func posts(ctx context.Context, args []string, out, log io.Writer) (err error) {
	o, err := postsFlags(args, log)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "consentgate-posts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := newBenchmark(short(), dir, log)
	defer func() { err = errors.Join(err, b.stop()) }()
	warm := o.Rate // one second of POSTs that is not measured
	b.o.Records = warm + int(o.Time.Seconds()*float64(o.Rate))
	for _, step := range []func(context.Context) error{b.findPrograms, b.build, b.startUpstream, func(ctx context.Context) error { return b.startPosted(ctx, o.Prof) }} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if _, _, err := b.post(ctx, o, 0, warm); err != nil {
		return err
	}
	procs.AwaitQuiet(quietShare, o.Quiet)
	if err := b.tellDisk(out); err != nil {
		return err
	}
	busy, used, start := procs.Busy(), procs.CPU(b.gate.PID), time.Now()
	answered, mails, err := b.post(ctx, o, warm, b.o.Records-warm)
	if err != nil {
		return err
	}
	all := procs.Share(procs.Busy()-busy, time.Since(start))
	return b.tellPosts(out, o, answered, mails, procs.CPU(b.gate.PID)-used, all)
}

// startPosted starts Redis and the gate, with a profile where a file is named, and has people agree who can withdraw.
func (b *benchmark) startPosted(ctx context.Context, profile string) (err error) {
	if b.redis, err = rig.StartRedis(ctx, b.path("redis")); err != nil {
		return err
	}
	command := []string{b.binary, "serve"}
	if profile != "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		file, err := filepath.Abs(profile)
		if err != nil {
			return err
		}
		command = []string{self, "profiled-gate", "--profile", file}
	}
	if b.gate, err = rig.NewGate(ctx, b.path("gate"), b.redis.URL, b.upstreamAddr, b.binary, command...); err != nil {
		return err
	}
	if err := b.gate.Fill(ctx, b.o.Records, nil); err != nil {
		return err
	}
	return b.gate.Start(ctx)
}

// post has n people withdraw after the first, and mail pass meanwhile.
func (b *benchmark) post(ctx context.Context, o postsOptions, first, n int) (load.Answered, load.Streamed, error) {
	paths := make([]string, n)
	for i := range paths {
		path, err := b.gate.OneClick(load.Address(first+i+1, load.Recipients))
		if err != nil {
			return load.Answered{}, load.Streamed{}, err
		}
		paths[i] = path
	}
	beside, stop := context.WithCancel(ctx)
	var mail load.Streamed
	var mailErr error
	var sending sync.WaitGroup
	sending.Go(func() {
		mail, mailErr = load.Stream{Addr: b.gate.Addr, From: rig.FromPerRecipient, Size: messageSize, Rate: o.Mail, Conns: 4}.Run(beside)
	})
	answered, err := load.Posts{Addr: b.gate.Web, Paths: paths, Rate: o.Rate, Conns: o.Conns}.Run(ctx)
	stop()
	sending.Wait()
	return answered, mail, errors.Join(err, mailErr)
}

// tellDisk appends and fsyncs for a while. No POST is faster than that: what it withdraws is on disk before its answer.
func (b *benchmark) tellDisk(out io.Writer) error {
	f, err := os.Create(b.path("fsync"))
	if err != nil {
		return err
	}
	defer f.Close()
	var took []time.Duration
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 400)); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
	_, err = fmt.Fprintf(out, "the disk before: %d fsyncs; p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
		len(took), percentile(took, 50)/1000, percentile(took, 99)/1000, percentile(took, 100)/1000)
	return err
}

func (b *benchmark) tellPosts(out io.Writer, o postsOptions, a load.Answered, mail load.Streamed, cpu time.Duration, busy float64) error {
	n := len(a.Took)
	if good := a.Codes[http.StatusOK] + a.Codes[http.StatusAccepted]; good != n {
		return fmt.Errorf("%d POSTs, answers %v: only 200 and 202 are good", n, a.Codes)
	}
	verdict := "reached"
	if percentile(a.Took, 99) > float64(postsGoal.Microseconds()) || float64(n)/a.Elapsed.Seconds() < 0.98*float64(o.Rate) {
		verdict = "missed"
	}
	ms := func(all []time.Duration, p int) float64 { return percentile(all, p) / 1000 }
	fmt.Fprintf(out, "one-click: %d POSTs in %.1f s, %.0f a second; p50 %.1f ms, p99 %.1f ms, max %.1f ms; 200: %d, 202: %d\n",
		n, a.Elapsed.Seconds(), float64(n)/a.Elapsed.Seconds(), ms(a.Took, 50), ms(a.Took, 99), ms(a.Took, 100), a.Codes[http.StatusOK], a.Codes[http.StatusAccepted])
	fmt.Fprintf(out, "mail beside: %d messages, %.0f a second; p50 %.1f ms, p99 %.1f ms, max %.1f ms; deferred: %d\n",
		len(mail.Took), float64(len(mail.Took))/a.Elapsed.Seconds(), ms(mail.Took, 50), ms(mail.Took, 99), ms(mail.Took, 100), mail.Deferred)
	fmt.Fprintf(out, "CPU: the gate %.2f of a core, the whole machine %.0f %% busy; load average %.1f\n",
		cpu.Seconds()/a.Elapsed.Seconds(), 100*busy, procs.Load())
	_, err := fmt.Fprintf(out, "goal: %d a second with p99 below %v: %s\n", o.Rate, postsGoal, verdict)
	return err
}
