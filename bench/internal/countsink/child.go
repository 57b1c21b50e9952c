//go:build linux

package countsink

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// hello is what the process says first.
type hello struct {
	Addr string `json:"addr"`
}

// server is either kind.
type server interface {
	Addr() string
	Serve() error
	Report() Report
	Reset()
	Close()
}

// listen binds what the arguments name: an address and, for STARTTLS, the files of a certificate and its key.
func listen(args []string) (server, error) {
	switch len(args) {
	case 1:
		return Listen(args[0])
	case 3:
		return ListenTLS(args[0], args[1], args[2])
	}
	return nil, errors.New("countsink wants an address, and for TLS the files of a certificate and its key")
}

// Run is the process: it serves what args name until in ends, answering each line there ("reset" or "report") with the
// Report as it was before.
func Run(args []string, in io.Reader, out io.Writer) error {
	s, err := listen(args)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(hello{s.Addr()}); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	err = obey(s, bufio.NewScanner(in), answers)
	s.Close()
	return errors.Join(err, <-served)
}

func obey(s server, orders *bufio.Scanner, answers *json.Encoder) error {
	for orders.Scan() {
		report := s.Report()
		if orders.Text() == "reset" {
			s.Reset()
		}
		if err := answers.Encode(report); err != nil {
			return err
		}
	}
	return orders.Err()
}

// Child is a process that runs Run.
type Child struct {
	*procs.Process
	Addr string // where it listens, host:port

	orders  io.WriteCloser
	answers *json.Decoder
}

// Start starts cmd, which must call Run with its standard input and output.
func Start(cmd *exec.Cmd, log string) (*Child, error) {
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c := &Child{orders: orders, answers: json.NewDecoder(answers)}
	if c.Process, err = procs.Start("countsink", log, cmd); err != nil {
		return nil, err
	}
	var h hello
	if err := c.answers.Decode(&h); err != nil {
		return nil, errors.Join(fmt.Errorf("countsink does not say where it listens: %w", err), c.Stop())
	}
	c.Addr = h.Addr
	return c, nil
}

// Stop ends the process.
func (c *Child) Stop() error { return errors.Join(c.orders.Close(), c.Wait()) }

// Report tells what arrived since the last Reset.
func (c *Child) Report() (Report, error) { return c.order("report") }

// Reset forgets it. No message may be on its way.
func (c *Child) Reset() error {
	_, err := c.order("reset")
	return err
}

func (c *Child) order(word string) (Report, error) {
	var r Report
	if _, err := fmt.Fprintln(c.orders, word); err != nil {
		return r, fmt.Errorf("countsink: %w", err)
	}
	if err := c.answers.Decode(&r); err != nil {
		return r, fmt.Errorf("countsink: %w", err)
	}
	return r, nil
}
