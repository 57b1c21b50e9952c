package unsub_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignUpsOfOneNetworkAreBounded(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	send := func(n int, from string) int {
		body := url.Values{"email": {fmt.Sprintf("p%d@example.com", n)}, "consent": {"no"}}.Encode()
		return c.submit(body, "X-Forwarded-For: "+from).Code
	}
	for i := range 60 {
		if got := send(i, fmt.Sprintf("192.0.2.%d", i)); got != 202 {
			t.Fatalf("sign-up %d: %d", i, got)
		}
	}
	if got := send(60, "192.0.2.200"); got != http.StatusTooManyRequests {
		t.Errorf("the 61st: %d", got)
	}
	if got := send(61, "198.51.100.1"); got != 202 {
		t.Errorf("from elsewhere: %d", got)
	}
	c.later = 10 * time.Minute
	if got := send(62, "192.0.2.200"); got != 202 {
		t.Errorf("ten minutes later: %d", got)
	}
}

func TestOthersMessagesOfAFormAreCapped(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for i := range 10 {
		c.later = time.Duration(i) * time.Hour
		has(t, c.submit(yes), 202, "Please look into your mailbox")
	}
	if len(c.sent) != 3 {
		t.Errorf("%d messages to somebody who never asked, want 3", len(c.sent))
	}
}

func TestAFormIsTakenOnlyForAddressesOnTheInternet(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for _, at := range []string{"[127.0.0.1]", "[IPv6:::1]", "localhost", "mail", "127.0.0.1", "127.1", "10.0.0.0x1", "db.localhost"} {
		has(t, c.submit(url.Values{"email": {"ann@" + at}, "consent": {"yes"}}.Encode()), 422, "Please check the address")
	}
	if len(c.sent) != 0 {
		t.Errorf("%d messages", len(c.sent))
	}
}

// A flood from everywhere neither frees a network that is held back nor takes memory without end.
func TestAFloodFromEverywhereFreesNoNetwork(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	ask := func(from string) int { return c.send("email=ann%40example.com", "X-Forwarded-For: "+from).Code }
	for range 60 {
		ask("192.0.2.1")
	}
	for i := range 9_999 {
		if got := ask(fmt.Sprintf("10.%d.%d.1", i/256, i%256)); got != 200 {
			t.Fatalf("network %d: %d", i, got)
		}
	}
	for from, want := range map[string]int{"192.0.2.1": 429, "198.51.100.1": 429, "10.0.0.1": 200} {
		if got := ask(from); got != want {
			t.Errorf("%s: %d, want %d", from, got, want)
		}
	}
	c.later = 10 * time.Minute
	if got := ask("198.51.100.1"); got != 200 {
		t.Errorf("in the next ten minutes: %d", got)
	}
}

func TestAServerOfOnesOwnIsNoNetworkOfAPerson(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for i, from := range []string{"127.0.0.1:1", "10.0.0.9:1", "[fd00::1]:1"} {
		r := httptest.NewRequest(http.MethodPost, "/s/footer", strings.NewReader(fmt.Sprintf("email=p%d%%40example.com&consent=no", i)))
		r.RemoteAddr = from
		c.ServeHTTP(httptest.NewRecorder(), r)
		c.drain(t)
		e := person(t, c.store, c.keys.ID(address(t, fmt.Sprintf("p%d@example.com", i)))).Events
		if len(e) != 1 || e[0].IP != "" {
			t.Errorf("%s: events %+v", from, e)
		}
	}
}
