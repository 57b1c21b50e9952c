//go:build linux

package peers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/consentgate/consentgate/bench/internal/peers"
	"github.com/consentgate/consentgate/gate"
)

// people answers for those whose state it holds.
type people map[gate.ID]gate.State

func (p people) Records(_ context.Context, ids []gate.ID) []gate.Lookup {
	out := make([]gate.Lookup, len(ids))
	for i, id := range ids {
		switch state := p[id]; state {
		case "":
		case gate.StateExpired: // stands for a store that is down
			out[i].Err = gate.ErrUnavailable
		default:
			out[i].Record.Consents = map[string]gate.Consent{"newsletter": {State: state}}
		}
	}
	return out
}

// ids are the first octets of addresses.
type ids struct{}

func (ids) ID(a gate.Address) (id gate.ID) {
	copy(id[:], a.Canonical())
	return id
}

func TestThePolicyServiceAnswersEachQuestionInTurn(t *testing.T) {
	t.Parallel()
	state := people{}
	for address, s := range map[string]gate.State{
		"a@bench.test": gate.StateActiveSingle, "b@bench.test": gate.StateWithdrawn, "c@bench.test": gate.StateExpired,
	} {
		a, err := gate.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		state[ids{}.ID(a)] = s
	}
	conn := ask(t, peers.Policy{Records: state, Keys: ids{}, Purpose: "newsletter"})
	in := bufio.NewReader(conn)
	for _, tt := range []struct{ recipient, want string }{
		{"a@bench.test", "action=DUNNO\n"},
		{"b@bench.test", "action=550 5.7.1 No consent\n"},
		{"c@bench.test", "action=451 4.3.0 Try again\n"},
		{"nobody@bench.test", "action=550 5.7.1 No consent\n"},
		{"", "action=553 5.1.3 Not an address\n"},
		{"a@bench.test", "action=DUNNO\n"},
	} {
		fmt.Fprintf(conn, "request=smtpd_access_policy\nrecipient=%s\nsender=x@bench.test\n\n", tt.recipient)
		got, err := in.ReadString('\n')
		empty, err2 := in.ReadString('\n')
		if err != nil || err2 != nil || got != tt.want || empty != "\n" {
			t.Fatalf("%q: got %q and %q, errors %v, %v; want %q and an empty line", tt.recipient, got, empty, err, err2, tt.want)
		}
	}
}

// ask serves p and connects to it.
func ask(t *testing.T, p peers.Policy) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		conn.Close()
	})
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}
