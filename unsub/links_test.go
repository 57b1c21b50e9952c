package unsub_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

func TestHeaderHasWhatTheStreamAsksFor(t *testing.T) {
	t.Parallel()
	const (
		web  = `<https://u\.example\.com/u/[\w-]{50}>`
		mail = `<mailto:[a-z2-7]{60}@in\.example\.com\?subject=unsubscribe>`
		post = `List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n`
	)
	for _, c := range []struct {
		name, url, domain string
		asks              []string
		want              string
	}{
		{
			"https: one line and the post line", "https://u.example.com/", "",
			[]string{"https"},
			`List-Unsubscribe: ` + web + `\r\n` + post,
		},
		{
			"https and mailto: the mailto folded, behind", "https://u.example.com", "in.example.com",
			[]string{"mailto", "https"},
			`List-Unsubscribe: ` + web + `,\r\n ` + mail + `\r\n` + post,
		},
		{
			"mailto alone promises no post", "https://u.example.com", "in.example.com",
			[]string{"mailto"},
			`List-Unsubscribe: ` + mail + `\r\n`,
		},
		{"nothing asked, nothing written", "https://u.example.com", "in.example.com", nil, ``},
		{"nowhere to lead, nothing written", "", "", []string{"https", "mailto"}, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := unsub.NewLinks(unsub.Tokens{Keys: fixedKeys{}}, c.url, c.domain)
			if err != nil {
				t.Fatal(err)
			}
			got := l.AppendHeader(nil, gate.ID{1}, &gate.Stream{Name: "newsletter", Unsubscribe: c.asks})
			if !regexp.MustCompile(`^` + c.want + `$`).Match(got) {
				t.Errorf("header %q, want %s", got, c.want)
			}
		})
	}
}

func TestHeaderLineIsAtMost120OctetsForTheLongestPublicURL(t *testing.T) {
	t.Parallel()
	longest := "https://unsubscribe.newsletters.example.com/gate"[:46]
	l, err := unsub.NewLinks(unsub.Tokens{Keys: fixedKeys{}}, longest, "in.example.com")
	if err != nil {
		t.Fatal(err)
	}
	header := l.AppendHeader(nil, gate.ID{1}, &gate.Stream{Name: "n", Unsubscribe: []string{"https", "mailto"}})
	line, _, _ := strings.Cut(string(header), "\r\n")
	if len(line) != 120 {
		t.Errorf("%d octets, want 120: %s", len(line), line)
	}
}

func TestPublicURLThatMailClientsCannotUseIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, domain, says string }{
		"http off loopback": {"http://u.example.com", "", "https"},
		"no scheme":         {"u.example.com", "", "https://host"},
		"a query":           {"https://u.example.com/?a=b", "", "https://host"},
		"a user":            {"https://ann@u.example.com", "", "https://host"},
		"not ASCII":         {"https://désabo.example.com", "", "xn--"},
		"too long":          {"https://" + strings.Repeat("u", 27) + ".example.com", "", "46 octets"},
		"no mail domain":    {"", "in example", "mailto domain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := unsub.NewLinks(unsub.Tokens{Keys: fixedKeys{}}, c.url, c.domain)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("NewLinks(%q, %q): %v, want it to say %q", c.url, c.domain, err, c.says)
			}
		})
	}
}

func TestPublicURLOnLoopbackMayBeHTTP(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://localhost:8025", "http://127.0.0.1:8025", "http://[::1]:8025"} {
		l, err := unsub.NewLinks(unsub.Tokens{Keys: fixedKeys{}}, url, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := l.URL(gate.ID{1}, "newsletter"); !strings.HasPrefix(got, url+"/u/") {
			t.Errorf("URL = %s", got)
		}
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	l, err := unsub.NewLinks(unsub.Tokens{Keys: keys(b, b.TempDir())}, "https://u.example.com", "")
	if err != nil {
		b.Fatal(err)
	}
	s := &gate.Stream{Name: "newsletter", Unsubscribe: []string{"https"}}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		l.AppendHeader(buf, gate.ID{1}, s)
	}
}

func TestATokenIsFoundInAListUnsubscribeOfOurs(t *testing.T) {
	t.Parallel()
	tokens := unsub.Tokens{Keys: fixedKeys{}}
	l, err := unsub.NewLinks(tokens, "https://u.example.com/mail", "in.example.com")
	if err != nil {
		t.Fatal(err)
	}
	id := gate.ID{1}
	web, mail := "<"+l.URL(id, "newsletter")+">", "<"+l.Mailto(id, "newsletter")+">"
	local := tokens.MakeLocalPart(id, "newsletter", unsub.TokenUnsubscribe)
	for name, c := range map[string]struct {
		value string
		want  bool
	}{
		"as it was written":          {web + ", " + mail, true},
		"the link":                   {web, true},
		"the address":                {mail, true},
		"the address in capitals":    {strings.ToUpper(mail), true},
		"without a subject":          {"<mailto:" + local + "@in.example.com>", true},
		"behind somebody else's":     {"<https://shop.example/u>, (ours) " + web, true},
		"folded inside":              {web[:40] + "\r\n\t" + web[40:], true},
		"a host in capitals":         {strings.Replace(web, "u.example", "U.EXAMPLE", 1), true},
		"nothing":                    {"", false},
		"no brackets":                {l.URL(id, "newsletter"), false},
		"half a bracket":             {"<" + l.URL(id, "newsletter"), false},
		"another host":               {strings.Replace(web, "u.example.com", "u.example.net", 1), false},
		"another path":               {strings.Replace(web, "/mail/u/", "/u/", 1), false},
		"another domain":             {strings.Replace(mail, "in.example", "example", 1), false},
		"more behind the token":      {strings.Replace(web, ">", "/x>", 1), false},
		"a token for something else": {"<" + strings.Replace(l.Preferences(id), "/p/", "/u/", 1) + ">", false},
		"a token that is forged":     {"<https://u.example.com/mail/u/" + strings.Repeat("A", 50) + ">", false},
	} {
		text, token, err := l.Find(c.value)
		if (err == nil) != c.want || c.want && (token.ID != id || text == "") {
			t.Errorf("%s: %q, %+v, %v", name, text, token, err)
		}
	}
	bare, err := unsub.NewLinks(tokens, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := bare.Find("<" + local + ">, <mailto:" + local + "@>"); err == nil {
		t.Errorf("a gate without links finds %q", text)
	}
}
