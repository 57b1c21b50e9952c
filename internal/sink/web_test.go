package sink_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/sink"
)

const (
	plainMessage = "From: News <news@example.com>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n" +
		"List-Unsubscribe: <https://u.example.com/u/TOKEN>\r\n" +
		"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"D=E9j=E0 vu\r\n"

	alternatives = "Subject: both\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/html\r\n\r\n<p>in html</p>\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nin plain text\r\n--b--\r\n"

	hostile = "Subject: <script>alert(1)</script>\r\nContent-Type: text/html\r\n\r\n<script>alert(2)</script>\r\n"
)

// get returns status, header and body of a page.
func get(t *testing.T, s *sink.Sink, path string) (int, http.Header, string) {
	t.Helper()
	res, err := http.Get("http://" + s.HTTPAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

// filled is a sink with a page that holds the given messages.
func filled(t *testing.T, messages ...string) *sink.Sink {
	t.Helper()
	s := start(t, sink.Options{HTTP: "127.0.0.1:0"})
	for _, m := range messages {
		send(t, s, "news@example.com", m, "ann@example.com", "bob@example.org")
	}
	wait(t, s, len(messages))
	return s
}

func TestTheIndexShowsTheNewestFirst(t *testing.T) {
	t.Parallel()
	s := filled(t, plainMessage, alternatives)
	status, _, page := get(t, s, "/")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	newer, older := strings.Index(page, ">both<"), strings.Index(page, ">Café<")
	if newer < 0 || older < 0 || newer > older {
		t.Errorf("subjects at %d (newer) and %d (older):\n%s", newer, older, page)
	}
	for _, want := range []string{"news@example.com", "ann@example.com, bob@example.org", "2026-11-01 10:00:00", `href="/messages/2"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the index lacks %q", want)
		}
	}
}

func TestAnEmptySinkSaysSo(t *testing.T) {
	t.Parallel()
	if _, _, page := get(t, filled(t), "/"); !strings.Contains(page, "Nothing yet") {
		t.Errorf("page:\n%s", page)
	}
	if _, _, list := get(t, filled(t), "/messages.json"); strings.TrimSpace(list) != "[]" {
		t.Errorf("JSON %q, want []", list)
	}
}

func TestAMessagesPageShowsHeaderAndText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		message string
		want    []string
	}{
		"decoded text, verbatim header": {plainMessage, []string{
			"<h1>Café</h1>", "Subject: =?utf-8?q?Caf=C3=A9?=",
			"List-Unsubscribe: &lt;https://u.example.com/u/TOKEN&gt;", "Déjà vu",
		}},
		"plain text before HTML":      {alternatives, []string{`<pre class="text">in plain text`}},
		"no header at all":            {"\r\nonly text\r\n", []string{"(no subject)", "only text"}},
		"a line that is not a header": {"no colon here\r\n\r\nstill shown\r\n", []string{"no colon here", "still shown"}},
		"no text":                     {"Subject: empty\r\n\r\n", []string{"No text."}},
		"unknown encoding": {
			"Subject: odd\r\nContent-Transfer-Encoding: x-none\r\n\r\nas it came\r\n",
			[]string{"as it came"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, _, page := get(t, filled(t, tt.message), "/messages/1")
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			for _, want := range tt.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q:\n%s", want, page)
				}
			}
		})
	}
}

func TestAMessageCannotActInTheReadersBrowser(t *testing.T) {
	t.Parallel()
	s := filled(t, hostile)
	for _, path := range []string{"/", "/messages/1"} {
		_, header, page := get(t, s, path)
		if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert(1)") {
			t.Errorf("%s is not escaped:\n%s", path, page)
		}
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self';") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
	}
	_, header, raw := get(t, s, "/messages/1/raw")
	if raw != hostile {
		t.Errorf("raw = %q, want %q", raw, hostile)
	}
	if header.Get("Content-Type") != "text/plain; charset=utf-8" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("raw octets are served as %v", header)
	}
}

func TestTheJSONNamesEnvelopeHeaderAndRawMessage(t *testing.T) {
	t.Parallel()
	s := filled(t, hostile, plainMessage)
	_, _, body := get(t, s, "/messages.json")
	var got []struct {
		ID                         int
		From, Subject, Header, Raw string
		To                         []string
		Size                       int
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v:\n%s", err, body)
	}
	if len(got) != 2 || got[0].ID != 2 {
		t.Fatalf("got %d messages, want 2, newest first:\n%s", len(got), body)
	}
	m := got[0]
	if m.From != "news@example.com" || len(m.To) != 2 || m.Subject != "Café" || m.Size != len(plainMessage) {
		t.Errorf("message %+v", m)
	}
	if !strings.Contains(m.Header, "\r\nList-Unsubscribe: <https://u.example.com/u/TOKEN>\r\n") {
		t.Errorf("header %q", m.Header)
	}
	if _, _, raw := get(t, s, m.Raw); raw != plainMessage {
		t.Errorf("%s = %q", m.Raw, raw)
	}
}

func TestWhatIsNotHeldIsNotFound(t *testing.T) {
	t.Parallel()
	s := filled(t, plainMessage)
	for _, path := range []string{"/messages/0", "/messages/2", "/messages/x", "/messages/2/raw", "/other", "/web/index.html"} {
		if status, _, _ := get(t, s, path); status != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, status)
		}
	}
	res, err := http.Post("http://"+s.HTTPAddr()+"/messages/1", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", res.StatusCode)
	}
}

func TestTheStyleSheetIsOurOwn(t *testing.T) {
	t.Parallel()
	status, header, css := get(t, filled(t), "/style.css")
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/css") || !strings.Contains(css, "color-scheme: light dark") {
		t.Errorf("status %d, type %q", status, header.Get("Content-Type"))
	}
	if strings.Contains(css, "url(") || strings.Contains(css, "@import") {
		t.Error("the style sheet fetches something")
	}
}
