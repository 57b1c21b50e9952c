package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/testredis"
)

// example is the first shell example of docs/consent.md that holds a word.
func example(t *testing.T, word string) string {
	t.Helper()
	docs, err := os.ReadFile("../../docs/consent.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(docs), -1) {
		if strings.Contains(m[1], word) {
			return m[1]
		}
	}
	t.Fatalf("docs/consent.md has no shell example with %s", word)
	return ""
}

// shell runs a text in a shell whose redis-cli speaks to the server.
func shell(t *testing.T, server *testredis.Server, text string) {
	t.Helper()
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "redis-cli ", "redis-cli -e -h "+host+" -p "+port+" ")
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", text).CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", text, err, out)
	}
}

func TestEventsLeftInRedisAreRecordedAsTheDocumentationShows(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	g := startGate(t, server.URL, "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")
	g.must("consent", "grant", "ann@example.com", "--purpose", "newsletter", "--method", "active",
		"--default-state", "unticked", "--source", "form:footer", "--at", "2026-11-01T10:00:00Z")
	text := example(t, "XADD cg:in")
	shell(t, server, text+text+strings.ReplaceAll(text, "withdrawn", "removed"))
	waitFor(t, 20*time.Second, "the inbox to be empty", func() bool {
		reply, err := server.Do("XLEN", "cg:in")
		return err == nil && reply == ":0"
	})
	history := g.must("consent", "history", "ann@example.com", "--json")
	if n := strings.Count(history, `"type":"withdrawn"`); n != 2 { // two entries without an id are two events
		t.Errorf("%d withdrawals are recorded, want 2", n)
	}
	rejects := g.must("consent", "rejects", "--json")
	if strings.Count(rejects, "\n") != 1 || !strings.Contains(rejects, `"recipient":"a***@example.com"`) ||
		!strings.Contains(rejects, `\"removed\" is unknown`) {
		t.Errorf("rejects: %s", rejects)
	}
	if !strings.Contains(g.must("consent", "rejects"), "a***@example.com") {
		t.Error("the table does not show the reject")
	}
}

func TestASourceDeclaredInvalidIsRefusedByARunningGateWithinASecond(t *testing.T) {
	t.Parallel()
	server, box := testredis.Start(t), startPostfix(t)
	g := startGate(t, server.URL, "--listen", "127.0.0.1:0", "--upstream", box.addr)
	g.grant("ann@example.com", "active")
	g.must("invalidate", "--source", "form:footer", "--why", "the box was ticked")
	marked := time.Now()
	waitFor(t, 20*time.Second, "the gate to refuse", func() bool {
		dialogue, _ := swaks(t, g.addr, "--from", "news@example.com", "--to", "ann@example.com", "--quit-after", "RCPT")
		return strings.Contains(dialogue, "(invalidated)")
	})
	t.Logf("refused %v after the command had ended", time.Since(marked).Round(time.Millisecond))
	g.must("invalidate", "--source", "form:footer", "--lift", "--why", "it was not")
	waitFor(t, 20*time.Second, "the gate to permit", func() bool {
		_, code := swaks(t, g.addr, "--from", "news@example.com", "--to", "ann@example.com", "--data", "Subject: again\n\ntext\n")
		return code == 0
	})
	box.wait(1)
}
